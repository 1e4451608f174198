//! Files of cases, read and checked: every entry that a case expects is there to be expected.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use sallyport_admission::{Operation, UserInfo};
use sallyport_policy::{API_VERSION, Diagnostic, FieldPath, nearest};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::judge::Terms;
use super::super::misspelt::misspelt;
use super::case::{Case, PolicyTest};
use super::overlay::{Added, overlay};
use crate::policies::{Loaded, load};
use crate::source::{Document, Located, decode, read, read_cases};

/// A case that can be run.
pub(super) struct Trial {
    pub(super) case: Case,
    /// The file, and where the case stands in it.
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) object: Document,
    pub(super) loaded: Rc<Loaded>,
    pub(super) terms: Terms,
}

/// The cases of these files and folders, and all that is wrong with them.
#[derive(Default)]
pub(super) struct Suites {
    pub(super) trials: Vec<Trial>,
    pub(super) findings: Vec<Located>,
    /// The files and folders that were read.
    pub(super) read: Vec<PathBuf>,
    policies: BTreeMap<Vec<PathBuf>, Rc<Loaded>>,
}

impl Suites {
    pub(super) fn read(inputs: &[PathBuf]) -> Self {
        let mut suites = Self { read: inputs.to_vec(), ..Self::default() };
        let (documents, errors) = read_cases(inputs);
        suites.findings.extend(errors.iter().map(Located::from));
        for document in &documents {
            if (document.api_version(), document.kind()) == (API_VERSION, "PolicyTest") {
                suites.file(document);
            } else {
                let found = format!("{} {}", document.api_version(), document.kind());
                let message = format!("found {found}; expected {API_VERSION} PolicyTest");
                suites.findings.push(document.place(Diagnostic::error(FieldPath::of("kind"), message)));
            }
        }
        suites
    }

    fn file(&mut self, document: &Document) {
        let test: PolicyTest = match decode(document, &FieldPath::root()) {
            Ok(test) => test,
            Err(found) => return self.findings.extend(found),
        };
        let folder = Path::new(document.origin.name()).parent().unwrap_or(Path::new("")).to_owned();
        if test.cases.is_empty() {
            let diagnostic = Diagnostic::error(FieldPath::of("cases"), "no case is here; write at least one");
            self.findings.push(document.place(diagnostic));
        }
        let mut names = Vec::new();
        for (index, case) in test.cases.into_iter().enumerate() {
            let at = FieldPath::of("cases").index(index);
            if names.contains(&case.name) {
                let message = format!("another case of this file is called {}", case.name);
                self.findings.push(document.place(Diagnostic::error(at.field("name"), message)));
            }
            names.push(case.name.clone());
            let own = !case.policies.is_empty();
            let named = if own { &case.policies } else { &test.policies };
            let policies_at = if own { at.field("policies") } else { FieldPath::of("policies") };
            let loaded = self.policies(document, &policies_at, &folder, named);
            let namespace = case.namespace.as_ref().or(test.namespace.as_ref());
            let terms = Terms::creation(namespace.map_or("default", String::as_str));
            match trial(document, &folder, &at, case, loaded, terms, &mut self.findings) {
                Ok(trial) => {
                    let used = trial.case.file.iter().map(|file| folder.join(file));
                    self.read.extend(used);
                    self.trials.push(trial);
                }
                Err(found) => self.findings.extend(found),
            }
        }
    }

    /// The policies of these files and folders, read once.
    fn policies(
        &mut self,
        document: &Document,
        at: &FieldPath,
        folder: &Path,
        named: &[PathBuf],
    ) -> Rc<Loaded> {
        let mut inputs: Vec<PathBuf> = named.iter().map(|path| folder.join(path)).collect();
        if inputs.is_empty() {
            inputs.push(if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() });
        }
        if let Some(loaded) = self.policies.get(&inputs) {
            return Rc::clone(loaded);
        }
        let (documents, errors) = read(&inputs);
        let mut loaded = load(documents, &errors);
        // Doubts are for `check` to tell.
        loaded.findings.retain(|located| located.diagnostic.severity == sallyport_policy::Severity::Error);
        // What is wrong with a file of policies may be why none is there.
        let none_is_there = loaded.documents.is_empty() && loaded.findings.is_empty();
        self.findings.append(&mut loaded.findings);
        if none_is_there {
            let names: Vec<String> = inputs.iter().map(|path| path.display().to_string()).collect();
            let message =
                format!("no WorkloadPolicy is in {}; name the folder under policies", names.join(", "));
            self.findings.push(document.place(Diagnostic::error(at.clone(), message)));
        }
        self.read.extend(inputs.iter().cloned());
        let loaded = Rc::new(loaded);
        self.policies.insert(inputs, Rc::clone(&loaded));
        loaded
    }
}

/// A case made ready, or all that is wrong with it.
fn trial(
    document: &Document,
    folder: &Path,
    at: &FieldPath,
    case: Case,
    loaded: Rc<Loaded>,
    mut terms: Terms,
    doubts: &mut Vec<Located>,
) -> Result<Trial, Vec<Located>> {
    let mut found = Vec::new();
    let mut error =
        |at: FieldPath, message: String| found.push(document.place(Diagnostic::error(at, message)));
    let expect = at.field("expect");
    if !case.expect.says_something() {
        error(expect.clone(), "nothing is expected; say for example allowed: true".to_owned());
    }
    if case.expect.allowed == Some(true) && case.expect.violations.as_ref().is_some_and(|v| !v.is_empty()) {
        error(expect.field("allowed"), "an object with violations is not allowed".to_owned());
    }
    let known: Vec<String> = loaded
        .set
        .policies()
        .iter()
        .flat_map(|policy| policy.entries())
        .map(|(source, _)| source.to_string())
        .collect();
    for (list, entries) in case.expect.lists() {
        for (index, entry) in entries.into_iter().flatten().enumerate() {
            let name = entry.split_once(' ').map_or(entry.as_str(), |(name, _)| name);
            let is_policy = loaded.documents.contains_key(name);
            if !known.iter().any(|known| known == name) && !is_policy && !loaded.documents.is_empty() {
                let mut diagnostic = Diagnostic::error(
                    expect.field(list).index(index),
                    format!("no policy here has an entry {name}"),
                );
                let near = meant(name, &known);
                diagnostic.help = near.map(|near| format!("did you mean {near}?"));
                found.push(document.place(diagnostic));
            }
        }
    }
    let mut error =
        |at: FieldPath, message: String| found.push(document.place(Diagnostic::error(at, message)));
    if let Some(now) = &case.now {
        match OffsetDateTime::parse(now, &Rfc3339) {
            Ok(now) => terms.now = now.unix_timestamp(),
            Err(_) => {
                error(at.field("now"), format!("found {now}; expected a time such as 2030-01-31T18:00:00Z"));
            }
        }
    }
    terms.operation = case.operation;
    terms.user = UserInfo { username: case.user.clone(), groups: case.groups.clone(), ..UserInfo::default() };
    terms.namespace_labels.clone_from(&case.namespace_labels);
    terms.old = Some(case.old_object.clone()).filter(|old| !old.is_null());
    terms.resource = case.resource.as_ref().map(|resource| {
        let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
        (resource.to_owned(), sub.to_owned())
    });
    if terms.operation == Operation::Update && terms.old.is_none() {
        error(at.field("oldObject"), "an UPDATE has an object that was there before".to_owned());
    }
    let object = match (&case.file, case.object.is_null()) {
        (None, false) => document.part(&at.field("object")),
        (Some(file), true) => match from_file(&folder.join(file), case.document.as_deref()) {
            Ok(object) => Some(object),
            Err(message) => {
                let field = if case.document.is_some() { "document" } else { "file" };
                error(at.field(field), message);
                None
            }
        },
        (None, true) => {
            error(at.clone(), "no object; give one under object, or a file that has it".to_owned());
            None
        }
        (Some(_), false) => {
            error(at.field("file"), "an object is given already; give one of the two".to_owned());
            None
        }
    };
    let object = object.map(|mut object| {
        if !case.changed.is_null() {
            for Added { list, name, near } in overlay(&mut object.value, &case.changed) {
                let message = format!("the object has no {name} in {list}: it is added");
                let mut doubt = Diagnostic::warning(at.field("with"), message);
                doubt.help = near.map(|near| format!("did you mean {near}?"));
                doubts.push(document.place(doubt));
            }
        }
        object
    });
    for misspelt in object.iter().flat_map(misspelt) {
        // Several cases may be about one object.
        if !doubts.iter().any(|told| told.to_json() == misspelt.to_json()) {
            doubts.push(misspelt);
        }
    }
    if let Some(object) = &object
        && (object.kind().is_empty() || object.api_version().is_empty())
    {
        error(at.field("object"), "not a Kubernetes object: it needs apiVersion and kind".to_owned());
    }
    match object {
        Some(object) if found.is_empty() => {
            let line = document.locate(&at.field("name")).line;
            let file = document.origin.name().to_owned();
            Ok(Trial { case, file, line, object, loaded, terms })
        }
        _ => Err(found),
    }
}

/// The entry that was meant: the nearest name, or the one of this name where its policy was left out.
fn meant<'k>(name: &str, known: &'k [String]) -> Option<&'k str> {
    let known = || known.iter().map(String::as_str);
    let entry = |known: &'k str| known.split_once('/').map_or(known, |(_, entry)| entry);
    nearest(name, known()).or_else(|| {
        let near = nearest(name, known().map(entry))?;
        known().find(|known| entry(known) == near)
    })
}

/// The object called `Kind/name` of a file, or its only one.
fn from_file(file: &Path, wanted: Option<&str>) -> Result<Document, String> {
    let (mut documents, errors) = read(&[file.to_owned()]);
    if let Some(error) = errors.first() {
        return Err(error.to_string());
    }
    let title = |document: &Document| format!("{}/{}", document.kind(), document.name());
    let titles: Vec<String> = documents.iter().map(title).collect();
    let found = match wanted {
        None if documents.len() == 1 => Some(0),
        None => {
            return Err(format!(
                "{} objects are in this file; say which: document: {}",
                titles.len(),
                titles.join(", ")
            ));
        }
        Some(wanted) => titles.iter().position(|title| title == wanted),
    };
    match found {
        Some(index) => Ok(documents.swap_remove(index)),
        None => Err(format!("no such object is in {}; there are {}", file.display(), titles.join(", "))),
    }
}
