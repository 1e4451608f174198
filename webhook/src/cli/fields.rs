//! Every field of an object, and who set it.

use sallyport_admission::element;
use sallyport_policy::FieldPath;
use serde_json::Value;

use crate::source::parse_path;

/// A field without fields of its own. A list of scalars is one.
pub(super) struct Field<'v> {
    pub(super) path: FieldPath,
    /// The same path with the names of all elements, though others may have them too: as changes are told.
    named: FieldPath,
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
        let changed = names(&parse_path(changed));
        let covers = |own: &FieldPath| names(own).iter().zip(&changed).all(|(own, changed)| own == changed);
        // Of two elements of one name, what its author wrote is not what was added.
        covers(&self.path) || (self.origin != Origin::Author && covers(&self.named))
    }
}

fn name(segment: &sallyport_policy::Segment) -> String {
    FieldPath::from_iter([segment.clone()]).to_string().trim_matches(['[', ']']).to_owned()
}

/// The fields of `object`. `sent` is what was sent to the API server, and `written` what of it the author wrote.
pub(super) fn fields<'v>(object: &'v Value, sent: &Value, written: &Value) -> Vec<Field<'v>> {
    let mut found = Vec::new();
    let root = [FieldPath::root(), FieldPath::root()];
    walk("", root, object, [Some(written), Some(sent)], &mut found);
    found
}

fn walk<'v>(
    field: &str,
    paths: [FieldPath; 2],
    value: &'v Value,
    own: [Option<&Value>; 2],
    found: &mut Vec<Field<'v>>,
) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, value) in members {
                let step = |path: FieldPath| {
                    if key.contains(['.', '/']) { path.key(key) } else { path.field(key.clone()) }
                };
                walk(key, paths.clone().map(step), value, own.map(|own| own?.get(key)), found);
            }
        }
        Value::Array(elements) if elements.iter().any(Value::is_object) => {
            let own = own.map(|own| {
                let others = own.and_then(Value::as_array)?;
                Some((others, element::earlier(field, others, elements)))
            });
            for (index, value) in elements.iter().enumerate() {
                let [path, named] = &paths;
                let name = element::name(field, value);
                let named = name.map_or_else(|| named.index(index), |name| named.named(name));
                let below = [path.then(element::segment(field, elements, index)), named];
                let own = own.each_ref().map(|own| {
                    let (others, positions) = own.as_ref()?;
                    others.get(positions.get(index).copied().flatten()?)
                });
                walk("", below, value, own, found);
            }
        }
        leaf => {
            let [written, sent] = own.map(|own| own == Some(leaf));
            let origin = match (written, sent) {
                (true, _) => Origin::Author,
                (false, true) => Origin::Controller,
                (false, false) => Origin::Default,
            };
            let [path, named] = paths;
            found.push(Field { path, named, value: leaf, origin });
        }
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

    #[test]
    fn what_a_policy_added_is_told_from_what_its_author_wrote_under_the_same_name() {
        let written = json!({"tolerations": [{"key": "a", "effect": "NoSchedule"}]});
        let object = json!({"tolerations": [
            {"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoExecute"}, {"operator": "Exists"},
        ]});
        let fields = fields(&object, &written, &written);
        let changed = ["tolerations[a]", "tolerations[*]"];
        let covered = |field: &Field<'_>| changed.iter().any(|changed| field.is_covered_by(changed));
        let (added, others): (Vec<_>, Vec<_>) = fields.iter().partition(|field| covered(field));
        let paths = |fields: &[&Field<'_>]| fields.iter().map(|f| f.path.to_string()).collect::<Vec<_>>();
        assert_eq!(paths(&added), ["tolerations[1].effect", "tolerations[1].key", "tolerations[*].operator"]);
        assert_eq!(paths(&others), ["tolerations[0].effect", "tolerations[0].key"]);
    }
}
