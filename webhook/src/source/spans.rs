//! Where the parts of a value stand in its text.

use std::collections::BTreeMap;
use std::ops::Range;

/// Bytes of a text. Files are limited to far less than 4 GiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl Span {
    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    pub(super) fn is_empty(self) -> bool {
        self.start == self.end
    }
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        let bytes = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: bytes(range.start), end: bytes(range.end) }
    }
}

/// The places of a value and of everything in it: a tree of the value's own shape.
#[derive(Clone, Debug, Default)]
pub(super) struct Spans {
    /// The value itself. Of an alias, the alias; what is inside stands where the anchor is.
    pub(super) value: Span,
    pub(super) inside: Inside,
}

/// The places inside of a value.
#[derive(Clone, Debug, Default)]
pub(super) enum Inside {
    #[default]
    Scalar,
    List(Vec<Spans>),
    Map(BTreeMap<String, Member>),
}

/// The places of a member of an object.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) key: Span,
    pub(super) spans: Spans,
}

impl Spans {
    pub(super) fn member(&self, key: &str) -> Option<&Member> {
        match &self.inside {
            Inside::Map(members) => members.get(key),
            Inside::Scalar | Inside::List(_) => None,
        }
    }

    pub(super) fn element(&self, index: usize) -> Option<&Self> {
        match &self.inside {
            Inside::List(elements) => elements.get(index),
            Inside::Scalar | Inside::Map(_) => None,
        }
    }
}
