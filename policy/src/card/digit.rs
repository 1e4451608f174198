//! Decimal digits, of every script and every shape.

/// The zeros of all scripts: each begins a row of ten decimal digits (Unicode general category Nd).
const ZEROS: [u32; 77] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50,
    0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40,
    0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x10d40,
    0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0, 0x116da,
    0x11730, 0x118e0, 0x11950, 0x11bf0, 0x11c50, 0x11d50, 0x11da0, 0x11de0, 0x11f50, 0x16130, 0x16a60,
    0x16ac0, 0x16b50, 0x16d70, 0x1ccf0, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0,
    0x1e4f0, 0x1e5f1, 0x1e950, 0x1fbf0,
];

/// Rows of digits that are shapes of others, such as superscripts and digits in circles (Unicode Numeric_Type=Digit):
/// the first, its value, how many.
const SHAPES: [(u32, u8, u32); 18] = [
    (0xb2, 2, 2),
    (0xb9, 1, 1),
    (0x1369, 1, 9),
    (0x19da, 1, 1),
    (0x2070, 0, 1),
    (0x2074, 4, 6),
    (0x2080, 0, 10),
    (0x2460, 1, 9),
    (0x2474, 1, 9),
    (0x2488, 1, 9),
    (0x24ea, 0, 1),
    (0x24f5, 1, 9),
    (0x24ff, 0, 1),
    (0x2776, 1, 9),
    (0x2780, 1, 9),
    (0x278a, 1, 9),
    (0x1f100, 0, 1),
    (0x1f101, 0, 10),
];

/// The value of a digit.
pub(super) fn digit(c: char) -> Option<u8> {
    if c.is_ascii() {
        return c.to_digit(10).and_then(|value| u8::try_from(value).ok());
    }
    let c = u32::from(c);
    let of_script = || {
        let zero = ZEROS.partition_point(|zero| *zero <= c).checked_sub(1).and_then(|at| ZEROS.get(at))?;
        u8::try_from(c - zero).ok().filter(|value| *value < 10)
    };
    let of_shape = || {
        let (first, value, _) =
            SHAPES.iter().find(|(first, _, count)| c.checked_sub(*first).is_some_and(|at| at < *count))?;
        u8::try_from(c - first).ok().map(|at| value + at)
    };
    of_script().or_else(of_shape)
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    #[test]
    fn every_decimal_digit_of_unicode_has_a_value() {
        let decimal = Regex::new(r"^\p{Nd}$").unwrap();
        let mut text = [0; 4];
        for c in ('\0'..=char::MAX).filter(|c| c.is_numeric()) {
            if decimal.is_match(c.encode_utf8(&mut text)) {
                assert!(digit(c).is_some(), "{:#x}", u32::from(c));
            }
        }
    }

    #[test]
    fn a_digit_has_its_value_and_what_is_none_has_none() {
        for digits in [
            "0123456789",
            "٠١٢٣٤٥٦٧٨٩",
            "๐๑๒๓๔๕๖๗๘๙",
            "０１２３４５６７８９",
            "⁰¹²³⁴⁵⁶⁷⁸⁹",
            "₀₁₂₃₄₅₆₇₈₉",
            "⓪①②③④⑤⑥⑦⑧⑨",
        ] {
            assert_eq!(digits.chars().filter_map(digit).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        }
        assert_eq!("a½⑩一Ⅳ\u{65f}:/".chars().filter_map(digit).count(), 0);
    }
}
