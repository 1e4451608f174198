//! Files, folders and standard input.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sallyport_policy::Severity;
use serde_json::Value;
use walkdir::{DirEntry, WalkDir};

use super::compose::kind_of;
use super::document::{Document, parse};
use super::error::{ReadError, Unreadable};
use super::spans::{Inside, Spans};
use super::text::SourceText;

/// The most that is read of one file, in bytes.
pub const SIZE_LIMIT: u64 = 64 * 1024 * 1024;
/// How standard input is called in messages.
const STDIN: &str = "<stdin>";

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
    Reader::default().read(inputs, stdin)
}

/// As [`read()`], but of folders the files of cases: `*.test.yaml`, `*.test.yml` and `*.test.json`, which [`read()`]
/// leaves out there.
#[must_use]
pub fn read_cases(inputs: &[PathBuf]) -> (Vec<Document>, Vec<ReadError>) {
    Reader { cases: true, ..Reader::default() }.read(inputs, &mut io::stdin())
}

#[derive(Default)]
struct Reader {
    /// Whether files of cases are read of folders, and no others.
    cases: bool,
    documents: Vec<Document>,
    errors: Vec<ReadError>,
}

impl Reader {
    fn read(mut self, inputs: &[PathBuf], stdin: &mut dyn Read) -> (Vec<Document>, Vec<ReadError>) {
        let reader = &mut self;
        for input in inputs {
            if input.as_os_str() == "-" {
                reader.text(STDIN, stdin, false);
            } else if input.is_dir() {
                reader.folder(input);
            } else {
                reader.file(input, false);
            }
        }
        (self.documents, self.errors)
    }

    fn folder(&mut self, folder: &Path) {
        let mut seen = HashSet::new();
        let (mut files, mut unread) = (0, false);
        let walk = WalkDir::new(folder).follow_links(true).sort_by_file_name();
        for entry in walk.into_iter().filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry)) {
            match entry {
                Ok(entry) if entry.file_type().is_file() && self.is_read(entry.path()) => {
                    files += 1;
                    let path = entry.path();
                    if seen.insert(path.canonicalize().unwrap_or_else(|_| path.to_owned())) {
                        self.file(path, true);
                    }
                }
                Ok(_) => {}
                // A link back to a folder above: what is there is read already.
                Err(error) if error.loop_ancestor().is_some() => {}
                Err(error) => unread |= self.walk_error(folder, error),
            }
        }
        if files == 0 && !unread {
            let reason = if self.cases { Unreadable::NoCases } else { Unreadable::NothingToRead };
            self.errors.push(ReadError::of(folder.display().to_string(), reason));
        }
    }

    /// Whether a file of a folder is read.
    fn is_read(&self, path: &Path) -> bool {
        let read = path.extension().is_some_and(|is| is == "yaml" || is == "yml" || is == "json");
        read && holds_cases(path) == self.cases
    }

    /// Whether something may be there that was not read. A broken link matters only if it would have been: one that
    /// leads to nothing, and not one that could not be followed.
    fn walk_error(&mut self, folder: &Path, error: walkdir::Error) -> bool {
        let path = error.path().unwrap_or(folder).to_owned();
        let nothing = error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::NotFound);
        let broken_link = nothing && path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
        if broken_link && !self.is_read(&path) {
            return false;
        }
        let error = error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into());
        self.errors.push(ReadError::of(path.display().to_string(), error));
        true
    }

    fn file(&mut self, path: &Path, in_folder: bool) {
        let name = path.display().to_string();
        match File::open(path) {
            Ok(mut file) => self.text(&name, &mut file, in_folder),
            Err(error) => self.errors.push(ReadError::of(name, error)),
        }
    }

    fn text(&mut self, name: &str, from: &mut dyn Read, in_folder: bool) {
        let mut bytes = Vec::new();
        if let Err(error) = from.take(SIZE_LIMIT + 1).read_to_end(&mut bytes) {
            return self.errors.push(ReadError::of(name, error));
        }
        if bytes.len() as u64 > SIZE_LIMIT {
            return self.errors.push(ReadError::of(name, Unreadable::TooLarge { limit: SIZE_LIMIT }));
        }
        match String::from_utf8(bytes) {
            Ok(text) => self.documents_of(&Arc::new(SourceText::new(name, text)), in_folder),
            Err(error) => {
                self.errors.push(not_utf8(name, error.as_bytes(), error.utf8_error().valid_up_to()));
            }
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
            self.documents.push(document);
        }
    }
}

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

/// Whether a file is called `*.test.yaml` or the like.
fn holds_cases(path: &Path) -> bool {
    path.file_stem().map(Path::new).and_then(Path::extension).is_some_and(|extension| extension == "test")
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

fn not_utf8(name: &str, bytes: &[u8], valid: usize) -> ReadError {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return ReadError::of(name, Unreadable::Utf16);
    }
    let byte = bytes.get(valid).copied().unwrap_or_default();
    let with_mark = bytes.starts_with("\u{feff}".as_bytes());
    let start = if with_mark { valid - '\u{feff}'.len_utf8() } else { valid };
    let origin = Arc::new(SourceText::new(name, String::from_utf8_lossy(bytes)));
    let shown = start..start + char::REPLACEMENT_CHARACTER.len_utf8();
    ReadError::at(&origin, origin.location(shown), Unreadable::NotUtf8 { byte })
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
