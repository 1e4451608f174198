//! Amounts as the API server writes them.

use std::fmt;

use sallyport_policy::Quantity;
use serde_json::Value;

use crate::object::Fields;

const NANOS: i128 = 1_000_000_000;
const NANOS_OF_MILLI: i128 = 1_000_000;

/// An amount with the notation that it keeps (k8s.io/apimachinery pkg/api/resource).
#[derive(Clone, Debug)]
pub(super) struct CanonicalQuantity {
    value: Quantity,
    notation: Notation,
    /// The text that it came from, where the API server takes that for canonical.
    written: Option<String>,
}

/// What follows the number of an amount.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Notation {
    /// `m`, `k`, `M`.
    Decimal,
    /// `Ki`, `Mi`.
    Binary,
    /// `e3`.
    Exponent,
}

/// Writes the amount in field `name` in its canonical form.
pub(super) fn write(fields: &mut Fields, name: &str) {
    if let Some(amount) = fields.get_mut(name)
        && let Some(quantity) = CanonicalQuantity::read(amount)
    {
        *amount = quantity.to_string().into();
    }
}

impl CanonicalQuantity {
    /// Reads a text or a number; `None` where it is no amount.
    pub(super) fn read(amount: &Value) -> Option<Self> {
        let text = match amount {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let value = text.parse().ok()?;
        let number = text.trim_start_matches(['+', '-']);
        let suffix = number.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let notation = match suffix.as_bytes() {
            [.., b'i'] => Notation::Binary,
            [b'e' | b'E', _, ..] => Notation::Exponent,
            _ => Notation::Decimal,
        };
        let written = is_taken_as_written(number, suffix, notation).then(|| text.clone());
        Some(Self { value, notation, written })
    }

    pub(super) fn value(&self) -> Quantity {
        self.value
    }

    /// Rounds up, away from zero, to whole thousandths.
    pub(super) fn round_up_to_milli(&mut self) {
        let nanos = self.value.as_nanos();
        let rest = nanos % NANOS_OF_MILLI;
        if rest != 0
            && let Some(value) = Quantity::from_nanos(nanos - rest + NANOS_OF_MILLI * rest.signum())
        {
            self.value = value;
            self.written = None;
        }
    }

    /// Adds `other` to it; past the largest amount it stays there.
    pub(super) fn add(&mut self, other: &Self) {
        if self.value.is_zero() {
            self.notation = other.notation;
        }
        if let Some(sum) = Quantity::from_nanos(self.value.as_nanos() + other.value.as_nanos()) {
            self.value = sum;
        }
        self.written = None;
    }
}

/// Whether ParseQuantity keeps a text rather than writing it anew: it looks for forms that cannot be
/// shortened, and lets some pass that could be.
fn is_taken_as_written(number: &str, suffix: &str, notation: Notation) -> bool {
    let digits = number.strip_suffix(suffix).unwrap_or(number);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        significant => significant,
    };
    let length = whole.len() + fraction.len();
    if notation == Notation::Binary {
        let room = match suffix {
            "Ki" => 11,
            "Mi" => 8,
            "Gi" => 5,
            "Ti" => 2,
            _ => 0,
        };
        let odd = whole.parse::<i64>().is_ok_and(|number| number & 7 != 0);
        return fraction.is_empty() && length <= room && odd;
    }
    let power: i32 = match suffix {
        "n" => -9,
        "u" => -6,
        "m" => -3,
        "" => 0,
        "k" => 3,
        "M" => 6,
        "G" => 9,
        "T" => 12,
        "P" => 15,
        "E" => 18,
        exponent => match exponent.get(1..).and_then(|text| text.parse().ok()) {
            Some(power) => power,
            None => return false,
        },
    };
    let Ok(places) = i32::try_from(fraction.len()) else { return false };
    let Some(scale) = power.checked_sub(places) else { return false };
    let shifted = format!("{whole}{fraction}");
    length <= 18 && scale >= -9 && scale % 3 == 0 && !shifted.ends_with("000") && !shifted.starts_with('0')
}

impl fmt::Display for CanonicalQuantity {
    /// The amount as MarshalJSON writes it: a whole number with the largest suffix of its notation
    /// (CanonicalizeBytes).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(written) = &self.written {
            return f.write_str(written);
        }
        let nanos = self.value.as_nanos();
        if nanos == 0 {
            return f.write_str("0");
        }
        if self.notation == Notation::Binary && nanos % NANOS == 0 && nanos.abs() >= 1024 * NANOS {
            let suffixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
            let (number, suffix) = shorten(nanos / NANOS, 1024, &suffixes);
            return write!(f, "{number}{suffix}");
        }
        let suffixes = if self.notation == Notation::Exponent {
            ["e-9", "e-6", "e-3", "", "e3", "e6", "e9", "e12", "e15", "e18"]
        } else {
            ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"]
        };
        let (number, suffix) = shorten(nanos, 1000, &suffixes);
        write!(f, "{number}{suffix}")
    }
}

/// Takes `base` out of a number as often as it goes and there are suffixes.
fn shorten<'s>(mut number: i128, base: i128, suffixes: &[&'s str]) -> (i128, &'s str) {
    let mut suffixes = suffixes.iter().copied();
    let mut suffix = suffixes.next().unwrap_or_default();
    while number % base == 0
        && let Some(larger) = suffixes.next()
    {
        number /= base;
        suffix = larger;
    }
    (number, suffix)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_amount_is_written_as_the_api_server_writes_it() {
        for (amount, want) in [
            (json!("500m"), "500m"),
            (json!("0.5"), "500m"),
            (json!(2), "2"),
            (json!(0.5), "500m"),
            (json!("1000m"), "1"),
            (json!("1000"), "1k"),
            (json!("1500"), "1500"),
            (json!("1.5"), "1500m"),
            (json!("1.500"), "1.500"),
            (json!("0"), "0"),
            (json!("0m"), "0"),
            (json!("0Mi"), "0"),
            (json!("1.5Gi"), "1536Mi"),
            (json!("0.5Gi"), "512Mi"),
            (json!("1024Mi"), "1Gi"),
            (json!("1001Mi"), "1001Mi"),
            (json!("0.5Ki"), "512"),
            (json!("0.1Mi"), "104857600m"),
            (json!("1e3"), "1e3"),
            (json!("1000e3"), "1e6"),
            (json!("1E"), "1E"),
            (json!("128974848"), "128974848"),
            (json!("100u"), "1m"),
            (json!("1.0001"), "1001m"),
            (json!(" 1 "), "1"),
        ] {
            let mut fields = Fields::from_iter([("list".to_owned(), json!({"it": amount}))]);
            super::super::resource_list::apply(&mut fields, "list");
            assert_eq!(fields["list"]["it"], want, "{amount}");
        }
    }

    #[test]
    fn what_is_no_amount_stays() {
        for amount in [json!("much"), json!(true), json!(null), json!({})] {
            let mut fields = Fields::from_iter([("it".to_owned(), amount.clone())]);
            write(&mut fields, "it");
            assert_eq!(fields["it"], amount);
        }
    }
}
