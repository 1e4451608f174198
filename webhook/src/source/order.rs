//! Values written with their keys in their author's order.

use std::cmp::Ordering;

use sallyport_policy::FieldPath;
use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use serde_json::{Map, Value};

use super::document::Document;
use super::locate;
use super::spans::{Inside, Spans};

/// Keys that nobody wrote, and that readers of Kubernetes objects look for first.
const FIRST: [&str; 4] = ["apiVersion", "kind", "metadata", "name"];

/// A value that serialises with its keys in the order in which a document has them; keys that the document does not
/// have come after. So two values that differ in one field differ in one line.
#[derive(Clone, Copy, Debug)]
pub struct InOrder<'a> {
    value: &'a Value,
    like: Option<Like<'a>>,
}

/// What the document has in this place.
#[derive(Clone, Copy, Debug)]
struct Like<'a> {
    value: &'a Value,
    spans: &'a Spans,
}

impl Document {
    /// `value` in the order of this document's field at `path`, which it was made of.
    #[must_use]
    pub fn in_order<'a>(&'a self, path: &FieldPath, value: &'a Value) -> InOrder<'a> {
        let found = locate::find(&self.value, &self.spans, path);
        InOrder { value, like: Some(Like { value: found.value, spans: found.spans }) }
    }
}

impl<'a> Like<'a> {
    fn member(self, key: &str) -> Option<Self> {
        Some(Self { value: self.value.get(key)?, spans: &self.spans.member(key)?.spans })
    }

    /// The element that became the one at `index`: of the same name, else the same one, else in the same place.
    fn element(self, index: usize, element: &Value) -> Option<Self> {
        let elements = self.value.as_array()?;
        let name = element.get("name").filter(|name| name.is_string());
        let of_name = name.map(|name| elements.iter().position(|other| other.get("name") == Some(name)));
        let position = match of_name {
            Some(position) => position?,
            None => elements.iter().position(|other| other == element).unwrap_or(index),
        };
        Some(Self { value: elements.get(position)?, spans: self.spans.element(position)? })
    }

    /// Where a key stands, for comparison.
    fn place(like: Option<Self>, key: &str) -> (u8, usize) {
        let Some(Inside::Map(members)) = like.map(|like| &like.spans.inside) else {
            return Self::unwritten(key);
        };
        members.get(key).map_or_else(|| Self::unwritten(key), |member| (1, member.key.range().start))
    }

    fn unwritten(key: &str) -> (u8, usize) {
        FIRST.iter().position(|first| *first == key).map_or((2, 0), |position| (0, position))
    }
}

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (key, value) in self.sorted(fields) {
                    let like = self.like.and_then(|like| like.member(key));
                    map.serialize_entry(key, &InOrder { value, like })?;
                }
                map.end()
            }
            Value::Array(elements) => {
                let mut list = serializer.serialize_seq(Some(elements.len()))?;
                for (index, value) in elements.iter().enumerate() {
                    let like = self.like.and_then(|like| like.element(index, value));
                    list.serialize_element(&InOrder { value, like })?;
                }
                list.end()
            }
            scalar => scalar.serialize(serializer),
        }
    }
}

impl InOrder<'_> {
    fn sorted<'v>(&self, fields: &'v Map<String, Value>) -> Vec<(&'v String, &'v Value)> {
        let mut sorted: Vec<_> = fields.iter().collect();
        sorted.sort_by(|(a, _), (b, _)| -> Ordering {
            Like::place(self.like, a).cmp(&Like::place(self.like, b)).then_with(|| a.cmp(b))
        });
        sorted
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::{SourceText, parse};
    use super::*;

    #[test]
    fn keys_keep_their_author_s_order_and_new_ones_follow() {
        let text = "kind: Pod\nspec:\n  containers:\n    - {name: b, image: i, args: []}\n    - {image: j, name: a}\n";
        let (documents, _) = parse(&Arc::new(SourceText::new("a", text)));
        let value = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"b": 1, "a": 2, "containers": [
            {"name": "a", "env": [], "image": "j"}, {"name": "b", "image": "i", "args": []}, {"image": "k", "name": "c"}]}});
        let ordered = serde_json::to_string(&documents[0].in_order(&FieldPath::root(), &value)).unwrap();
        assert_eq!(
            ordered,
            r#"{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"image":"j","name":"a","env":[]},{"name":"b","image":"i","args":[]},{"name":"c","image":"k"}],"a":2,"b":1}}"#
        );
    }
}
