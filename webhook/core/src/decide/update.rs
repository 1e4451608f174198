//! Updates that change nothing that a policy judges.
//!
//! An object that was let in before a policy came must still be cleaned up: its finalizers removed, its status
//! written, its owner changed. So what is wrong with such an update is told and not refused. Everything else is
//! decided as if the object were new.

use serde_json::Value;

use crate::object::{Fields, PodBearing, Reads, get};
use crate::{Operation, Request};

/// Whether what is wrong with a request was there before it, so that it is told and not refused: the object is being
/// deleted, or is what it was in everything but metadata that isn't `read`.
pub(super) fn changes_nothing_judged(request: &Request, read: &Reads) -> bool {
    let (Some(old), Some(new)) = (request.old_object.as_object(), request.object.as_object()) else {
        return false;
    };
    if request.operation != Operation::Update {
        return false;
    }
    // A pod may go on running for as long as its grace period lasts: what is added to it then is added.
    let deleted = request.sub_resource.is_empty() && get(old, &["metadata", "deletionTimestamp"]).is_some();
    deleted || (read.same(old, new) && body(old).eq(body(new)))
}

/// Whether an update leaves the pods that a controller makes as they were.
pub(super) fn keeps_template(request: &Request, kind: PodBearing, read: &Reads) -> bool {
    let template = |object: &'_ Value| -> Option<Fields> {
        let mut at = object.as_object()?;
        for field in kind.template() {
            at = at.get(*field)?.as_object()?;
        }
        Some(at.clone())
    };
    if request.operation != Operation::Update {
        return false;
    }
    match (template(&request.old_object), template(&request.object)) {
        (Some(old), Some(new)) => read.same(&old, &new) && get(&old, &["spec"]) == get(&new, &["spec"]),
        _ => false,
    }
}

/// All of an object but its metadata and its status.
fn body(object: &Fields) -> impl Iterator<Item = (&String, &Value)> {
    object.iter().filter(|(field, _)| !["metadata", "status"].contains(&field.as_str()))
}
