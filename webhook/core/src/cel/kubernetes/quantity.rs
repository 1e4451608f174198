//! Quantities: `quantity("1.5Gi")`, as resource.Quantity has them.
//!
//! Whether one is an integer depends on how it is written, not on its value: `1000m` is none. So the digits and the
//! power of ten are kept as they are read.

use std::cmp::Ordering;

use cel::common::types::{CelBool, CelDouble, CelInt, CelString};
use cel::{DeclarationError, Env, ExecutionError, add_member_overload, add_overload};

use super::super::library::{Cost, Function};
use super::{error, opaque};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("add", None, &["quantity.(quantity) quantity", "quantity.(int) quantity"]),
    Function::new("asApproximateFloat", None, &["quantity.() double"]),
    Function::new("asInteger", None, &["quantity.() int"]),
    Function::new("compareTo", None, &["quantity.(quantity) int"]),
    Function::new("isGreaterThan", None, &["quantity.(quantity) bool"]),
    Function::new("isInteger", None, &["quantity.() bool"]),
    Function::new("isLessThan", None, &["quantity.(quantity) bool"]),
    Function::new("isQuantity", Some(Cost::Size(4)), &["(string) bool"]),
    Function::new("quantity", Some(Cost::Size(4)), &["(string) quantity"]),
    Function::new("sign", None, &["(quantity) int"]),
    Function::new("sub", None, &["quantity.(quantity) quantity", "quantity.(int) quantity"]),
];

pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(env, fn quantity: (CelString<'_>) -> Result<Quantity>)?;
    add_overload!(env, fn is_quantity: (CelString<'_>) -> CelBool)?;
    add_overload!(env, fn sign: (Quantity) -> CelInt)?;
    add_member_overload!(env, fn is_integer: (Quantity) -> CelBool)?;
    add_member_overload!(env, fn as_integer: (Quantity) -> Result<CelInt>)?;
    add_member_overload!(env, fn as_approximate_float: (Quantity) -> CelDouble)?;
    add_member_overload!(env, fn compare_to: (Quantity, Quantity) -> CelInt)?;
    add_member_overload!(env, fn is_less_than: (Quantity, Quantity) -> CelBool)?;
    add_member_overload!(env, fn is_greater_than: (Quantity, Quantity) -> CelBool)?;
    add_member_overload!(env, fn add: (Quantity, Quantity) -> Result<Quantity>)?;
    add_member_overload!(env, fn add_int: (Quantity, CelInt) -> Result<Quantity>, name = "add")?;
    add_member_overload!(env, fn sub: (Quantity, Quantity) -> Result<Quantity>)?;
    add_member_overload!(env, fn sub_int: (Quantity, CelInt) -> Result<Quantity>, name = "sub")
}

/// The least power of ten: what is finer is rounded away from zero.
const NANO: i32 = -9;
/// Digits that surely fit an i64.
const SURE_DIGITS: usize = 18;
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

/// `unscaled` times ten to the `exponent`.
#[derive(Clone, Debug)]
pub(super) struct Quantity {
    unscaled: i128,
    exponent: i32,
    /// Whether Go keeps it in an int64: it is an integer then if its power of ten is not negative.
    is_small: bool,
    nanos: i128,
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

opaque!(Quantity, "kubernetes.Quantity");

impl Quantity {
    fn new(unscaled: i128, exponent: i32, is_small: bool) -> Option<Self> {
        let power = u32::try_from(exponent.checked_sub(NANO)?).ok()?;
        let nanos = if unscaled == 0 { 0 } else { unscaled.checked_mul(10_i128.checked_pow(power)?)? };
        Some(Self { unscaled, exponent, is_small, nanos })
    }

    fn parse(text: &str) -> Option<Self> {
        let (is_negative, unsigned) = match text.strip_prefix(['+', '-']) {
            Some(rest) => (text.starts_with('-'), rest),
            None => (false, text),
        };
        let (whole, rest) = digits(unsigned);
        let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), digits);
        // A suffix alone is so much of nothing.
        if text.is_empty() {
            return None;
        }
        let trimmed = whole.trim_start_matches('0');
        let count = trimmed.len().max(1) + fraction.len();
        let (exponent, doublings) = suffix_of(suffix)?;
        // What Go reads into an int64: enough room for all digits, and no binary fraction.
        let has_room = if doublings > 0 {
            let room = 15 - i64::try_from(trimmed.len().max(1)).ok()? - i64::from(doublings * 3 / 10) - 1;
            fraction.is_empty() && room >= 0
        } else {
            count <= SURE_DIGITS
        };
        let scale = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        let digits = trimmed.bytes().chain(fraction.bytes());
        let sign = |value: i128| if is_negative { -value } else { value };
        if has_room && scale >= NANO {
            let value = number(digits)?.checked_mul(1 << doublings)?;
            if i64::try_from(value).is_ok() {
                return Self::new(sign(value), scale, true);
            }
            return Self::new(sign(value), scale, false);
        }
        if digits.clone().all(|digit| digit == b'0') {
            return Self::new(0, 0, false);
        }
        Self::new(sign(nanos_of(digits, scale, doublings)?), NANO, false)
    }

    fn as_integer(&self) -> Option<i64> {
        let power = u32::try_from(self.exponent).ok().filter(|_| self.is_small)?;
        i64::try_from(self.unscaled.checked_mul(10_i128.checked_pow(power)?)?).ok()
    }

    fn sum(&self, other: &Self) -> Option<Self> {
        if self.is_small && other.is_small {
            if other.unscaled == 0 {
                return Some(self.clone());
            }
            if self.unscaled == 0 {
                return Some(other.clone());
            }
        }
        let exponent = self.exponent.min(other.exponent);
        let (one, two) = (self.at(exponent)?, other.at(exponent)?);
        let sum = one.checked_add(two)?;
        let fits = [one, two, sum].into_iter().all(|part| i64::try_from(part).is_ok());
        Self::new(sum, exponent, self.is_small && other.is_small && fits)
    }

    /// The digits at a lower power of ten.
    fn at(&self, exponent: i32) -> Option<i128> {
        self.unscaled.checked_mul(10_i128.checked_pow(u32::try_from(self.exponent - exponent).ok()?)?)
    }

    fn negated(&self) -> Self {
        Self { unscaled: -self.unscaled, nanos: -self.nanos, ..self.clone() }
    }

    fn of_int(value: i64) -> Option<Self> {
        Self::new(value.into(), 0, true)
    }
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

fn number(digits: impl Iterator<Item = u8>) -> Option<i128> {
    digits.into_iter().try_fold(0_i128, |value, digit| {
        value.checked_mul(10)?.checked_add(i128::from(digit.checked_sub(b'0')?))
    })
}

/// A suffix as a power of ten and a power of two.
fn suffix_of(suffix: &str) -> Option<(i32, u32)> {
    if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((*power, 0));
    }
    if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Some((0, *power));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if unsigned.is_empty() || !digits(unsigned).1.is_empty() {
        return None;
    }
    // Beyond this range nothing can be held anyway.
    let size = unsigned.parse::<i32>().map_or(10_000, |size| size.min(10_000));
    Some((if exponent.starts_with('-') { -size } else { size }, 0))
}

/// The digits, of which the last stands for ten to the `scale`, doubled so many times, in billionths: rounded up, and
/// at most 2^63 - 1 where there are doublings.
fn nanos_of(digits: impl Iterator<Item = u8> + Clone, scale: i32, doublings: u32) -> Option<i128> {
    const MAX_BINARY: i128 = i64::MAX as i128 * 1_000_000_000;
    let (mut nanos, mut is_inexact) = (0_i128, false);
    let count = i64::try_from(digits.clone().count()).ok()?;
    for (at, digit) in digits.enumerate() {
        // The place of the digit, in powers of ten above a billionth.
        let place = i64::from(scale) - i64::from(NANO) + count - 1 - i64::try_from(at).ok()?;
        let digit = i128::from(digit.checked_sub(b'0')?) << doublings;
        if digit == 0 {
            continue;
        }
        match u32::try_from(place) {
            Ok(place) => {
                let part = 10_i128.checked_pow(place).and_then(|power| digit.checked_mul(power));
                match part.and_then(|part| nanos.checked_add(part)) {
                    Some(sum) => nanos = sum,
                    None if doublings > 0 => return Some(MAX_BINARY),
                    None => return None,
                }
            }
            Err(_) => {
                let below = u32::try_from(-place).ok().and_then(|below| 10_i128.checked_pow(below));
                let part = below.map_or(0, |below| digit / below);
                is_inexact |= below.is_none_or(|below| digit % below != 0);
                nanos = nanos.checked_add(part)?;
            }
        }
    }
    let nanos = nanos.checked_add(i128::from(is_inexact))?;
    Some(if doublings > 0 { nanos.min(MAX_BINARY) } else { nanos })
}

fn quantity(text: &CelString<'_>) -> Result<Quantity, ExecutionError> {
    Quantity::parse(text.inner()).ok_or_else(|| error("quantity", "not a quantity, or beyond 10^29"))
}

fn is_quantity(text: &CelString<'_>) -> CelBool {
    Quantity::parse(text.inner()).is_some().into()
}

fn sign(of: &Quantity) -> CelInt {
    i64::try_from(of.unscaled.signum()).unwrap_or(0).into()
}

fn is_integer(of: &Quantity) -> CelBool {
    of.as_integer().is_some().into()
}

fn as_integer(of: &Quantity) -> Result<CelInt, ExecutionError> {
    of.as_integer().map(CelInt::from).ok_or_else(|| error("asInteger", "cannot convert value to integer"))
}

fn as_approximate_float(of: &Quantity) -> CelDouble {
    let power: f64 = format!("1e{}", of.exponent).parse().unwrap_or(f64::NAN);
    (of.unscaled as f64 * power).into()
}

fn order(one: &Quantity, other: &Quantity) -> Ordering {
    one.nanos.cmp(&other.nanos)
}

fn compare_to(one: &Quantity, other: &Quantity) -> CelInt {
    (order(one, other) as i64).into()
}

fn is_less_than(one: &Quantity, other: &Quantity) -> CelBool {
    order(one, other).is_lt().into()
}

fn is_greater_than(one: &Quantity, other: &Quantity) -> CelBool {
    order(one, other).is_gt().into()
}

fn sum(function: &str, one: &Quantity, other: Option<&Quantity>) -> Result<Quantity, ExecutionError> {
    other.and_then(|other| one.sum(other)).ok_or_else(|| error(function, "beyond 10^29"))
}

fn add(one: &Quantity, other: &Quantity) -> Result<Quantity, ExecutionError> {
    sum("add", one, Some(other))
}

fn add_int(one: &Quantity, other: &CelInt) -> Result<Quantity, ExecutionError> {
    sum("add", one, Quantity::of_int(*other.inner()).as_ref())
}

fn sub(one: &Quantity, other: &Quantity) -> Result<Quantity, ExecutionError> {
    sum("sub", one, Some(&other.negated()))
}

fn sub_int(one: &Quantity, other: &CelInt) -> Result<Quantity, ExecutionError> {
    sum("sub", one, Quantity::of_int(*other.inner()).map(|other| other.negated()).as_ref())
}
