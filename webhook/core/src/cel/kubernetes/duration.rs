//! Durations: `duration("1h30m")`, in nanoseconds as Go keeps them.

use std::any::Any;
use std::cmp::Ordering;
use std::fmt;

use cel::common::traits::{Adder, Comparer, Subtractor, Zeroer};
use cel::common::types::{CelInt, CelString, DURATION_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError, add_member_overload, add_overload};

use super::super::functions::no_overload;
use super::super::library::{Cost, Function};
use super::error;
use super::timestamp::Timestamp;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(
        "duration",
        Some(Cost::Size(1)),
        &["(duration) duration", "(int) duration", "(string) duration"],
    ),
    Function::new("getHours", None, &["duration.() int"]),
    Function::new("getMilliseconds", None, &["duration.() int"]),
    Function::new("getMinutes", None, &["duration.() int"]),
    Function::new("getSeconds", None, &["duration.() int"]),
    Function::new("int", None, &["(duration) int"]),
    Function::counting("string", &["(duration) string"]),
];

pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_type(DURATION_TYPE)?;
    add_overload!(env, fn duration: (CelString<'_>) -> Result<Duration>)?;
    add_overload!(env, fn same: (Duration) -> Duration, name = "duration")?;
    add_overload!(env, fn nanoseconds: (Duration) -> CelInt, name = "int", id = "duration_to_int")?;
    add_member_overload!(env, fn get_hours: (Duration) -> CelInt)?;
    add_member_overload!(env, fn get_minutes: (Duration) -> CelInt)?;
    add_member_overload!(env, fn get_seconds: (Duration) -> CelInt)?;
    add_member_overload!(env, fn get_milliseconds: (Duration) -> CelInt)
}

const SECOND: i64 = 1_000_000_000;
const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3600 * SECOND),
];

/// Nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Duration(pub(super) i64);

impl Duration {
    /// Reads a duration as Go's time.ParseDuration does.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (is_negative, mut rest) = match text.strip_prefix(['+', '-']) {
            Some(rest) => (text.starts_with('-'), rest),
            None => (false, text),
        };
        if rest == "0" {
            return Some(Self(0));
        }
        if rest.is_empty() {
            return None;
        }
        let mut total = 0_i128;
        while !rest.is_empty() {
            let (whole, after) = split(rest, |c| c.is_ascii_digit());
            let (fraction, after) =
                after.strip_prefix('.').map_or(("", after), |after| split(after, |c| c.is_ascii_digit()));
            if whole.is_empty() && fraction.is_empty() {
                return None;
            }
            let (unit, after) = split(after, |c| c != '.' && !c.is_ascii_digit());
            let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
            let size = i128::from(*size);
            let whole = if whole.is_empty() { 0 } else { whole.parse::<i64>().ok()? };
            total = total.checked_add(i128::from(whole).checked_mul(size)?)?;
            // Digits beyond these are below a nanosecond.
            let digits = fraction.get(..fraction.len().min(18))?;
            let scale = 10_i128.checked_pow(u32::try_from(digits.len()).ok()?)?;
            let part = if digits.is_empty() { 0 } else { digits.parse::<i128>().ok()? };
            total = total.checked_add(part.checked_mul(size)?.checked_div(scale)?)?;
            if total > i128::from(i64::MAX) + 1 {
                return None;
            }
            rest = after;
        }
        i64::try_from(if is_negative { -total } else { total }).ok().map(Self)
    }

    fn in_units(self, nanoseconds: i64) -> CelInt {
        CelInt::from(self.0.checked_div(nanoseconds).unwrap_or(0))
    }
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

/// In seconds, as `string()` has it: `5400s`, `1.5s`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / SECOND, self.0 % SECOND);
        write!(f, "{}s", whole as f64 + rest as f64 / 1e9)
    }
}

impl Val for Duration {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        &DURATION_TYPE
    }

    fn as_adder<'b, 'v>(&'b self) -> Option<&'b (dyn Adder + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_comparer(&self) -> Option<&dyn Comparer> {
        Some(self)
    }

    fn as_subtractor<'b, 'v>(&'b self) -> Option<&'b (dyn Subtractor + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_zeroer(&self) -> Option<&dyn Zeroer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Self>() == Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(*self)
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Duration {}

pub(super) fn overflow(operator: &str) -> ExecutionError {
    error(operator, "number out of range")
}

impl Adder for Duration {
    fn add<'b, 'v>(&'b self, rhs: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        if let Some(timestamp) = rhs.downcast_ref::<Timestamp>() {
            return timestamp.plus(i128::from(self.0)).map(CowVal::owned);
        }
        let other = rhs.downcast_ref::<Self>().ok_or_else(|| no_overload("_+_", &[self, rhs]))?;
        self.0.checked_add(other.0).map(|sum| CowVal::owned(Self(sum))).ok_or_else(|| overflow("_+_"))
    }
}

impl Subtractor for Duration {
    fn sub<'b, 'v>(&'b self, rhs: &(dyn Val + 'v)) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        let other = rhs.downcast_ref::<Self>().ok_or_else(|| no_overload("_-_", &[self, rhs]))?;
        self.0.checked_sub(other.0).map(|rest| CowVal::owned(Self(rest))).ok_or_else(|| overflow("_-_"))
    }
}

impl Comparer for Duration {
    fn compare(&self, rhs: &dyn Val) -> Result<Ordering, ExecutionError> {
        rhs.downcast_ref::<Self>()
            .map(|other| self.cmp(other))
            .ok_or_else(|| no_overload("_<_", &[self, rhs]))
    }
}

impl Zeroer for Duration {
    fn is_zero_value(&self) -> bool {
        self.0 == 0
    }
}

fn duration(text: &CelString<'_>) -> Result<Duration, ExecutionError> {
    Duration::parse(text.inner()).ok_or_else(|| error("duration", "not a duration such as 1h30m"))
}

fn same(duration: &Duration) -> Duration {
    *duration
}

fn nanoseconds(duration: &Duration) -> CelInt {
    duration.in_units(1)
}

fn get_hours(duration: &Duration) -> CelInt {
    duration.in_units(3600 * SECOND)
}

fn get_minutes(duration: &Duration) -> CelInt {
    duration.in_units(60 * SECOND)
}

fn get_seconds(duration: &Duration) -> CelInt {
    duration.in_units(SECOND)
}

fn get_milliseconds(duration: &Duration) -> CelInt {
    duration.in_units(SECOND / 1000)
}
