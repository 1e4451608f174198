//! Dates in tokens (RFC 7519 §2): seconds since 1970-01-01T00:00:00Z as a JSON number, which may have a fraction and an
//! exponent.

/// A date in a token, to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NumericDate(i128);

/// Dates have no more digits than this, down to the nanosecond: 10^27 seconds either way, which is beyond any clock.
const MAX_DIGITS: i64 = 36;

impl NumericDate {
    /// Nanoseconds since 1970-01-01T00:00:00Z, without leap seconds. Far fewer than [`i128`] holds, so that clock skew
    /// can be added.
    #[must_use]
    pub const fn nanoseconds(self) -> i128 {
        self.0
    }

    /// Reads a JSON number exactly; what is finer than nanoseconds is cut off.
    pub(super) fn read(number: &str) -> Option<Self> {
        let (negative, number) = number.strip_prefix('-').map_or((false, number), |number| (true, number));
        let (number, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let mut digits =
            whole.bytes().chain(fraction.bytes()).map(|digit| i128::from(digit.wrapping_sub(b'0')));
        // How many of the digits, or zeros behind them, are nanoseconds or more.
        let mut wanted = exponent_of(exponent).saturating_add(whole.len() as i64).saturating_add(9);
        let mut nanoseconds: i128 = 0;
        while wanted > 0 {
            let digit = digits.next();
            if digit.is_none() && nanoseconds == 0 {
                break;
            }
            if wanted > MAX_DIGITS && (nanoseconds > 0 || digit.unwrap_or(0) > 0) {
                return None;
            }
            nanoseconds = nanoseconds.checked_mul(10)?.checked_add(digit.unwrap_or(0))?;
            wanted -= 1;
        }
        Some(Self(if negative { -nanoseconds } else { nanoseconds }))
    }
}

/// The exponent of a JSON number; one beyond all use is the greatest or the least.
fn exponent_of(text: &str) -> i64 {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let size = digits.bytes().fold(0_i64, |size, digit| {
        size.saturating_mul(10).saturating_add(i64::from(digit.wrapping_sub(b'0')))
    });
    if negative { size.saturating_neg() } else { size }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::NumericDate;

    #[track_caller]
    fn check(number: &str, want: Option<i128>) {
        assert_eq!(NumericDate::read(number).map(NumericDate::nanoseconds), want, "{number}");
    }

    #[test]
    fn dates_are_read_exactly_however_they_are_written() {
        const SECOND: i128 = 1_000_000_000;
        check("0", Some(0));
        check("-0", Some(0));
        check("1700000000", Some(1_700_000_000 * SECOND));
        check("1.5e9", Some(1_500_000_000 * SECOND));
        check("1.5E+9", Some(1_500_000_000 * SECOND));
        check("15e8", Some(1_500_000_000 * SECOND));
        check("15000000000e-1", Some(1_500_000_000 * SECOND));
        check("1700000000.25", Some(1_700_000_000 * SECOND + SECOND / 4));
        check("0.0000000019", Some(1));
        check("0.00017e13", Some(1_700_000_000 * SECOND));
        check("-1.5", Some(-SECOND * 3 / 2));
        check("253402300799", Some(253_402_300_799 * SECOND));
        check("1e-400", Some(0));
        check("1e-99999999999999999999", Some(0));
        check("0e99999999999999999999", Some(0));
        check("0.0e400", Some(0));
        check("1e26", Some(10_i128.pow(35)));
        check("1e27", None);
        check("-1e27", None);
        check("1e400", None);
        check("0.001e30", None);
        check("1e99999999999999999999", None);
        check("9999999999999999999999999999999999999999", None);
    }

    proptest! {
        #[test]
        fn shifting_the_point_against_the_exponent_changes_nothing(number in 0..=u64::MAX, shift in 0..12_i32) {
            let plain = NumericDate::read(&number.to_string());
            prop_assert_eq!(plain.map(NumericDate::nanoseconds), Some(i128::from(number) * 1_000_000_000));
            let zeros = "0".repeat(usize::try_from(shift).unwrap());
            prop_assert_eq!(NumericDate::read(&format!("{number}{zeros}e-{shift}")), plain);
            prop_assert_eq!(NumericDate::read(&format!("{number}.{zeros}")), plain);
            let text = number.to_string();
            let (whole, fraction) = text.split_at(text.len() / 2);
            let point = format!("{}.{fraction}e{}", if whole.is_empty() { "0" } else { whole }, fraction.len());
            prop_assert_eq!(NumericDate::read(&point), plain);
        }
    }
}
