//! Why a file, or a document in it, could not be read.

use std::fmt;
use std::io;
use std::sync::Arc;

use sallyport_policy::Severity;
use serde_saphyr::granit_parser::ErrorKind;
use thiserror::Error;

use super::text::{Location, SourceText};

/// Something that could not be read, and where.
#[derive(Debug)]
pub struct ReadError {
    /// The file or folder, as the user wrote it.
    pub name: String,
    /// The place in the file, when it is about one.
    pub place: Option<(Arc<SourceText>, Location)>,
    /// Why.
    pub reason: Unreadable,
    /// Whether something is missing because of it, or the user should merely know.
    pub severity: Severity,
}

impl ReadError {
    /// An error about a file or folder as a whole.
    pub(super) fn of(name: impl Into<String>, reason: impl Into<Unreadable>) -> Self {
        Self { name: name.into(), place: None, reason: reason.into(), severity: Severity::Error }
    }

    /// An error at a place in a file.
    pub(super) fn at(origin: &Arc<SourceText>, location: Location, reason: Unreadable) -> Self {
        let place = Some((Arc::clone(origin), location));
        Self { name: origin.name().to_owned(), place, reason, severity: Severity::Error }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some((_, at)) => write!(f, "{}:{}:{}: {}", self.name, at.line, at.column, self.reason),
            None => write!(f, "{}: {}", self.name, self.reason),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.reason.source()
    }
}

/// Why something could not be read.
#[derive(Debug, Error)]
pub enum Unreadable {
    /// The operating system would not give it.
    #[error("{}", io_message(.0))]
    Io(#[source] io::Error),
    /// More bytes than are read of one file.
    #[error("larger than {} MiB", .limit / (1024 * 1024))]
    TooLarge {
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// Bytes that are not UTF-8.
    #[error("not UTF-8: byte 0x{byte:02X}")]
    NotUtf8 {
        /// The first byte that does not fit.
        byte: u8,
    },
    /// UTF-16, by its byte order mark.
    #[error("UTF-16, not UTF-8")]
    Utf16,
    /// A folder without files that are read.
    #[error("no *.yaml, *.yml or *.json file in this folder")]
    NothingToRead,
    /// A folder without files of cases.
    #[error("no *.test.yaml, *.test.yml or *.test.json file in this folder")]
    NoCases,
    /// Not YAML.
    #[error("{}", syntax_message(.0))]
    Syntax(ErrorKind),
    /// A key that stands twice in one object.
    #[error("duplicate key {key}")]
    DuplicateKey {
        /// The key.
        key: String,
        /// The line of the first.
        first_line: usize,
    },
    /// A key that JSON cannot hold.
    #[error("a key must be a string, not {found}")]
    KeyNotString {
        /// What the key is.
        found: &'static str,
    },
    /// An alias without an anchor before it.
    #[error("no anchor &{name} stands before this alias")]
    UnknownAnchor {
        /// The alias's name.
        name: String,
    },
    /// An alias inside of its own anchor.
    #[error("an alias cannot stand inside of its own anchor")]
    RecursiveAlias,
    /// Aliases that unfold to far more than was written.
    #[error("aliases unfold to more than {} MiB", .limit / (1024 * 1024))]
    AliasesTooLarge {
        /// The most that aliases may copy in one file, in bytes.
        limit: usize,
    },
    /// Nested too deep.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// The deepest level that is read.
        limit: usize,
    },
    /// `<<` with something that is no object.
    #[error("<< merges objects, not {found}")]
    MergeOfNoObject {
        /// What it was given.
        found: &'static str,
    },
    /// A tag that Kubernetes objects do not have.
    #[error("unknown tag {tag}")]
    UnknownTag {
        /// The tag as written.
        tag: String,
    },
    /// A tag that does not fit what is tagged.
    #[error("{text} is not what the tag {tag} says")]
    TagMismatch {
        /// The tag as written.
        tag: String,
        /// The value as written.
        text: String,
    },
    /// `.inf` or `.nan`.
    #[error("{text} is a number that JSON cannot hold")]
    NotFinite {
        /// The number as written.
        text: String,
    },
    /// A template of Helm or Go.
    #[error("this is a template, not YAML")]
    Template,
    /// A Kustomization.
    #[error("a Kustomization is built, not read: skipped")]
    Kustomization,
    /// Something else than an object.
    #[error("expected a Kubernetes object, found {found}")]
    NotAnObject {
        /// What was found.
        found: &'static str,
    },
    /// A Kubernetes object without the fields that say what it is.
    #[error("not a Kubernetes object: {field} is missing")]
    Untyped {
        /// The field.
        field: &'static str,
    },
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Unreadable {
    /// What to do about it, when that is not plain from the message.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Syntax(kind) => return syntax_help(kind).map(str::to_owned),
            Self::DuplicateKey { first_line, .. } => format!("first set on line {first_line}"),
            Self::KeyNotString { found: "null" } => "put it in quotes".to_owned(),
            Self::UnknownTag { .. } => "a value that begins with ! needs quotes: '!…'".to_owned(),
            Self::NotFinite { .. } => "in quotes it is a string".to_owned(),
            Self::Template => "render it first: helm template CHART | sallyport … -".to_owned(),
            Self::Kustomization => "build it: kustomize build DIR | sallyport … -".to_owned(),
            Self::NotUtf8 { .. } | Self::Utf16 => "save the file as UTF-8".to_owned(),
            _ => return None,
        })
    }
}

/// The operating system's words without its error number.
fn io_message(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// Whether a tab stands where YAML wants spaces.
pub(super) fn is_about_tabs(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabAtBlockScalarStart
            | ErrorKind::TabInPlainScalar
    )
}

/// What is wrong with the YAML, in the words of someone who writes it rather than of who parses it.
fn syntax_message(kind: &ErrorKind) -> String {
    match kind {
        kind if is_about_tabs(kind) => "a tab where only spaces may stand".to_owned(),
        ErrorKind::InvalidIndentation | ErrorKind::ExpectedBlockMappingKey => {
            "the indentation fits nothing above".to_owned()
        }
        ErrorKind::ExpectedBlockSequenceEntry => "expected another list item, beginning with -".to_owned(),
        ErrorKind::MappingValueNotAllowed => "a second : in one line".to_owned(),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => "expected key: value".to_owned(),
        ErrorKind::UnclosedQuotedScalar => "this string is never closed".to_owned(),
        ErrorKind::UnclosedFlowCollection { open } => format!("this {open} is never closed"),
        ErrorKind::UnexpectedEofFlowMapping | ErrorKind::UnexpectedEofImplicitFlowMapping => {
            "the file ends inside of { }".to_owned()
        }
        ErrorKind::UnexpectedEofFlowSequence => "the file ends inside of [ ]".to_owned(),
        ErrorKind::ExpectedFlowMappingSeparator => "expected , or }".to_owned(),
        ErrorKind::ExpectedFlowSequenceSeparator => "expected , or ]".to_owned(),
        ErrorKind::UnexpectedCharacter { character } if character.is_control() => {
            format!("the control character U+{:04X} may not stand here", u32::from(*character))
        }
        ErrorKind::UnexpectedCharacter { character } => format!("{character} cannot begin a value"),
        ErrorKind::RecursionLimitExceeded => "nested too deep".to_owned(),
        other => {
            let words = other.to_string();
            words.rsplit_once(", ").map_or(words.clone(), |(_, what)| what.to_owned())
        }
    }
}

fn syntax_help(kind: &ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::MappingValueNotAllowed => Some("a value that contains ': ' needs quotes"),
        ErrorKind::UnexpectedCharacter { character } if character.is_control() => {
            Some("write it as an escape, in double quotes")
        }
        ErrorKind::UnexpectedCharacter { .. } => Some("put the value in quotes"),
        ErrorKind::ExpectedFlowMappingSeparator => Some("a { before this is still open"),
        ErrorKind::ExpectedFlowSequenceSeparator => Some("a [ before this is still open"),
        _ => None,
    }
}
