//! Amounts of CPU, memory and the like.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const NANOS: i128 = 1_000_000_000;
/// 2^63 - 1: what a Kubernetes quantity holds at most.
const MAX_UNITS: i128 = i64::MAX as i128;
const MAX_NANOS: i128 = MAX_UNITS * NANOS;

/// Decimal suffixes with their powers of ten, from the smallest.
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
/// Binary suffixes with their powers of two, from the smallest.
const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

/// An amount of a resource, exact: a Kubernetes resource.Quantity such as `500m`, `1.5Gi` or `1e3`.
///
/// Two quantities are equal when their values are, however they were written: `1`, `1000m` and `1e0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity {
    nanos: i128,
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self { nanos: 0 };

    /// A quantity of so many billionths, or none if that is beyond what Kubernetes holds (2^63 - 1 units).
    #[must_use]
    pub const fn from_nanos(nanos: i128) -> Option<Self> {
        if nanos > MAX_NANOS || nanos < -MAX_NANOS { None } else { Some(Self { nanos }) }
    }

    /// The quantity in billionths.
    #[must_use]
    pub const fn as_nanos(self) -> i128 {
        self.nanos
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// Whether it is less than nothing.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.nanos < 0
    }
}

/// Why a text is not a [`Quantity`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// It does not start with a number.
    #[error("{found:?} is not a quantity: write a number and, if wanted, a suffix, such as 2, 500m or 1.5Gi")]
    Number {
        /// The text.
        found: String,
    },
    /// What follows its number is no suffix.
    #[error(
        "{found:?} is not a quantity: {suffix:?} is none of the suffixes n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei and no exponent such as e3"
    )]
    Suffix {
        /// The text.
        found: String,
        /// What follows the number.
        suffix: String,
    },
    /// It is beyond 2^63 - 1 units.
    #[error("{found:?} is too large a quantity: at most 2^63 - 1 can be written")]
    OutOfRange {
        /// The text.
        found: String,
    },
}

impl FromStr for Quantity {
    type Err = QuantityError;

    /// Reads a quantity as the API server does. What is finer than a billionth is rounded away from zero.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = || text.to_owned();
        let (negative, unsigned) = match text.strip_prefix(['+', '-']) {
            Some(rest) => (text.starts_with('-'), rest),
            None => (false, text),
        };
        let (whole, rest) = digits(unsigned);
        let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), digits);
        if whole.is_empty() && fraction.is_empty() {
            return Err(QuantityError::Number { found: found() });
        }
        let Some(scale) = Scale::of(suffix) else {
            return Err(QuantityError::Suffix { found: found(), suffix: suffix.to_owned() });
        };
        let nanos =
            scale.apply(whole, fraction).ok_or_else(|| QuantityError::OutOfRange { found: found() })?;
        Ok(Self { nanos: if negative { -nanos } else { nanos } })
    }
}

/// The digits at the start of `text`, and what follows them.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// What a suffix multiplies a number with.
#[derive(Clone, Copy)]
enum Scale {
    /// A power of ten.
    Ten(i32),
    /// A power of two.
    Two(u32),
}

impl Scale {
    fn of(suffix: &str) -> Option<Self> {
        if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
            return Some(Self::Ten(*power));
        }
        if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == suffix) {
            return Some(Self::Two(*power));
        }
        let exponent = suffix.strip_prefix(['e', 'E'])?;
        let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if unsigned.is_empty() || !digits(unsigned).1.is_empty() {
            return None;
        }
        // An exponent beyond this range is as good as one at its end.
        let size = unsigned.parse::<i32>().map_or(10_000, |n| n.min(10_000));
        Some(Self::Ten(if exponent.starts_with('-') { -size } else { size }))
    }

    /// `whole.fraction` times the scale in billionths, rounded up; none if it is out of range.
    fn apply(self, whole: &str, fraction: &str) -> Option<i128> {
        let digits = || whole.bytes().chain(fraction.bytes()).map(|byte| i128::from(byte - b'0'));
        let (power, unit) = match self {
            Self::Ten(power) => (power, NANOS),
            Self::Two(power) => (0, NANOS << power),
        };
        // Where the point stands among the digits, once the power of ten has moved it.
        let point = i64::try_from(whole.len()).ok()? + i64::from(power);
        if digits().all(|digit| digit == 0) {
            return Some(0);
        }
        let before = usize::try_from(point).unwrap_or(0);
        let mut units = 0i128;
        for digit in digits().chain(std::iter::repeat(0)).take(before) {
            units = units * 10 + digit;
            if units > MAX_UNITS {
                return None;
            }
        }
        // Long division from the last digit: exact whatever the number of digits.
        let mut nanos = 0i128;
        let mut inexact = false;
        let zeros = usize::try_from(-point).unwrap_or(0);
        let after: Vec<i128> = std::iter::repeat_n(0, zeros).chain(digits().skip(before)).collect();
        for digit in after.into_iter().rev() {
            let sum = digit * unit + nanos;
            inexact |= sum % 10 != 0;
            nanos = sum / 10;
        }
        let nanos = units * unit + nanos + i128::from(inexact);
        (nanos <= MAX_NANOS).then_some(nanos)
    }
}

impl fmt::Display for Quantity {
    /// The shortest text with the quantity's value: a whole number with a decimal or a binary suffix.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        let decimal = DECIMAL.iter().rev().filter_map(|(suffix, power)| {
            let unit = 10i128.pow(u32::try_from(power + 9).ok()?);
            (self.nanos % unit == 0).then(|| format!("{}{suffix}", self.nanos / unit))
        });
        let binary = BINARY.iter().rev().filter_map(|(suffix, power)| {
            let unit = NANOS << power;
            (self.nanos % unit == 0).then(|| format!("{}{suffix}", self.nanos / unit))
        });
        // The first of the shortest: decimal before binary, and the larger suffix before the smaller.
        f.write_str(&decimal.chain(binary).min_by_key(String::len).unwrap_or_default())
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    /// Reads a string, an integer or a floating-point number, as the API server does.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Amount;

        impl de::Visitor<'_> for Amount {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity: a number, or a text such as 500m or 1.5Gi")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Quantity, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Quantity, E> {
                self.visit_str(&number.to_string())
            }
        }

        deserializer.deserialize_any(Amount)
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::Quantity").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // The API server wants exactly this form of x-kubernetes-int-or-string, without a type beside it.
        json_schema!({
            "description": "An amount of a resource: a number and, if wanted, a suffix, such as 2, 500m or 1.5Gi.",
            "x-kubernetes-int-or-string": true,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": 64,
            "pattern": r"^[+-]?([0-9]+|[0-9]+\.[0-9]*|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn nanos(text: &str) -> i128 {
        text.parse::<Quantity>().unwrap().nanos
    }

    #[test]
    fn a_quantity_is_read_exactly() {
        for (text, want) in [
            ("0", 0),
            ("2", 2 * NANOS),
            ("+2", 2 * NANOS),
            ("-2", -2 * NANOS),
            ("2.", 2 * NANOS),
            (".5", NANOS / 2),
            ("-.5", -NANOS / 2),
            ("500m", NANOS / 2),
            ("1u", 1_000),
            ("1n", 1),
            ("1k", 1_000 * NANOS),
            ("1E", 1_000_000_000_000_000_000 * NANOS),
            ("1Ki", 1_024 * NANOS),
            ("1.5Gi", 1_610_612_736 * NANOS),
            ("0.1Ki", 102_400_000_000),
            ("1e3", 1_000 * NANOS),
            ("1E3", 1_000 * NANOS),
            ("1e+3", 1_000 * NANOS),
            ("1.5e-3", 1_500_000),
            ("12e-1", 1_200_000_000),
            ("0e99999999999", 0),
            ("0001", NANOS),
            ("9223372036854775807", MAX_NANOS),
            ("-9223372036854775807", -MAX_NANOS),
            ("0.00000000100000000000000000000000000000000000000000000000000000000", 1),
        ] {
            assert_eq!(nanos(text), want, "{text}");
        }
    }

    #[test]
    fn what_is_finer_than_a_billionth_is_rounded_away_from_zero() {
        for (text, want) in [
            ("0.1n", 1),
            ("1.1n", 2),
            ("-0.1n", -1),
            ("1e-10", 1),
            ("1e-99999999999", 1),
            ("0.0000000010000000000000000000000000000000000000000000000000000001", 2),
            ("0.0000000001Ki", 103),
        ] {
            assert_eq!(nanos(text), want, "{text}");
        }
    }

    #[test]
    fn what_the_api_server_does_not_read_is_refused() {
        for text in ["", "-", ".", "m", "--1", "+-1", " 1", "Gi", "e3", "-.", "١"] {
            assert_eq!(text.parse::<Quantity>(), Err(QuantityError::Number { found: text.into() }));
        }
        for (text, suffix) in [
            ("1 ", " "),
            ("1K", "K"),
            ("1ki", "ki"),
            ("1GB", "GB"),
            ("1e", "e"),
            ("1e+", "e+"),
            ("1e1.5", "e1.5"),
            ("1.2.3", ".3"),
            ("1mi", "mi"),
            ("1µ", "µ"),
            ("1,5", ",5"),
        ] {
            assert_eq!(
                text.parse::<Quantity>(),
                Err(QuantityError::Suffix { found: text.into(), suffix: suffix.into() })
            );
        }
        for text in
            ["9223372036854775808", "9223372036854775807.1", "10E", "8Ei", "1e19", "-10E", "1e99999999999"]
        {
            assert_eq!(text.parse::<Quantity>(), Err(QuantityError::OutOfRange { found: text.into() }));
        }
    }

    #[test]
    fn a_quantity_is_shown_as_shortly_as_its_value_allows() {
        for (text, shown) in [
            ("0m", "0"),
            ("0.5", "500m"),
            ("1000m", "1"),
            ("1.5Gi", "1536Mi"),
            ("1073741824", "1Gi"),
            ("1T", "1T"),
            ("1500", "1500"),
            ("2000", "2k"),
            ("-0.25", "-250m"),
            ("1n", "1n"),
        ] {
            assert_eq!(text.parse::<Quantity>().unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn numbers_are_quantities_in_json() {
        for (json, want) in [("2", "2"), ("-1", "-1"), ("1.5", "1500m"), ("1e3", "1k"), ("\"250m\"", "250m")]
        {
            assert_eq!(serde_json::from_str::<Quantity>(json).unwrap().to_string(), want, "{json}");
        }
        for json in ["true", "null", "[]", "\"\"", "1e30"] {
            assert!(serde_json::from_str::<Quantity>(json).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn the_order_of_quantities_is_the_order_of_their_values(a in -10_000i128..10_000, b in -10_000i128..10_000) {
            let (x, y): (Quantity, Quantity) = (format!("{a}m").parse().unwrap(), format!("{b}e-3").parse().unwrap());
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        }

        #[test]
        fn what_is_shown_reads_as_the_same_quantity(nanos in -MAX_NANOS..=MAX_NANOS) {
            let quantity = Quantity::from_nanos(nanos).unwrap();
            prop_assert_eq!(quantity.to_string().parse(), Ok(quantity));
        }

        #[test]
        fn no_text_panics(text in "[-+]?[0-9.]{0,60}[a-zA-Z0-9+-]{0,12}") {
            let _ = text.parse::<Quantity>();
        }
    }
}
