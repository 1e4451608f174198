//! Every field of an object, and who set it.

use sallyport_policy::FieldPath;
use serde_json::Value;

use crate::source::parse_path;

/// A field without fields of its own. A list of scalars is one.
pub(super) struct Field<'v> {
    pub(super) path: FieldPath,
    pub(super) value: &'v Value,
    pub(super) origin: Origin,
}

/// Who set a field that no policy changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Who wrote the document.
    Author,
    /// Who made the pod of the document's template.
    Controller,
    /// The API server's static defaulting.
    Default,
}

impl Field<'_> {
    /// Whether a change at `changed`, a path as Kubernetes writes it, is about this field.
    pub(super) fn is_covered_by(&self, changed: &str) -> bool {
        let names = |path: &FieldPath| path.segments().iter().map(name).collect::<Vec<_>>();
        let (own, changed) = (names(&self.path), names(&parse_path(changed)));
        own.iter().zip(&changed).all(|(own, changed)| own == changed)
    }
}

fn name(segment: &sallyport_policy::Segment) -> String {
    FieldPath::from_iter([segment.clone()]).to_string().trim_matches(['[', ']']).to_owned()
}

/// The fields of `object`. `sent` is what was sent to the API server, and `written` what of it the author wrote.
pub(super) fn fields<'v>(object: &'v Value, sent: &Value, written: &Value) -> Vec<Field<'v>> {
    let mut found = Vec::new();
    walk("", FieldPath::root(), object, [Some(written), Some(sent)], &mut found);
    found
}

fn walk<'v>(
    field: &str,
    path: FieldPath,
    value: &'v Value,
    own: [Option<&Value>; 2],
    found: &mut Vec<Field<'v>>,
) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, value) in members {
                let below = if key.contains(['.', '/']) { path.key(key) } else { path.field(key.clone()) };
                walk(key, below, value, own.map(|own| own?.get(key)), found);
            }
        }
        Value::Array(elements) if elements.iter().any(Value::is_object) => {
            let key = merge_key(field);
            for (index, element) in elements.iter().enumerate() {
                let called = element.get(key).filter(|name| name.is_string());
                let below = match called.and_then(Value::as_str) {
                    Some(name) => path.named(name),
                    None => path.index(index),
                };
                let own = own.map(|own| {
                    let others = own?.as_array()?;
                    match called {
                        Some(name) => others.iter().find(|other| other.get(key) == Some(name)),
                        None => others.get(index),
                    }
                });
                walk("", below, element, own, found);
            }
        }
        leaf => {
            let [written, sent] = own.map(|own| own == Some(leaf));
            let origin = match (written, sent) {
                (true, _) => Origin::Author,
                (false, true) => Origin::Controller,
                (false, false) => Origin::Default,
            };
            found.push(Field { path, value: leaf, origin });
        }
    }
}

/// The field by which the elements of a list are named.
fn merge_key(field: &str) -> &'static str {
    match field {
        "volumeMounts" => "mountPath",
        "volumeDevices" => "devicePath",
        "tolerations" => "key",
        "topologySpreadConstraints" => "topologyKey",
        _ => "name",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_field_is_found_and_its_author_known() {
        let written = json!({"a": {"b.c/d": 1}, "l": [{"name": "x", "v": 1}], "s": ["p"]});
        let object = json!({"a": {"b.c/d": 1}, "l": [{"name": "y", "v": 1}, {"name": "x", "v": 1, "w": 2}],
            "s": ["p"], "volumeMounts": [{"mountPath": "/tmp", "name": "t"}], "e": {}});
        let sent = json!({"a": {"b.c/d": 1}, "l": [{"name": "x", "v": 1}], "s": ["p"], "e": {}});
        let found: Vec<String> = fields(&object, &sent, &written)
            .iter()
            .map(|field| format!("{} {:?}", field.path, field.origin))
            .collect();
        let wanted = [
            "a[b.c/d] Author",
            "e Controller",
            "l[y].name Default",
            "l[y].v Default",
            "l[x].name Author",
            "l[x].v Author",
            "l[x].w Default",
            "s Author",
            "volumeMounts[/tmp].mountPath Default",
            "volumeMounts[/tmp].name Default",
        ];
        assert_eq!(found, wanted);
        let field = &fields(&object, &sent, &written)[0];
        assert!(
            field.is_covered_by("a[b.c/d]") && field.is_covered_by("a") && !field.is_covered_by("a[b.c]")
        );
    }
}
