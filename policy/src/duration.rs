//! Lengths of time, as policies write them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The units from the longest to the shortest, with their milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A length of time in whole milliseconds, never negative.
///
/// Written as in Go and in the Gateway API (GEP-2257), whole numbers with units one after the other, and with `d`
/// for days of 24 hours: `250ms`, `90s`, `1h30m`, `365d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(u64);

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A duration of so many milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// A duration of so many seconds; the longest duration there is, when they are too many.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    /// The duration in milliseconds.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The duration in whole seconds, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000
    }

    /// Whether it is no time at all.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl From<Duration> for std::time::Duration {
    fn from(duration: Duration) -> Self {
        Self::from_millis(duration.0)
    }
}

/// Why a text is not a [`Duration`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It is not a row of whole numbers, each with a unit.
    #[error("{found:?} is not a duration: write a number and a unit (ms, s, m, h, d), such as 90s or 1h30m")]
    Malformed {
        /// The text.
        found: String,
    },
    /// It is longer than 2^64 - 1 milliseconds.
    #[error("{found:?} is too long a duration: at most 584 million years can be written")]
    TooLong {
        /// The text.
        found: String,
    },
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || DurationError::Malformed { found: text.to_owned() };
        let too_long = || DurationError::TooLong { found: text.to_owned() };
        let mut rest = text;
        let mut millis = 0u64;
        loop {
            let (number, tail) = rest.split_at(span(rest, |c| c.is_ascii_digit()));
            let (unit, tail) = tail.split_at(span(tail, |c| !c.is_ascii_digit()));
            let unit = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(malformed)?.1;
            if number.is_empty() {
                return Err(malformed());
            }
            // Only digits stand here, so all that can be wrong is their number.
            let number: u64 = number.parse().map_err(|_| too_long())?;
            millis = number.checked_mul(unit).and_then(|n| n.checked_add(millis)).ok_or_else(too_long)?;
            if tail.is_empty() {
                return Ok(Self(millis));
            }
            rest = tail;
        }
    }
}

/// How many bytes at the start of `text` are of the wanted kind.
fn span(text: &str, wanted: impl Fn(char) -> bool) -> usize {
    text.find(|c| !wanted(c)).unwrap_or(text.len())
}

impl fmt::Display for Duration {
    /// Each unit at most once, from the longest, without zeros: `1h30m`; no time at all is `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (unit, millis) in UNITS {
            if rest >= millis {
                write!(f, "{}{unit}", rest / millis)?;
                rest %= millis;
            }
        }
        Ok(())
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl de::Visitor<'_> for Text {
            type Value = Duration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration: a text of numbers and units (ms, s, m, h, d), such as 90s or 1h30m")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Duration, E> {
                Err(without_unit(number))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Duration, E> {
                Err(without_unit(number))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Duration, E> {
                Err(without_unit(number))
            }
        }

        fn without_unit<E: de::Error>(number: impl fmt::Display) -> E {
            E::custom(DurationError::Malformed { found: number.to_string() })
        }

        deserializer.deserialize_any(Text)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn schema_id() -> Cow<'static, str> {
        concat!(module_path!(), "::Duration").into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A length of time: whole numbers with units (ms, s, m, h, d), such as 250ms, 90s, 1h30m or 365d.",
            "maxLength": 64,
            "pattern": "^([0-9]+(ms|s|m|h|d))+$",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_with_units_add_up() {
        for (text, millis) in [
            ("250ms", 250),
            ("90s", 90_000),
            ("1m30s", 90_000),
            ("1h30m", 5_400_000),
            ("72h", 259_200_000),
            ("365d", 31_536_000_000),
            ("30s1m", 90_000),
            ("0s", 0),
            ("007s", 7_000),
            ("18446744073709551615ms", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(Duration(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_was_found_and_what_is_expected() {
        for text in
            ["", "5", "5 min", "5min", "m", "-5s", "+5s", "1.5h", "1h 30m", "5S", "5µs", " 5s", "5s ", "1h30"]
        {
            assert_eq!(
                text.parse::<Duration>().unwrap_err().to_string(),
                format!(
                    "{text:?} is not a duration: write a number and a unit (ms, s, m, h, d), such as 90s or 1h30m"
                )
            );
        }
        for text in ["18446744073709551616ms", "18446744073709551615s", "18446744073709551615ms1ms"] {
            assert_eq!(text.parse::<Duration>(), Err(DurationError::TooLong { found: text.into() }));
        }
    }

    #[test]
    fn a_duration_is_shown_from_its_longest_unit_without_zeros() {
        for (text, shown) in
            [("0h", "0s"), ("90s", "1m30s"), ("72h", "3d"), ("86400s", "1d"), ("3600001ms", "1h1ms")]
        {
            assert_eq!(text.parse::<Duration>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_number_is_told_to_carry_a_unit() {
        for (json, found) in [("90", "90"), ("-1", "-1"), ("1.5", "1.5"), ("\"90\"", "90")] {
            let error = serde_json::from_str::<Duration>(json).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{found:?} is not a duration: write a number and a unit")),
                "{error}"
            );
        }
        let error = serde_json::from_str::<Duration>("[]").unwrap_err().to_string();
        assert!(error.contains("expected a duration: a text of numbers and units"), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_to_the_same_duration(millis: u64) {
            let duration = Duration(millis);
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
            let json = serde_json::to_string(&duration).unwrap();
            prop_assert_eq!(serde_json::from_str::<Duration>(&json).unwrap(), duration);
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<Duration>();
        }
    }
}
