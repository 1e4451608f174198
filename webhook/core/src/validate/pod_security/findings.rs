//! What a control has to say about a pod.

use std::collections::HashSet;
use std::fmt::{self, Display};

use serde_json::Value;

use super::Report;
use crate::secrets::redact_start;

/// How many violations of one control are told one by one. A pod of a mebibyte has room for as many as make a
/// gigabyte of messages.
const MOST: usize = 100;

/// The violations of one control.
pub(super) struct Findings<'r> {
    control: &'static str,
    report: &'r mut Report,
    misshapen: &'r mut Misshapen,
    count: usize,
}

/// What has the wrong type, whichever controls come across it.
#[derive(Default)]
pub(super) struct Misshapen {
    /// The paths that were told.
    told: HashSet<String>,
    /// Whether there are more.
    more: bool,
}

impl<'r> Findings<'r> {
    pub(super) fn of(control: &'static str, report: &'r mut Report, misshapen: &'r mut Misshapen) -> Self {
        Self { control, report, misshapen, count: 0 }
    }

    /// Reports what was found at a path, and what must be there.
    pub(super) fn violation(&mut self, path: impl Display, found: impl Display, must: impl Display) {
        self.count += 1;
        if self.count <= MOST {
            let message = format!("found {found}; must {must} (control {})", self.control);
            self.report.violation(path, message);
        }
    }

    /// Reports what has the wrong type: once, though other fields are out of reach behind it, and other controls can't
    /// read it either.
    pub(super) fn wrong_type(&mut self, path: impl Display, found: &Value, wanted: &str) {
        let Misshapen { told, more } = &mut *self.misshapen;
        if *more {
            return;
        }
        let path = path.to_string();
        if told.contains(&path) {
            return;
        }
        *more = told.len() == MOST;
        if !*more {
            self.report.violation(&path, format!("found {}; must be {wanted}", Shown(found)));
            told.insert(path);
        }
    }

    /// Says how many there are beside those that were told.
    pub(super) fn end(self) {
        if let Some(more) = self.count.checked_sub(MOST).filter(|more| *more > 0) {
            let message = format!("found {more} more violations; must have none (control {})", self.control);
            self.report.violation("spec", message);
        }
    }
}

impl Misshapen {
    /// Says that there is more, where there is.
    pub(super) fn end(self, report: &mut Report) {
        if self.more {
            report.violation(
                "spec",
                format!("found more than {MOST} fields of the wrong type; must have none"),
            );
        }
    }
}

/// A value as messages show it.
pub(super) struct Shown<'v>(pub(super) &'v Value);

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => f.write_str("unset"),
            Value::Bool(value) => value.fmt(f),
            Value::Number(value) => value.fmt(f),
            Value::String(text) => write!(f, "`{}`", Cut(text)),
            Value::Array(_) => f.write_str("a list"),
            Value::Object(_) => f.write_str("an object"),
        }
    }
}

/// The elements of a list, separated by commas.
pub(super) struct ShownList<I>(pub(super) I);

impl<'v, I: Iterator<Item = &'v Value> + Clone> Display for ShownList<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 16;
        for (i, value) in self.0.clone().take(MOST).enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { ", " }, Shown(value))?;
        }
        match self.0.clone().skip(MOST).count() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// The start of a text, without secrets.
pub(super) struct Cut<'t>(pub(super) &'t str);

impl Display for Cut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 128;
        let (shown, is_cut) = redact_start(self.0, MOST);
        write!(f, "{shown}{}", if is_cut { "…" } else { "" })
    }
}
