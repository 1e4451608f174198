//! Updates that change nothing that a policy judges.
//!
//! An object that was let in before a policy came must still be cleaned up: its finalizers removed, its status
//! written, its owner changed. So what is wrong with such an update is told and not refused. Everything else is
//! decided as if the object were new.

use serde_json::Value;

use crate::object::{Fields, PodBearing, Reads, get, get_list, get_object};
use crate::{Operation, Request};

/// Whether what is wrong with a request was there before it, so that it is told and not refused: the object is what it
/// was in everything but what isn't `read`, or it is being deleted and only loses finalizers.
pub(super) fn changes_nothing_judged(request: &Request, read: &Reads) -> bool {
    let (Some(old), Some(new)) = (request.old_object.as_object(), request.object.as_object()) else {
        return false;
    };
    if request.operation != Operation::Update {
        return false;
    }
    lets_go(request, old, new) || (!read.update && read.same(old, new) && body(old).eq(body(new)))
}

/// Whether the update does nothing but take finalizers off an object that is being deleted. Whatever else is done to it
/// then is done to something that lives on: for as long as its grace period lasts, or as long as a finalizer is left,
/// which its author may have put there.
fn lets_go(request: &Request, old: &Fields, new: &Fields) -> bool {
    let finalizers = get_list(old, &["metadata", "finalizers"]);
    request.sub_resource.is_empty()
        && get(old, &["metadata", "deletionTimestamp"]).is_some()
        && get_list(new, &["metadata", "finalizers"]).iter().all(|left| finalizers.contains(left))
        && all_but(old, &["metadata"]).eq(all_but(new, &["metadata"]))
        && match (get_object(old, &["metadata"]), get_object(new, &["metadata"])) {
            (Some(old), Some(new)) => all_but(old, &LETTING_GO).eq(all_but(new, &LETTING_GO)),
            _ => false,
        }
}

/// The finalizers, and what the API server writes of itself when they change.
const LETTING_GO: [&str; 4] = ["finalizers", "managedFields", "resourceVersion", "generation"];

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
    all_but(object, &["metadata", "status"])
}

/// The fields of an object that have none of these names.
fn all_but<'o>(object: &'o Fields, names: &'static [&str]) -> impl Iterator<Item = (&'o String, &'o Value)> {
    object.iter().filter(move |(field, _)| !names.contains(&field.as_str()))
}
