//! Values that must not come more than once.

/// What was found where one value is wanted. Two are not one of them: who takes the first decides about another request
/// than who takes the last (RFC 9110 §5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sole<T> {
    /// None.
    Missing,
    /// One.
    One(T),
    /// Several, or one that can't be read.
    Malformed,
}

impl<T> Sole<T> {
    /// What an iterator has: its only item.
    pub fn of(mut items: impl Iterator<Item = T>) -> Self {
        match (items.next(), items.next()) {
            (None, _) => Self::Missing,
            (Some(one), None) => Self::One(one),
            (Some(_), Some(_)) => Self::Malformed,
        }
    }

    /// What it is once another is found too.
    #[must_use]
    pub fn and(self, another: T) -> Self {
        match self {
            Self::Missing => Self::One(another),
            Self::One(_) | Self::Malformed => Self::Malformed,
        }
    }

    /// The only one.
    pub fn one(self) -> Option<T> {
        match self {
            Self::One(one) => Some(one),
            Self::Missing | Self::Malformed => None,
        }
    }
}
