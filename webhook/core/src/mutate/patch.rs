//! Applies RFC 6902 operations: all of an entry's, or none.
//!
//! `add` creates missing parents. What a second application would change again is refused at compile time where it
//! can be seen, and otherwise left out by the engine, which sees it.

use json_patch::{PatchErrorKind, PatchOperation};
use sallyport_policy::{Diagnostics, FieldPath};
use serde_json::{Value, json};

use super::log::Log;
use super::transformation::{Heeds, Phase, Subject, Terms, Transformation};
use crate::object::{Fields, Pod, PodBearing, get_str, is_mesh_container};
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
            let op = op_name(operation.op);
            for (field, needed, given) in [
                ("value", needs_value, operation.value.is_some()),
                ("from", needs_from, operation.from.is_some()),
            ] {
                if needed && !given {
                    found.error(at.clone(), format!("{op} needs {field}"));
                } else if given && !needed {
                    found.error(at.field(field), format!("{op} has no {field}"));
                }
            }
            if needs_value != operation.value.is_some() || needs_from != operation.from.is_some() {
                continue;
            }
            let before = found.iter().count();
            for (field, pointer) in [("path", Some(&operation.path)), ("from", operation.from.as_ref())] {
                // What is copied from stays as it is.
                let changes = !(field == "from" && operation.op == JsonPatchOp::Copy);
                if let Some(pointer) = pointer {
                    check_pointer(
                        pointer,
                        changes && operation.op != JsonPatchOp::Test,
                        &at.field(field),
                        found,
                    );
                }
            }
            let repeats = match operation.op {
                JsonPatchOp::Add | JsonPatchOp::Copy | JsonPatchOp::Move => Some("inserts"),
                JsonPatchOp::Remove => Some("removes"),
                JsonPatchOp::Replace | JsonPatchOp::Test => None,
            };
            if let Some(repeats) = repeats.filter(|_| is_position(&operation.path) && !conditional && !tested)
            {
                found.push(
                    sallyport_policy::Diagnostic::error(
                        at.field("path"),
                        format!("this {repeats} an element at every call, and a pod may be sent here more than once"),
                    )
                    .with_help(
                        "give the entry a `when`, or the patch a `test`, that is false once it is done",
                    ),
                );
            }
            let mut written = json!({"op": op, "path": operation.path});
            if let Some(fields) = written.as_object_mut() {
                fields.extend(operation.value.clone().map(|value| ("value".to_owned(), value)));
                fields.extend(operation.from.clone().map(|from| ("from".to_owned(), from.into())));
            }
            match serde_json::from_value(written) {
                Ok(operation) => compiled.push(operation),
                // The pointers were found wrong already, and in plainer words.
                Err(_) if found.iter().count() > before => {}
                Err(error) => found.error(at, error.to_string()),
            }
        }
        Self(compiled)
    }
}

/// Whether a pointer ends in a position of a list. Labels and the like are maps, whose keys may be digits.
fn is_position(pointer: &str) -> bool {
    let mut last = pointer.rsplit('/');
    let (token, parent) = (last.next().unwrap_or_default(), last.next().unwrap_or_default());
    let map = ["labels", "annotations", "nodeSelector", "matchLabels", "data"].contains(&parent);
    token == "-" || (token.parse::<u32>().is_ok() && !map)
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

/// `changes` says whether the operation changes what it points to.
fn check_pointer(pointer: &str, changes: bool, at: &FieldPath, found: &mut Diagnostics) {
    let escapes = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if !pointer.starts_with('/') || !escapes {
        found.error(
            at.clone(),
            format!(
                "`{pointer}` is not a JSON pointer (RFC 6901); expected one such as /spec/field, with ~1 for a slash \
                 and ~0 for a tilde"
            ),
        );
        return;
    }
    let whole = ["/metadata", "/spec"].contains(&pointer);
    let beyond = OUT_OF_REACH.iter().find(|fixed| {
        pointer.strip_prefix(**fixed).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if changes && (whole || beyond.is_some()) {
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

    fn reads_managed_fields(&self) -> bool {
        let reads = |pointer: &str| {
            ["", "/metadata"].contains(&pointer) || pointer.starts_with("/metadata/managedFields")
        };
        self.0.iter().any(|operation| {
            let from = match operation {
                PatchOperation::Copy(copy) => Some(copy.from.as_str()),
                PatchOperation::Move(moved) => Some(moved.from.as_str()),
                _ => None,
            };
            reads(operation.path().as_str()) || from.is_some_and(reads)
        })
    }

    fn heeds(&self) -> Heeds {
        Heeds { containers: false, strategy: false }
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
                // A test is a condition: where it does not hold, there is nothing to say.
                if !matches!(operation, PatchOperation::Test(_)) {
                    log.skip(dotted(operation.path().as_str()), failure(operation, &error.kind));
                }
                return;
            }
        }
        if let Some(name) =
            subject.kind.and_then(|kind| touched_mesh_container(kind, subject.object, &changed))
        {
            return log.skip("", format!("it would change {name}, the service mesh's own container"));
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

/// Why an operation can't be applied.
fn failure(operation: &PatchOperation, kind: &PatchErrorKind) -> String {
    let missing = match operation {
        PatchOperation::Move(moved) => moved.from.as_str(),
        PatchOperation::Copy(copied) => copied.from.as_str(),
        _ => operation.path().as_str(),
    };
    match (operation, kind) {
        (PatchOperation::Remove(_) | PatchOperation::Replace(_), PatchErrorKind::InvalidPointer)
        | (PatchOperation::Move(_) | PatchOperation::Copy(_), PatchErrorKind::InvalidFromPointer) => {
            format!("there is no {}", dotted(missing))
        }
        (PatchOperation::Add(_), PatchErrorKind::InvalidPointer) => {
            "what should hold it is missing, or is not a list or an object".to_owned()
        }
        _ => kind.to_string(),
    }
}

/// The name of a mesh's container that is not in both pods alike.
fn touched_mesh_container(kind: PodBearing, before: &Value, after: &Value) -> Option<String> {
    let mesh = |object| -> Vec<&Fields> {
        let pod = Pod::of(kind, object);
        let containers = pod.into_iter().flat_map(Pod::containers).map(|(_, container)| container);
        containers.filter(|c| is_mesh_container(get_str(c, &["name"]).unwrap_or_default())).collect()
    };
    let (before, after) = (mesh(before), mesh(after));
    let gone = before.iter().find(|container| !after.contains(container));
    let new = after.iter().find(|container| !before.contains(container));
    gone.or(new).and_then(|container| get_str(container, &["name"])).map(str::to_owned)
}

/// Makes the objects that lead to `pointer`, and the list that `/-` appends to. Before any other position nothing is
/// made: whether digits are a position or a key can't be told without what should hold them.
fn create_parents(object: &mut Value, pointer: &str) {
    let tokens = tokens(pointer);
    let mut at = object;
    for (token, next) in tokens.iter().zip(tokens.iter().skip(1)) {
        if let Value::Array(list) = at {
            match token.parse::<usize>().ok().and_then(|index| list.get_mut(index)) {
                Some(element) => at = element,
                None => return,
            }
        } else if let Value::Object(fields) = at {
            if fields.get(token).is_none_or(Value::is_null) {
                let missing = match next.as_str() {
                    "-" => json!([]),
                    digits if is_position(&format!("/{token}/{digits}")) => return,
                    _ => json!({}),
                };
                fields.insert(token.clone(), missing);
            }
            let Some(field) = fields.get_mut(token) else { return };
            at = field;
        } else {
            return;
        }
    }
}

fn tokens(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect()
}

/// The pointer as a field path; positions and what is not a plain name stand in brackets.
fn dotted(pointer: &str) -> String {
    let mut path = String::new();
    for token in tokens(pointer) {
        let plain = token.starts_with(|c: char| c.is_ascii_alphabetic()) && !token.contains(['.', '/']);
        match (plain, path.is_empty()) {
            (true, true) => path.push_str(&token),
            (true, false) => {
                path.push('.');
                path.push_str(&token);
            }
            (false, _) => {
                path.push('[');
                path.push_str(&token);
                path.push(']');
            }
        }
    }
    path
}
