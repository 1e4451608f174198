//! Who wrote a PolicyException.

use serde_json::Value;

use crate::object::{get, get_str, object_entry};
use crate::resources::AUTHOR_ANNOTATION;
use crate::{Operation, Request};

/// The PolicyException with its author recorded, where it isn't yet: whoever created it or changed its spec last,
/// whatever its annotation says. `None` for anything else.
pub(super) fn recorded(request: &Request) -> Option<Value> {
    let is_exception =
        request.kind.group == sallyport_policy::GROUP && request.kind.kind == "PolicyException";
    if !is_exception || !request.sub_resource.is_empty() {
        return None;
    }
    let object = request.object.as_object()?;
    let old = request.old_object.as_object();
    let annotation = ["metadata", "annotations", AUTHOR_ANNOTATION];
    let author = match (request.operation, old) {
        (Operation::Create, _) => request.user_info.username.as_str(),
        (Operation::Update, Some(old)) if get(old, &["spec"]) == get(object, &["spec"]) => {
            get_str(old, &annotation).unwrap_or(&request.user_info.username)
        }
        (Operation::Update, _) => request.user_info.username.as_str(),
        _ => return None,
    };
    if get_str(object, &annotation) == Some(author) {
        return None;
    }
    let mut object = object.clone();
    let metadata = object_entry(&mut object, "metadata")?;
    object_entry(metadata, "annotations")?.insert(AUTHOR_ANNOTATION.to_owned(), author.into());
    Some(Value::Object(object))
}
