//! What is wrong, or doubtful, in a resource, and at which field.

use std::fmt;

use crate::FieldPath;

/// How much a [`Diagnostic`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The resource is accepted, but its author should know.
    Warning,
    /// The resource is refused.
    Error,
}

/// One finding about a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the resource is refused for it.
    pub severity: Severity,
    /// The field, from the resource's root.
    pub path: FieldPath,
    /// What was found and what was expected, in one sentence without a full stop.
    pub message: String,
    /// What to do about it, when that is not plain from the message.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A finding for which the resource is refused.
    #[must_use]
    pub fn error(path: FieldPath, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, path, message: message.into(), help: None }
    }

    /// A finding that the resource's author should know of.
    #[must_use]
    pub fn warning(path: FieldPath, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, path, message: message.into(), help: None }
    }

    /// This finding with advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_root() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// Findings collected while a resource is compiled: all of them, not the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Adds a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Adds an error at `path`.
    pub fn error(&mut self, path: FieldPath, message: impl Into<String>) {
        self.push(Diagnostic::error(path, message));
    }

    /// Adds a warning at `path`.
    pub fn warn(&mut self, path: FieldPath, message: impl Into<String>) {
        self.push(Diagnostic::warning(path, message));
    }

    /// Whether the resource is refused.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|d| d.severity == Severity::Error)
    }

    /// The findings in the order in which they were made.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, findings: I) {
        self.0.extend(findings);
    }
}
