//! What a set of policies is named by: a hash over everything that decides.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::source::Document;

/// The hashes of resources, as they come.
#[derive(Debug, Default)]
pub(crate) struct Digest(Vec<Hash>);

/// What a resource says, in short.
pub(crate) type Hash = [u8; 32];

impl Digest {
    /// Of resources with these hashes.
    pub(crate) fn of(hashes: impl IntoIterator<Item = Hash>) -> Self {
        Self(hashes.into_iter().collect())
    }

    pub(super) fn add(&mut self, document: &Document) {
        self.0.push(hash(&document.value));
    }

    /// `sha256:` and the hash of the documents: the same for the same resources, whatever files they come from, in
    /// whatever order and layout. What the API server keeps beside a resource (`status`, `metadata.managedFields` and
    /// the like) is not part of it.
    pub(crate) fn finish(mut self) -> Arc<str> {
        self.0.sort_unstable();
        let mut text = String::from("sha256:");
        for byte in Sha256::digest(self.0.concat()) {
            let _ = write!(text, "{byte:02x}");
        }
        text.into()
    }
}

/// What decides of a resource.
pub(crate) fn hash(object: &Value) -> Hash {
    let mut hash = Sha256::new();
    for part in ["apiVersion", "kind", "spec"] {
        feed(&mut hash, object.get(part).unwrap_or(&Value::Null));
    }
    for part in ["name", "namespace", "labels", "annotations"] {
        let metadata = object.get("metadata");
        feed(&mut hash, metadata.and_then(|metadata| metadata.get(part)).unwrap_or(&Value::Null));
    }
    hash.finalize().into()
}

/// Each value under a mark for its type, with its length: no two values feed the same bytes.
fn feed(hash: &mut Sha256, value: &Value) {
    let mut text = |mark: u8, text: &str| {
        hash.update([mark]);
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    };
    match value {
        Value::Null => text(b'n', ""),
        Value::Bool(value) => text(b'b', if *value { "1" } else { "0" }),
        Value::Number(number) => text(b'd', &number.to_string()),
        Value::String(value) => text(b's', value),
        Value::Array(items) => {
            hash.update([b'a']);
            hash.update(items.len().to_le_bytes());
            items.iter().for_each(|item| feed(hash, item));
        }
        Value::Object(members) => {
            hash.update([b'o']);
            hash.update(members.len().to_le_bytes());
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| *name);
            for (name, member) in sorted {
                feed(hash, &Value::String(name.clone()));
                feed(hash, member);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{SourceText, parse};

    fn digest_of(files: &[&str]) -> String {
        let mut digest = Digest::default();
        for text in files {
            let (documents, _) = parse(&Arc::new(SourceText::new("file", (*text).to_owned())));
            documents.iter().for_each(|document| digest.add(document));
        }
        digest.finish().to_string()
    }

    const ONE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {b: c, d: e}}\n";
    const TWO: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: b}\nspec: {x: [1, '1']}\n";

    #[test]
    fn layout_order_and_what_the_api_server_adds_make_no_difference() {
        let digest = digest_of(&[ONE, TWO]);
        assert_eq!(digest.len(), "sha256:".len() + 64);
        assert_eq!(digest_of(&[TWO, ONE]), digest);
        assert_eq!(digest_of(&[&format!("{ONE}---\n{TWO}")]), digest);
        let rewritten = "{kind: Namespace, apiVersion: v1, status: {phase: Active}, \
                         metadata: {labels: {d: e, b: c}, uid: u, name: a}}";
        assert_eq!(digest_of(&[rewritten, TWO]), digest);
    }

    #[test]
    fn anything_that_decides_makes_one() {
        let digest = digest_of(&[ONE, TWO]);
        for (from, to) in [("b: c", "b: f"), ("name: a", "name: x"), ("Namespace", "Namespaces")] {
            assert_ne!(digest_of(&[&ONE.replace(from, to), TWO]), digest, "{from}");
        }
        assert_ne!(digest_of(&[ONE, &TWO.replace("[1, '1']", "[1, 1]")]), digest);
        assert_ne!(digest_of(&[ONE, &TWO.replace("[1, '1']", "[1]")]), digest);
        assert_ne!(digest_of(&[ONE]), digest);
        assert_ne!(digest_of(&[ONE, TWO, TWO]), digest);
    }
}
