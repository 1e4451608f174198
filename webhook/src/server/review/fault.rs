//! What can be wrong with a body, and where.

use std::fmt;

use super::{API_VERSION, KIND};

/// Members that an object of the envelope may have. The API server sends at most 15; the bound keeps the search for
/// duplicates cheap.
pub(super) const MEMBERS_MAX: usize = 64;
/// Levels that serde_json reads: its recursion limit is 128, and the 128th level meets it.
pub(super) const LEVELS_MAX: usize = 127;

/// Why a body is not an AdmissionReview. Displayed as one sentence that holds nothing of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong.
    pub fault: Fault,
    /// Where it was seen; `None` where it is the whole that is wrong.
    pub place: Option<Place>,
}

/// A place in a body. Line and column count from 1, both in bytes; `byte` from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The byte within the line.
    pub column: usize,
    /// The byte within the body.
    pub byte: usize,
}

/// What is wrong with a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing was sent.
    #[error("the body is empty; expected an {KIND} of {API_VERSION} as JSON")]
    Empty,
    /// A byte sequence is not UTF-8 (RFC 8259 section 8.1 wants it).
    #[error("the body is not UTF-8; expected JSON in UTF-8")]
    NotUtf8,
    /// Not JSON. The text is serde_json's: its syntax errors never quote the input.
    #[error("the body is not JSON: {0}")]
    Syntax(String),
    /// Nested deeper than is read.
    #[error("the body is nested deeper than {LEVELS_MAX} levels; expected at most that many")]
    TooDeep,
    /// Something follows the review.
    #[error("something follows the {KIND}; expected the end of the body")]
    Trailing,
    /// A member of another type than it must have.
    #[error("{member} is {found}; expected {wanted}")]
    WrongType {
        /// The member.
        member: Member,
        /// What stands there.
        found: &'static str,
        /// What should.
        wanted: &'static str,
    },
    /// A member that must be there is not.
    #[error("{0} is missing; expected {1}")]
    Missing(Member, &'static str),
    /// A member stands twice (RFC 8259 section 4: what that means differs between readers).
    #[error("{0} has a member twice; expected each member once")]
    Duplicate(Member),
    /// More members than any review has.
    #[error("{0} has more than {MEMBERS_MAX} members; expected an {KIND} of {API_VERSION}")]
    TooManyMembers(Member),
    /// A member has another value than it must have.
    #[error("{0} has an unexpected value; expected {1}")]
    WrongValue(Member, &'static str),
}

/// A member of the envelope, such as `request.uid`; the review itself where both parts are empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    pub(super) parent: &'static str,
    pub(super) name: &'static str,
}

impl Member {
    /// The review itself.
    pub(super) const ROOT: Self = Self { parent: "", name: "" };
}

impl Fault {
    /// All that [`Self::reason`] gives.
    pub(crate) const REASONS: [&str; 10] = [
        "empty",
        "not-utf8",
        "syntax",
        "too-deep",
        "trailing",
        "wrong-type",
        "missing",
        "duplicate",
        "too-many-members",
        "wrong-value",
    ];

    /// The fault's name in metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotUtf8 => "not-utf8",
            Self::Syntax(_) => "syntax",
            Self::TooDeep => "too-deep",
            Self::Trailing => "trailing",
            Self::WrongType { .. } => "wrong-type",
            Self::Missing(..) => "missing",
            Self::Duplicate(_) => "duplicate",
            Self::TooManyMembers(_) => "too-many-members",
            Self::WrongValue(..) => "wrong-value",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)?;
        match self.place {
            Some(Place { line, column, byte }) => write!(f, " (line {line}, column {column}, byte {byte})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Malformed {}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.parent, self.name) {
            ("", "") => write!(f, "the {KIND}"),
            ("", name) | (name, "") => f.write_str(name),
            (parent, name) => write!(f, "{parent}.{name}"),
        }
    }
}

impl Place {
    /// The place that serde_json names: its columns are bytes, 0 where the line has not begun.
    pub(super) fn of_error(body: &[u8], error: &serde_json::Error) -> Self {
        let start = match error.line().saturating_sub(2) {
            _ if error.line() < 2 => 0,
            skipped => body
                .iter()
                .enumerate()
                .filter(|(_, byte)| **byte == b'\n')
                .nth(skipped)
                .map_or(body.len(), |(newline, _)| newline + 1),
        };
        let column = error.column().max(1);
        Self { line: error.line().max(1), column, byte: start + column - 1 }
    }

    pub(super) fn of_byte(body: &[u8], byte: usize) -> Self {
        let before = body.get(..byte).unwrap_or(body);
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
        Self { line, column, byte }
    }

    /// How many objects and lists are open after this place.
    pub(super) fn levels(self, body: &[u8]) -> usize {
        let (mut level, mut quoted, mut escaped) = (0_usize, false, false);
        for byte in body.iter().take(self.byte + 1) {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b'{' | b'[' if !quoted => level += 1,
                b'}' | b']' if !quoted => level = level.saturating_sub(1),
                _ => {}
            }
        }
        level
    }
}
