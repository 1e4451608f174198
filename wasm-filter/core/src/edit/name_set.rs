//! Sets of header names.

use crate::distinct::distinct;

/// Header names, found without regard to case in logarithmic time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameSet {
    /// In lower case, sorted, each once.
    names: Vec<Box<[u8]>>,
}

impl NameSet {
    /// The empty set.
    pub const NONE: Self = Self { names: Vec::new() };

    /// The set of these names.
    #[must_use]
    pub fn of<'n>(names: impl IntoIterator<Item = &'n [u8]>) -> Self {
        let names: Vec<Vec<u8>> = names.into_iter().map(<[u8]>::to_ascii_lowercase).collect();
        let names = distinct(names.iter().map(Vec::as_slice).collect());
        Self { names: names.into_iter().map(Box::from).collect() }
    }

    /// The name in lower case, if it is one of them.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<&[u8]> {
        if self.names.is_empty() {
            return None;
        }
        let lower = |byte: &u8| byte.to_ascii_lowercase();
        let at =
            self.names.binary_search_by(|other| other.iter().copied().cmp(name.iter().map(lower))).ok()?;
        self.names.get(at).map(|name| &**name)
    }

    /// The names, in lower case.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().map(|name| &**name)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether a name is one of them.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        self.find(name).is_some()
    }
}
