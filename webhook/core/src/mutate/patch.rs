//! Applies RFC 6902 operations: all of an entry's, or none.
//!
//! `add` creates missing parents. What a second application would change again is refused at compile time where it
//! can be seen, and otherwise left out by the engine, which sees it.

use json_patch::PatchOperation;
use sallyport_policy::{Diagnostics, FieldPath};
use serde_json::{Value, json};

use super::log::{Dotted, Log};
use super::transformation::{Phase, Subject, Terms, Transformation};
use crate::resources::{JsonPatchOp, JsonPatchOperation};

/// Operations in order.
#[derive(Debug)]
pub(crate) struct JsonPatch(Vec<PatchOperation>);

/// What a policy can't change: the API server would refuse it, or it decides what the object is.
const OUT_OF_REACH: [&str; 13] = [
    "/apiVersion",
    "/kind",
    "/status",
    "/metadata/name",
    "/metadata/namespace",
    "/metadata/generateName",
    "/metadata/uid",
    "/metadata/resourceVersion",
    "/metadata/generation",
    "/metadata/creationTimestamp",
    "/metadata/deletionTimestamp",
    "/metadata/managedFields",
    "/metadata/selfLink",
];

impl JsonPatch {
    /// `conditional` says whether the entry has a `when`, which can keep a patch from being applied again.
    pub(crate) fn compile(
        operations: &[JsonPatchOperation],
        conditional: bool,
        path: &FieldPath,
        found: &mut Diagnostics,
    ) -> Self {
        let tested = operations.iter().any(|operation| operation.op == JsonPatchOp::Test);
        let mut compiled = Vec::with_capacity(operations.len());
        for (i, operation) in operations.iter().enumerate() {
            let at = path.index(i);
            let needs_value =
                matches!(operation.op, JsonPatchOp::Add | JsonPatchOp::Replace | JsonPatchOp::Test);
            let needs_from = matches!(operation.op, JsonPatchOp::Move | JsonPatchOp::Copy);
            if needs_value != operation.value.is_some() {
                found.error(at.field("value"), "add, replace and test need a value, and only they");
                continue;
            }
            if needs_from != operation.from.is_some() {
                found.error(at.field("from"), "move and copy need from, and only they");
                continue;
            }
            for (field, pointer) in [("path", Some(&operation.path)), ("from", operation.from.as_ref())] {
                if let Some(pointer) = pointer {
                    check_pointer(pointer, operation.op, &at.field(field), found);
                }
            }
            let inserts = matches!(operation.op, JsonPatchOp::Add | JsonPatchOp::Copy | JsonPatchOp::Move)
                && operation
                    .path
                    .rsplit('/')
                    .next()
                    .is_some_and(|last| last == "-" || last.parse::<u32>().is_ok());
            if inserts && !conditional && !tested {
                found.push(
                    sallyport_policy::Diagnostic::error(
                        at.field("path"),
                        "this inserts an element at every call, and a pod may be sent here more than once",
                    )
                    .with_help(
                        "give the entry a `when`, or the patch a `test`, that is false once it is there",
                    ),
                );
            }
            let mut written = json!({"op": op_name(operation.op), "path": operation.path});
            if let Some(fields) = written.as_object_mut() {
                fields.extend(operation.value.clone().map(|value| ("value".to_owned(), value)));
                fields.extend(operation.from.clone().map(|from| ("from".to_owned(), from.into())));
            }
            match serde_json::from_value(written) {
                Ok(operation) => compiled.push(operation),
                Err(error) => found.error(at, error.to_string()),
            }
        }
        Self(compiled)
    }
}

fn op_name(op: JsonPatchOp) -> &'static str {
    match op {
        JsonPatchOp::Add => "add",
        JsonPatchOp::Remove => "remove",
        JsonPatchOp::Replace => "replace",
        JsonPatchOp::Move => "move",
        JsonPatchOp::Copy => "copy",
        JsonPatchOp::Test => "test",
    }
}

fn check_pointer(pointer: &str, op: JsonPatchOp, at: &FieldPath, found: &mut Diagnostics) {
    let escapes = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if !pointer.starts_with('/') || !escapes {
        found.error(
            at.clone(),
            "expected a JSON pointer (RFC 6901): /spec/field, with ~1 for a slash and ~0 for a tilde",
        );
        return;
    }
    let whole = ["/metadata", "/spec"].contains(&pointer) && op != JsonPatchOp::Test;
    let beyond = OUT_OF_REACH.iter().find(|fixed| {
        pointer.strip_prefix(**fixed).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if op != JsonPatchOp::Test && (whole || beyond.is_some()) {
        found.error(at.clone(), format!("a policy can't change {}", beyond.copied().unwrap_or(pointer)));
    }
}

impl Transformation for JsonPatch {
    fn phase(&self) -> Phase {
        Phase::Patches
    }

    fn applies_to_any_kind(&self) -> bool {
        true
    }

    fn apply(&self, _terms: &Terms, subject: &mut Subject<'_>, log: &mut Log) {
        // A subresource takes no change but its own.
        if !matches!(subject.reach, crate::object::Reach::Whole) {
            return;
        }
        let mut changed = subject.object.clone();
        for operation in &self.0 {
            if let PatchOperation::Add(add) = operation {
                create_parents(&mut changed, add.path.as_str());
            }
            if let Err(error) = json_patch::patch(&mut changed, std::slice::from_ref(operation)) {
                log.skip(dotted(operation.path().as_str()), error.kind.to_string());
                return;
            }
        }
        for operation in &self.0 {
            let pointer = operation.path().as_str();
            if matches!(operation, PatchOperation::Test(_)) {
                continue;
            }
            let (before, after) = (subject.object.pointer(pointer), changed.pointer(pointer));
            let inserted = match operation {
                PatchOperation::Add(add) if pointer.ends_with("/-") => Some(&add.value),
                _ => None,
            };
            if before != after || inserted.is_some() {
                log.change(dotted(pointer), before.cloned(), inserted.or(after).cloned());
            }
            if let PatchOperation::Move(moved) = operation {
                let from = moved.from.as_str();
                log.change(
                    dotted(from),
                    subject.object.pointer(from).cloned(),
                    changed.pointer(from).cloned(),
                );
            }
        }
        *subject.object = changed;
    }

    fn sets(&self) -> Vec<(String, Value)> {
        self.0
            .iter()
            .filter_map(|operation| match operation {
                PatchOperation::Add(add) => Some((format!("patch {}", add.path), add.value.clone())),
                PatchOperation::Replace(replace) => {
                    Some((format!("patch {}", replace.path), replace.value.clone()))
                }
                _ => None,
            })
            .filter(|(path, _)| !path.ends_with("/-"))
            .collect()
    }
}

/// Makes the objects that lead to `pointer`, as long as none of its steps is a position in a list.
fn create_parents(object: &mut Value, pointer: &str) {
    let mut at = object;
    let mut tokens = tokens(pointer);
    tokens.pop();
    for token in tokens {
        at = match at {
            Value::Object(fields) => fields.entry(token).or_insert_with(|| json!({})),
            Value::Array(list) => match token.parse::<usize>().ok().and_then(|index| list.get_mut(index)) {
                Some(element) => element,
                None => return,
            },
            _ => return,
        };
        if at.is_null() {
            *at = json!({});
        }
    }
}

fn tokens(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect()
}

/// The pointer as a field path.
fn dotted(pointer: &str) -> String {
    let tokens = tokens(pointer);
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    Dotted("", &tokens).to_string()
}
