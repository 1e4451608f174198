//! What an unquoted scalar means, as Kubernetes reads it.
//!
//! kubectl and the API server read YAML through `sigs.k8s.io/yaml`, which resolves scalars by YAML 1.1 with Go's
//! reading of numbers. We follow it, because a file must mean here what it means there:
//! - `y`, `yes`, `on`, `n`, `no`, `off` are booleans, in three spellings each (`yes`, `Yes`, `YES`);
//! - `0644` and `0o644` are octal, `0x1A4` hexadecimal, `0b11` binary; `_` between digits is ignored;
//! - integers beyond 64 bits become floating-point numbers, and `1e3` and `5.0` the integers 1000 and 5, since Go
//!   writes them so in JSON;
//! - timestamps stay strings; base-60 numbers do too;
//! - `.inf` and `.nan` are numbers that JSON cannot hold, so they are refused.

use serde_json::{Number, Value};

/// Beyond this a whole number is no longer an integer of 64 bits: 2^63.
const WHOLE: f64 = 9_223_372_036_854_775_808.0;

/// A number that JSON cannot hold: `.inf`, `.nan`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotFinite;

/// The meaning of an unquoted scalar without a tag.
///
/// # Errors
/// When it is `.inf` or `.nan`.
pub(super) fn plain(text: &str) -> Result<Value, NotFinite> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        ".nan" | ".NaN" | ".NAN" => return Err(NotFinite),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF" => {
            return Err(NotFinite);
        }
        _ => match number(text) {
            Some(number) => Value::Number(number),
            None => Value::String(text.to_owned()),
        },
    })
}

/// The number that a scalar is; `None` when it is none.
fn number(text: &str) -> Option<Number> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return None;
    }
    let digits = text.replace('_', "");
    if let Some(integer) = integer(&digits) {
        return Some(integer);
    }
    if !is_float(&digits) {
        return None;
    }
    // Go fails to read `08` as octal and then reads it as a float, which its JSON writes as 8.
    if let Ok(decimal) = digits.parse::<i64>() {
        return Some(decimal.into());
    }
    // Go takes an underscore only between digits here. A number that is too large stays a string.
    if text.starts_with("._") {
        return None;
    }
    let float: f64 = digits.parse().ok()?;
    if float.fract() == 0.0 && float.abs() < WHOLE {
        return Some((float as i64).into());
    }
    Number::from_f64(float)
}

/// An integer of at most 64 bits, with Go's prefixes: `0x`, `0o`, `0b`, and `0` for octal.
fn integer(text: &str) -> Option<Number> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, unsigned.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, unsigned.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, unsigned.get(2..)?),
        [b'0', _, ..] => (8, unsigned.get(1..)?),
        _ => (10, unsigned),
    };
    // `from_str_radix` would take a second sign.
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative { 0_i64.checked_sub_unsigned(magnitude).map(Number::from) } else { Some(magnitude.into()) }
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    let exponent_is_well_formed = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    !(whole.is_empty() && fraction.is_empty())
        && all_digits(whole)
        && all_digits(fraction)
        && exponent_is_well_formed
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_scalar_means_what_kubernetes_reads() {
        for (text, want) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("yes", json!(true)),
            ("On", json!(true)),
            ("n", json!(false)),
            ("oN", json!("oN")),
            ("0", json!(0)),
            ("-0", json!(0)),
            ("0644", json!(420)),
            ("-0644", json!(-420)),
            ("0o644", json!(420)),
            ("0x1A", json!(26)),
            ("0b11", json!(3)),
            ("1_000", json!(1000)),
            ("+5", json!(5)),
            ("+-5", json!("+-5")),
            ("0x-5", json!("0x-5")),
            ("08", json!(8)),
            ("-0899", json!(-899)),
            ("1e3", json!(1000)),
            (".5", json!(0.5)),
            ("5.", json!(5)),
            ("-0.0", json!(0)),
            ("._5", json!("._5")),
            (".", json!(".")),
            ("1.2.3", json!("1.2.3")),
            ("1e", json!("1e")),
            ("1e999", json!("1e999")),
            ("-", json!("-")),
            ("18446744073709551615", json!(u64::MAX)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("18446744073709551616", json!(18_446_744_073_709_551_616.0_f64)),
            ("2001-12-14", json!("2001-12-14")),
            ("1:30", json!("1:30")),
            ("500m", json!("500m")),
            ("v1", json!("v1")),
        ] {
            assert_eq!(plain(text), Ok(want), "{text}");
        }
        assert_eq!(plain("-.inf"), Err(NotFinite));
        assert_eq!(plain(".NaN"), Err(NotFinite));
    }
}
