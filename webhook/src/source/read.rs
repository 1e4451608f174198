//! Kubernetes objects from files.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sallyport_policy::Severity;
use serde_json::Value;

use super::compose::kind_of;
use super::document::{Document, parse};
use super::error::{ReadError, Unreadable};
use super::files::{FileText, Kind, visit};
use super::spans::{Inside, Spans};
use super::text::SourceText;

/// Reads Kubernetes objects from files, from folders with all that is below them, and from standard input (`-`).
///
/// Of a folder, `*.yaml`, `*.yml` and `*.json` are read in the order of their names, but for `*.test.yaml` and the
/// like, which hold cases for `sallyport test`. Hidden files and folders are
/// skipped, and a file that is linked twice is read once: so a mounted ConfigMap, which is made of links into `..data`,
/// gives each object once. Lists are replaced by their items. Everything that cannot be read is reported.
#[must_use]
pub fn read(inputs: &[PathBuf]) -> (Vec<Document>, Vec<ReadError>) {
    read_from(inputs, &mut io::stdin())
}

/// As [`read()`], with `stdin` for `-`.
#[must_use]
pub fn read_from(inputs: &[PathBuf], stdin: &mut dyn Read) -> (Vec<Document>, Vec<ReadError>) {
    all(inputs, Kind::Objects, stdin)
}

/// As [`read()`], but of folders the files of cases: `*.test.yaml`, `*.test.yml` and `*.test.json`, which [`read()`]
/// leaves out there.
#[must_use]
pub fn read_cases(inputs: &[PathBuf]) -> (Vec<Document>, Vec<ReadError>) {
    all(inputs, Kind::Cases, &mut io::stdin())
}

/// As [`read()`], but the documents of one file are given to `take` before the next is read: a document takes some
/// twenty times the memory of its text.
#[must_use]
pub fn read_each(inputs: &[PathBuf], take: &mut dyn FnMut(Document)) -> Vec<ReadError> {
    each(inputs, Kind::Objects, &mut io::stdin(), take)
}

fn all(inputs: &[PathBuf], kind: Kind, stdin: &mut dyn Read) -> (Vec<Document>, Vec<ReadError>) {
    let mut documents = Vec::new();
    let errors = each(inputs, kind, stdin, &mut |document| documents.push(document));
    (documents, errors)
}

fn each(
    inputs: &[PathBuf],
    kind: Kind,
    stdin: &mut dyn Read,
    take: &mut dyn FnMut(Document),
) -> Vec<ReadError> {
    let mut reader = Reader { take, errors: Vec::new() };
    visit(inputs, kind, stdin, &mut |file| reader.file(file));
    reader.errors
}

struct Reader<'t> {
    take: &'t mut dyn FnMut(Document),
    errors: Vec<ReadError>,
}

impl Reader<'_> {
    fn file(&mut self, file: Result<FileText, ReadError>) {
        match file {
            Ok(FileText { name, text, in_folder }) => {
                self.documents_of(&Arc::new(SourceText::new(name, text)), in_folder);
            }
            Err(error) => self.errors.push(error),
        }
    }

    fn documents_of(&mut self, origin: &Arc<SourceText>, in_folder: bool) {
        let (documents, errors) = parse(origin);
        if let Some(template) = template(origin, &errors) {
            return self.errors.push(template);
        }
        self.errors.extend(errors);
        for document in documents {
            if is_kustomization(&document) {
                let mut error = ReadError::of(origin.name(), Unreadable::Kustomization);
                if in_folder {
                    error.severity = Severity::Warning;
                }
                self.errors.push(error);
            } else {
                self.object(document);
            }
        }
    }

    /// A document that should be a Kubernetes object, or a list of them.
    fn object(&mut self, document: Document) {
        let missing = if !document.value.is_object() {
            Some(Unreadable::NotAnObject { found: kind_of(&document.value) })
        } else if document.api_version().is_empty() {
            Some(Unreadable::Untyped { field: "apiVersion" })
        } else if document.kind().is_empty() {
            Some(Unreadable::Untyped { field: "kind" })
        } else {
            None
        };
        if let Some(reason) = missing {
            let at = document.locate(&sallyport_policy::FieldPath::root());
            self.errors.push(ReadError::at(&document.origin, at, reason));
        } else if is_list(&document) {
            for item in items(document) {
                self.object(item);
            }
        } else {
            (self.take)(document);
        }
    }
}

fn is_kustomization(document: &Document) -> bool {
    document.api_version().starts_with("kustomize.config.k8s.io/")
        || (document.value.is_object()
            && document.kind().is_empty()
            && has_kustomization_name(document.origin.name()))
}

/// `kind` and `apiVersion` may be left out of a Kustomization; its file's name may not be another.
fn has_kustomization_name(name: &str) -> bool {
    let name = Path::new(name).file_name().and_then(|name| name.to_str());
    matches!(name, Some("kustomization.yaml" | "kustomization.yml" | "Kustomization"))
}

/// Whether this is a List (of `v1`, or of a kind of its own) rather than an object whose kind ends so.
fn is_list(document: &Document) -> bool {
    document.kind().ends_with("List")
        && document.value.get("items").is_some_and(|items| items.is_array() || items.is_null())
        && document.name().is_empty()
}

/// The items of a List. Those of a list such as a PodList may leave out what the list says for all.
fn items(document: Document) -> Vec<Document> {
    let api_version = document.api_version().to_owned();
    let item_kind = document.kind().strip_suffix("List").unwrap_or_default().to_owned();
    let Document { origin, index, value, mut spans } = document;
    let (Value::Object(mut list), Inside::Map(members)) = (value, &mut spans.inside) else {
        return Vec::new();
    };
    let (Some(Value::Array(values)), Some(places)) = (list.remove("items"), members.remove("items")) else {
        return Vec::new();
    };
    let places = match places.spans.inside {
        Inside::List(places) => places,
        Inside::Scalar | Inside::Map(_) => Vec::new(),
    };
    let typed = |mut value: Value| {
        if let Value::Object(object) = &mut value
            && !item_kind.is_empty()
            && !object.contains_key("kind")
            && !object.contains_key("apiVersion")
        {
            object.insert("apiVersion".to_owned(), api_version.clone().into());
            object.insert("kind".to_owned(), item_kind.clone().into());
        }
        value
    };
    values
        .into_iter()
        .zip(places)
        .map(|(value, spans): (Value, Spans)| Document {
            origin: Arc::clone(&origin),
            index,
            value: typed(value),
            spans,
        })
        .collect()
}

/// That a text which is not YAML is a template: `{{` stands on the line of an error, or begins a line.
fn template(origin: &Arc<SourceText>, errors: &[ReadError]) -> Option<ReadError> {
    let text = origin.text();
    let on_line_of = |error: &ReadError| {
        let (_, failed) = error.place.as_ref()?;
        let line = origin.line(failed.line);
        text.get(line.clone())?.find("{{").map(|at| line.start + at)
    };
    let beginning_a_line = || {
        let (at, _) = text.match_indices("{{").find(|(at, _)| {
            let before = text.get(..*at).unwrap_or_default();
            before.trim_end_matches([' ', '\t']).chars().next_back().is_none_or(|c| c == '\n')
        })?;
        Some(at)
    };
    let _ = errors.first()?;
    let at = errors.iter().find_map(on_line_of).or_else(beginning_a_line)?;
    let line_end = origin.line(origin.location(at..at).line).end;
    let end = text.get(at..line_end)?.find("}}").map_or(line_end, |length| at + length + 2);
    Some(ReadError::at(origin, origin.location(at..end), Unreadable::Template))
}
