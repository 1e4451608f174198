//! From what is asked for to what is done.

use std::borrow::Cow;

use super::NameSet;
use crate::request::HeaderList;

/// A header's name and value, of a message that is still ours.
pub type Header<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// What happens to a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The value takes the place of all that are there; without a value they go.
    Replace,
    /// The value is added if the header is not there.
    Keep,
    /// The value is added.
    Append,
}

/// A change of one header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// Its name.
    pub name: Cow<'a, [u8]>,
    /// What happens.
    pub action: Action,
    /// The value. Without one, Keep and Append do nothing.
    pub value: Option<Cow<'a, [u8]>>,
}

/// Changes of a message's headers: first names that are removed, then changes in order.
#[derive(Clone, Debug)]
pub struct Changes<'a> {
    /// Names that are removed from any message.
    pub removed: &'a NameSet,
    /// Further names that are removed from this one, as they stand in it.
    pub taken: Vec<&'a [u8]>,
    /// Changes after that.
    pub changes: Vec<Change<'a>>,
}

/// A call to the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation<'a> {
    /// Removes a header: all its values.
    Remove(&'a [u8]),
    /// Gives a header this value in the place of all that it has.
    Replace(&'a [u8], &'a [u8]),
    /// Gives a header this value beside those that it has.
    Add(&'a [u8], &'a [u8]),
}

/// What becomes of one header.
struct Fate<'a> {
    name: &'a [u8],
    /// Whether the values that are there stay.
    stay: bool,
    /// The first value that is added.
    first: Option<&'a [u8]>,
    /// Those after it.
    more: Vec<&'a [u8]>,
}

impl<'a> Fate<'a> {
    fn add(&mut self, value: Option<&'a [u8]>) {
        match self.first {
            None => self.first = value,
            Some(_) => self.more.extend(value),
        }
    }

    fn added(&self) -> impl Iterator<Item = &'a [u8]> {
        self.first.into_iter().chain(self.more.iter().copied())
    }
}

impl Changes<'_> {
    /// The fewest operations that make these changes of these headers: none for a header that is already as it should
    /// be.
    #[must_use]
    pub fn operations<'a>(&'a self, headers: &HeaderList<'_>) -> Vec<Operation<'a>> {
        let mut fates: Vec<Fate<'a>> = Vec::with_capacity(self.changes.len());
        for change in &self.changes {
            let known = fates.iter().position(|fate| fate.name.eq_ignore_ascii_case(&change.name));
            let at = known.unwrap_or_else(|| {
                let stay = self.removed(&change.name).is_none();
                fates.push(Fate { name: &change.name, stay, first: None, more: Vec::new() });
                fates.len() - 1
            });
            let Some(fate) = fates.get_mut(at) else { continue };
            let value = change.value.as_deref();
            match change.action {
                Action::Replace => {
                    fate.stay = false;
                    fate.first = value;
                    fate.more.clear();
                }
                Action::Keep => {
                    let there = fate.first.is_some() || (fate.stay && headers.get(fate.name).is_some());
                    fate.add(value.filter(|_| !there));
                }
                Action::Append => fate.add(value),
            }
        }

        let mut operations = Vec::new();
        for (name, _) in headers.iter() {
            let Some(name) = self.removed(name) else { continue };
            let is_decided = fates.iter().any(|fate| fate.name.eq_ignore_ascii_case(name));
            let is_done = |operation: &Operation<'_>| matches!(operation, Operation::Remove(other) if other.eq_ignore_ascii_case(name));
            if !is_decided && !operations.iter().any(is_done) {
                operations.push(Operation::Remove(name));
            }
        }
        for fate in fates {
            let mut added = fate.added();
            if !fate.stay && headers.get(fate.name).is_some() {
                if headers.values(fate.name).eq(fate.added()) {
                    continue;
                }
                operations.push(match added.next() {
                    None => Operation::Remove(fate.name),
                    Some(value) => Operation::Replace(fate.name, value),
                });
            }
            operations.extend(added.map(|value| Operation::Add(fate.name, value)));
        }
        operations
    }

    /// Whether they may change headers of this name.
    #[must_use]
    pub fn is_about(&self, name: &[u8]) -> bool {
        self.removed(name).is_some()
            || self.changes.iter().any(|change| change.name.eq_ignore_ascii_case(name))
    }

    /// The name as it is to be removed, if it is.
    fn removed(&self, name: &[u8]) -> Option<&[u8]> {
        let taken = || self.taken.iter().copied().find(|taken| taken.eq_ignore_ascii_case(name));
        self.removed.find(name).or_else(taken)
    }
}

/// Does the operations on headers that the proxy does not have yet: those of an answer of our own.
pub fn apply(headers: &mut Vec<Header<'_>>, operations: &[Operation<'_>]) {
    for operation in operations {
        let (Operation::Remove(name) | Operation::Replace(name, _) | Operation::Add(name, _)) = operation;
        if !matches!(operation, Operation::Add(..)) {
            headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        }
        if let Operation::Replace(name, value) | Operation::Add(name, value) = operation {
            headers.push((Cow::Owned(name.to_vec()), Cow::Owned(value.to_vec())));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Pairs = Vec<(String, String)>;

    fn change<'a>(name: &'a str, action: Action, value: Option<&'a str>) -> Change<'a> {
        let value = value.map(|value| Cow::Borrowed(value.as_bytes()));
        Change { name: Cow::Borrowed(name.as_bytes()), action, value }
    }

    static NONE: NameSet = NameSet::NONE;

    fn changes<'a>(taken: &[&'a str], changed: &[(&'a str, Action, Option<&'a str>)]) -> Changes<'a> {
        let taken = taken.iter().map(|name| name.as_bytes()).collect();
        let changes = changed.iter().map(|(name, action, value)| change(name, *action, *value)).collect();
        Changes { removed: &NONE, taken, changes }
    }

    #[track_caller]
    fn check(headers: &[(&str, &str)], changes: &Changes<'_>, wanted: &[Operation<'_>]) {
        let headers = HeaderList::from_pairs(headers.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())));
        assert_eq!(changes.operations(&headers), wanted);
    }

    #[test]
    fn only_what_differs_is_done() {
        use Action::{Append, Keep, Replace};
        use Operation::{Add, Remove, Replace as Set};
        let one = &[("a", "1")][..];
        let two = &[("a", "1"), ("b", "x"), ("A", "2")][..];
        check(one, &changes(&[], &[]), &[]);
        check(one, &changes(&["A", "c"], &[]), &[Remove(b"A")]);
        let always = NameSet::of([&b"A"[..], b"c"]);
        let both = Changes { removed: &always, ..changes(&["b", "B"], &[]) };
        check(two, &both, &[Remove(b"a"), Remove(b"b")]);
        check(two, &changes(&["a"], &[]), &[Remove(b"a")]);
        check(one, &changes(&[], &[("a", Replace, Some("1"))]), &[]);
        check(one, &changes(&[], &[("A", Replace, Some("2"))]), &[Set(b"A", b"2")]);
        check(two, &changes(&[], &[("a", Replace, Some("1"))]), &[Set(b"a", b"1")]);
        check(one, &changes(&[], &[("a", Replace, None)]), &[Remove(b"a")]);
        check(one, &changes(&[], &[("b", Replace, None)]), &[]);
        check(one, &changes(&[], &[("b", Replace, Some("1"))]), &[Add(b"b", b"1")]);
        check(one, &changes(&[], &[("a", Keep, Some("2"))]), &[]);
        check(one, &changes(&[], &[("b", Keep, Some("2")), ("B", Keep, Some("3"))]), &[Add(b"b", b"2")]);
        check(one, &changes(&["a"], &[("a", Keep, Some("2"))]), &[Set(b"a", b"2")]);
        check(one, &changes(&["a"], &[("a", Keep, Some("1"))]), &[]);
        check(one, &changes(&["a"], &[("a", Append, None)]), &[Remove(b"a")]);
        check(one, &changes(&[], &[("a", Append, Some("1"))]), &[Add(b"a", b"1")]);
        let both = changes(&[], &[("a", Replace, Some("2")), ("a", Append, Some("3"))]);
        check(two, &both, &[Set(b"a", b"2"), Add(b"a", b"3")]);
        check(&[("a", "2"), ("a", "3")], &both, &[]);
    }

    /// The changes, done one after the other as they read.
    fn naive(headers: &Pairs, removed: &[String], changed: &[(String, Action, Option<String>)]) -> Pairs {
        let mut headers = headers.clone();
        let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
        for name in removed {
            headers.retain(|(other, _)| !same(other, name));
        }
        for (name, action, value) in changed {
            let there = headers.iter().any(|(other, _)| same(other, name));
            if *action == Action::Replace {
                headers.retain(|(other, _)| !same(other, name));
            }
            if let Some(value) = value
                && (*action != Action::Keep || !there)
            {
                headers.push((name.clone(), value.clone()));
            }
        }
        headers
    }

    fn by_name(headers: &Pairs) -> Vec<(String, Vec<&String>)> {
        let mut names: Vec<String> = headers.iter().map(|(name, _)| name.to_lowercase()).collect();
        names.sort();
        names.dedup();
        let values = |name: &String| {
            headers.iter().filter(|(n, _)| n.to_lowercase() == *name).map(|(_, v)| v).collect()
        };
        names.into_iter().map(|name| (name.clone(), values(&name))).collect()
    }

    proptest! {
        #[test]
        fn operations_come_to_what_the_changes_say(
            headers in proptest::collection::vec(("[aAbBc]", "[12]"), 0..6),
            removed in proptest::collection::vec("[aAbBc]", 0..3),
            taken in proptest::collection::vec("[aAbBc]", 0..3),
            changed in proptest::collection::vec((
                "[aAbBc]",
                prop_oneof![Just(Action::Replace), Just(Action::Keep), Just(Action::Append)],
                proptest::option::of("[12]"),
            ), 0..6),
        ) {
            let asked = Changes {
                removed: &NameSet::of(removed.iter().map(String::as_bytes)),
                taken: taken.iter().map(String::as_bytes).collect(),
                changes: changed.iter().map(|(n, a, v)| change(n, *a, v.as_deref())).collect(),
            };
            let list = HeaderList::from_pairs(headers.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())));
            let operations = asked.operations(&list);
            let mut done: Vec<_> = list.iter().map(|(n, v)| (Cow::Borrowed(n), Cow::Borrowed(v))).collect();
            apply(&mut done, &operations);
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let done: Pairs = done.iter().map(|(n, v)| (text(n), text(v))).collect();
            let wanted = naive(&headers, &[&removed[..], &taken].concat(), &changed);
            prop_assert_eq!(by_name(&done), by_name(&wanted));
            // No more than one call for each name that is removed, and one for each value that is new.
            let calls = by_name(&headers).len() + wanted.len();
            prop_assert!(operations.len() <= calls);
            prop_assert!(by_name(&headers) != by_name(&wanted) || operations.is_empty(), "{:?}", operations);
        }
    }
}
