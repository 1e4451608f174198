//! Images that a policy brings, held to the policy's own rules for images.

use sallyport_policy::{Diagnostics, FieldPath};

use super::{CompiledEntry, CompiledRule};
use crate::mutate::BroughtImage;

/// Warns of each container that the policy adds and refuses the pod for.
pub(super) fn warn_of_own_images(
    mutations: &[CompiledEntry],
    rules: &[CompiledRule],
    path: &FieldPath,
    found: &mut Diagnostics,
) {
    for entry in mutations {
        let Some(BroughtImage { action, kind, name, image }) = entry.transformation.brings_image() else {
            continue;
        };
        for rule in rules.iter().filter(|rule| rule.selection.judges(kind, name)) {
            if rule.conditions.exclude_each_other(&entry.conditions) {
                continue;
            }
            for objection in rule.rule.objections_to_image(image) {
                let at = path.field("mutate").named(entry.source.entry.to_string()).field(action);
                let message = format!("this policy's own {} refuses it: {objection}", rule.source.entry);
                found.warn(at.field("container").field("image"), message);
            }
        }
    }
}
