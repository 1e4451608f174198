//! What a pass changes, and what it leaves alone and why.

use std::collections::HashSet;
use std::fmt::{self, Write};

use serde_json::Value;

use crate::object::{Fields, get};
use crate::resources::Strategy;

/// A change, by the position of its entry in the plan.
#[derive(Debug)]
pub(crate) struct LoggedChange {
    pub(crate) entry: usize,
    pub(crate) path: String,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
}

/// A field left alone, by the position of its entry in the plan.
#[derive(Debug)]
pub(crate) struct LoggedSkip {
    pub(crate) entry: usize,
    pub(crate) path: String,
    pub(crate) reason: String,
}

/// The log of one pass over an object.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) changes: Vec<LoggedChange>,
    pub(crate) skips: Vec<LoggedSkip>,
    /// Entries of which it can't be said whether they apply.
    pub(crate) failures: Vec<LoggedSkip>,
    /// Fields that an entry of this pass has filled or would have, had they not held that value already.
    claimed: HashSet<String>,
    /// Entries that would change their own result.
    pub(crate) repeating: Vec<usize>,
    entry: usize,
    prefix: &'static str,
}

impl Log {
    /// What follows is done by the plan's entry `entry`, to the object as a whole.
    pub(crate) fn enter(&mut self, entry: usize) {
        self.entry = entry;
        self.prefix = "";
    }

    /// What follows is done to the pod at `prefix`: empty, or the path of a template with a dot at the end.
    pub(crate) fn within(&mut self, prefix: &'static str) {
        self.prefix = prefix;
    }

    /// Records a change.
    pub(crate) fn change(&mut self, path: impl fmt::Display, before: Option<Value>, after: Option<Value>) {
        let path = format!("{}{path}", self.prefix);
        self.changes.push(LoggedChange { entry: self.entry, path, before, after });
    }

    /// Records that a field was left alone, and why.
    pub(crate) fn skip(&mut self, path: impl fmt::Display, reason: impl Into<String>) {
        let path = format!("{}{path}", self.prefix);
        self.skips.push(LoggedSkip { entry: self.entry, path, reason: reason.into() });
    }

    /// Records that it can't be said whether the current entry applies, and why.
    pub(crate) fn fail(&mut self, reason: impl Into<String>) {
        self.failures.push(LoggedSkip { entry: self.entry, path: String::new(), reason: reason.into() });
    }

    /// Claims a field for the current entry; false where an earlier entry of this pass has it.
    pub(crate) fn claim(&mut self, path: impl fmt::Display) -> bool {
        self.claimed.insert(format!("{}{path}", self.prefix))
    }

    /// Whether an entry of this pass has claimed a field.
    pub(crate) fn is_claimed(&self, path: impl fmt::Display) -> bool {
        self.claimed.contains(&format!("{}{path}", self.prefix))
    }

    /// Sets the field at `at` under `fields` as `strategy` says, and records it. `base` is the path of `fields`.
    pub(crate) fn fill(
        &mut self,
        fields: &mut Fields,
        at: &[&str],
        value: &Value,
        strategy: Strategy,
        base: impl fmt::Display,
    ) {
        match get(fields, at) {
            Some(_) if strategy == Strategy::Default => {}
            Some(now) if now == value => {}
            _ => self.set(fields, at, value, base),
        }
    }

    /// Sets the field at `at` under `fields`, and records it.
    pub(crate) fn set(&mut self, fields: &mut Fields, at: &[&str], value: &Value, base: impl fmt::Display) {
        let Some((last, parents)) = at.split_last() else { return };
        let mut here = fields;
        for parent in parents {
            let Some(next) = crate::object::object_entry(here, parent) else {
                return self.skip(Dotted(&base, at), format!("`{parent}` is not an object"));
            };
            here = next;
        }
        let before = here.insert((*last).to_owned(), value.clone()).filter(|before| !before.is_null());
        self.change(Dotted(&base, at), before, Some(value.clone()));
    }
}

/// A base path and then fields; a field that is data (it has a dot or a slash) stands in brackets.
pub(crate) struct Dotted<'a, B>(pub(crate) B, pub(crate) &'a [&'a str]);

impl<B: fmt::Display> fmt::Display for Dotted<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut written = Tail { f, empty: true };
        write!(written, "{}", self.0)?;
        for field in self.1 {
            if field.contains(['.', '/']) {
                write!(written, "[{field}]")?;
            } else {
                let dot = if written.empty { "" } else { "." };
                write!(written, "{dot}{field}")?;
            }
        }
        Ok(())
    }
}

/// What is being written, and whether that is nothing yet.
struct Tail<'f, 'a> {
    f: &'f mut fmt::Formatter<'a>,
    empty: bool,
}

impl Write for Tail<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.empty &= text.is_empty();
        self.f.write_str(text)
    }
}
