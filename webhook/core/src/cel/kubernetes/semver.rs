//! Semantic versions: `semver("1.2.3-rc.1")`, as the Go package blang/semver/v4 reads and orders them.

use std::cmp::Ordering;

use cel::common::types::{CelBool, CelInt, CelString};
use cel::{DeclarationError, Env, ExecutionError, add_member_overload, add_overload};

use super::super::library::{Cost, Function};
use super::{error, opaque};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("compareTo", Some(Cost::Size(1)), &["semver.(semver) int"]),
    Function::new("isGreaterThan", Some(Cost::Size(1)), &["semver.(semver) bool"]),
    Function::new("isLessThan", Some(Cost::Size(1)), &["semver.(semver) bool"]),
    Function::new("isSemver", Some(Cost::Size(1)), &["(string) bool", "(string, bool) bool"]),
    Function::new("major", None, &["semver.() int"]),
    Function::new("minor", None, &["semver.() int"]),
    Function::new("patch", None, &["semver.() int"]),
    Function::new("semver", Some(Cost::Size(1)), &["(string) semver", "(string, bool) semver"]),
];

pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(env, fn semver: (CelString<'_>) -> Result<Semver>)?;
    add_overload!(env, fn semver_normalized: (CelString<'_>, CelBool) -> Result<Semver>, name = "semver")?;
    add_overload!(env, fn is_semver: (CelString<'_>) -> CelBool)?;
    add_overload!(env, fn is_semver_normalized: (CelString<'_>, CelBool) -> CelBool, name = "isSemver")?;
    add_member_overload!(env, fn major: (Semver) -> CelInt)?;
    add_member_overload!(env, fn minor: (Semver) -> CelInt)?;
    add_member_overload!(env, fn patch: (Semver) -> CelInt)?;
    add_member_overload!(env, fn compare_to: (Semver, Semver) -> CelInt)?;
    add_member_overload!(env, fn is_less_than: (Semver, Semver) -> CelBool)?;
    add_member_overload!(env, fn is_greater_than: (Semver, Semver) -> CelBool)
}

/// An identifier of a pre-release: numbers come before texts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Text(String),
}

/// A version. What is built makes no difference.
#[derive(Clone, Debug)]
pub(super) struct Semver {
    numbers: [u64; 3],
    pre_release: Vec<Identifier>,
    len: usize,
}

impl PartialEq for Semver {
    fn eq(&self, other: &Self) -> bool {
        self.order(other).is_eq()
    }
}

opaque!(Semver, "kubernetes.Semver");

impl Semver {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let (major, minor, rest) = (parts.next()?, parts.next()?, parts.next()?);
        let (rest, build) = rest.split_once('+').map_or((rest, None), |(rest, build)| (rest, Some(build)));
        let (patch, pre_release) =
            rest.split_once('-').map_or((rest, None), |(patch, pre)| (patch, Some(pre)));
        // A hyphen within what is built is no pre-release.
        if let Some(build) = build
            && !build.split('.').all(is_identifier)
        {
            return None;
        }
        Some(Self {
            numbers: [number(major)?, number(minor)?, number(patch)?],
            pre_release: match pre_release {
                None => Vec::new(),
                Some(text) => text.split('.').map(identifier).collect::<Option<_>>()?,
            },
            len: text.len(),
        })
    }

    /// As [`Semver::parse`], with a leading `v`, missing minor and patch numbers and leading zeros allowed.
    fn parse_normalized(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let mut parts: Vec<String> = text.splitn(3, '.').map(without_zeros).collect();
        if parts.len() < 3 {
            if parts.last().is_some_and(|last| last.contains(['+', '-'])) {
                return None;
            }
            parts.resize(3, "0".to_owned());
        }
        Self::parse(&parts.join("."))
    }

    fn order(&self, other: &Self) -> Ordering {
        // A pre-release comes before its release.
        let pre = match (self.pre_release.is_empty(), other.pre_release.is_empty()) {
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            _ => self.pre_release.cmp(&other.pre_release),
        };
        self.numbers.cmp(&other.numbers).then(pre)
    }
}

fn without_zeros(part: &str) -> String {
    if part.len() <= 1 {
        return part.to_owned();
    }
    let trimmed = part.trim_start_matches('0');
    if trimmed.starts_with(|c: char| c.is_ascii_digit()) { trimmed.to_owned() } else { format!("0{trimmed}") }
}

fn number(digits: &str) -> Option<u64> {
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.is_empty()
        && (digits.len() == 1 || !digits.starts_with('0'));
    if is_plain { digits.parse().ok() } else { None }
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn identifier(text: &str) -> Option<Identifier> {
    if !is_identifier(text) {
        return None;
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return number(text).map(Identifier::Number);
    }
    Some(Identifier::Text(text.to_owned()))
}

fn parsed(text: &CelString<'_>, is_normalized: bool) -> Option<Semver> {
    if is_normalized { Semver::parse_normalized(text.inner()) } else { Semver::parse(text.inner()) }
}

fn semver(text: &CelString<'_>) -> Result<Semver, ExecutionError> {
    parsed(text, false).ok_or_else(|| error("semver", "not a semantic version such as 1.2.3"))
}

fn semver_normalized(text: &CelString<'_>, normalize: &CelBool) -> Result<Semver, ExecutionError> {
    parsed(text, *normalize.inner()).ok_or_else(|| error("semver", "not a semantic version such as 1.2.3"))
}

fn is_semver(text: &CelString<'_>) -> CelBool {
    parsed(text, false).is_some().into()
}

fn is_semver_normalized(text: &CelString<'_>, normalize: &CelBool) -> CelBool {
    parsed(text, *normalize.inner()).is_some().into()
}

fn part(semver: &Semver, at: usize) -> CelInt {
    // As Go converts it: what is beyond an int turns negative.
    CelInt::from(semver.numbers.get(at).copied().unwrap_or(0).cast_signed())
}

fn major(semver: &Semver) -> CelInt {
    part(semver, 0)
}

fn minor(semver: &Semver) -> CelInt {
    part(semver, 1)
}

fn patch(semver: &Semver) -> CelInt {
    part(semver, 2)
}

fn compare_to(one: &Semver, other: &Semver) -> CelInt {
    CelInt::from(one.order(other) as i64)
}

fn is_less_than(one: &Semver, other: &Semver) -> CelBool {
    one.order(other).is_lt().into()
}

fn is_greater_than(one: &Semver, other: &Semver) -> CelBool {
    one.order(other).is_gt().into()
}
