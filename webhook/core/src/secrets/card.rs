//! The numbers of payment cards (ISO/IEC 7812-1).

use std::ops::{Range, RangeInclusive};

/// The digits of a card number: at most 19; the shortest that are in use have 13.
const DIGITS: RangeInclusive<usize> = 13..=19;
/// What may stand between two digits of a card number, in characters and escapes.
const GAP: usize = 8;

/// What a text is made of, as far as card numbers go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Digit(u8),
    /// What people, spreadsheets and copied text have between groups of digits, or an escape of it.
    Gap(char),
    /// What parts two numbers, and in some texts the groups of one.
    Mark,
    Other(char),
}

/// The units of a text, each with its place; with `escapes`, what they stand for.
fn units(text: &str, escapes: bool) -> impl Iterator<Item = (Range<usize>, Unit)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let first = rest.chars().next()?;
        let escaped = match first {
            '\\' | '%' if escapes => escape(rest).filter(|(_, c)| !matches!(unit(*c), Unit::Other(_))),
            _ => None,
        };
        let (length, unit) = match escaped {
            Some((length, c)) => (length, unit(c)),
            None => (first.len_utf8(), unit(first)),
        };
        let range = at..at + length;
        at += length;
        Some((range, unit))
    })
}

fn unit(c: char) -> Unit {
    match digit(c) {
        Some(digit) => Unit::Digit(digit),
        None if is_gap(c) => Unit::Gap(c),
        None if matches!(c, ',' | ':' | ';' | '|' | '、' | '，' | '：') => Unit::Mark,
        None => Unit::Other(c),
    }
}

/// A decimal digit, of the scripts that keyboards and text converters make them in.
fn digit(c: char) -> Option<u8> {
    const ZEROS: [u32; 12] =
        [0x30, 0x660, 0x6f0, 0x966, 0x9e6, 0xff10, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1fbf0];
    let value = ZEROS.iter().find_map(|zero| u32::from(c).checked_sub(*zero).filter(|value| *value < 10))?;
    u8::try_from(value).ok()
}

fn is_gap(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '-' | '.' | '_' | '/' | '·' | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2010}'..='\u{2015}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{2212}' | '\u{feff}')
}

/// The character that an escape stands for, as JSON, Rust, C or a URL writes it, and the escape's length.
fn escape(text: &str) -> Option<(usize, char)> {
    let of_hex = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
    let is_hex = |digits: &&str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(digits) = text.strip_prefix('%').and_then(|rest| rest.get(..2)).filter(is_hex) {
        return Some((3, of_hex(digits)?));
    }
    let rest = text.strip_prefix('\\')?;
    let escaped = match rest.chars().next()? {
        'n' => Some((2, '\n')),
        't' => Some((2, '\t')),
        'r' => Some((2, '\r')),
        'x' => rest.get(1..3).filter(is_hex).and_then(|digits| Some((4, of_hex(digits)?))),
        'u' => match rest.get(1..)?.strip_prefix('{') {
            Some(braced) => {
                let end = braced.bytes().take(7).position(|byte| byte == b'}')?;
                braced.get(..end).filter(is_hex).and_then(|digits| Some((end + 4, of_hex(digits)?)))
            }
            None => rest.get(1..5).filter(is_hex).and_then(|digits| Some((6, of_hex(digits)?))),
        },
        _ => None,
    };
    // A backslash that was itself escaped once more.
    escaped.or(Some((1, ' ')))
}

/// The places of what could be a card number: wherever as many digits as one has in a row have its check digit, and
/// what is written as people write one, whatever parts its groups.
pub(super) fn possible(text: &str) -> Vec<Range<usize>> {
    if !has_enough_digits(text) {
        return Vec::new();
    }
    let mut found = Vec::new();
    rows(text, true, &mut found);
    // What looks like an escape may be none.
    if text.contains(['\\', '%']) {
        rows(text, false, &mut found);
    }
    found.extend(written(text, |unit| matches!(unit, Unit::Gap(_) | Unit::Mark)));
    found
}

fn rows(text: &str, escapes: bool, found: &mut Vec<Range<usize>>) {
    let mut found_here = Vec::new();
    let mut row: Vec<(Range<usize>, u8)> = Vec::new();
    let mut gap = 0;
    for (range, unit) in units(text, escapes) {
        match unit {
            Unit::Digit(digit) => {
                row.push((range, digit));
                gap = 0;
            }
            Unit::Gap(_) if gap < GAP => gap += 1,
            _ => {
                checked(&mut row, &mut found_here);
                gap = 0;
            }
        }
    }
    checked(&mut row, &mut found_here);
    found.append(&mut found_here);
}

/// Whether a card number stands in a text by itself, as people write them.
pub(super) fn is_in(text: &str) -> bool {
    has_enough_digits(text) && written(text, |unit| matches!(unit, Unit::Gap(_))).next().is_some()
}

fn has_enough_digits(text: &str) -> bool {
    text.bytes().filter(|byte| byte.is_ascii_digit() || !byte.is_ascii()).count() >= *DIGITS.start()
}

/// Finds what of a row of digits passes the check of ISO/IEC 7812-1 annex B (Luhn), and empties the row.
///
/// `doubled[parity][n]` is the sum of the first `n` digits where those at places of this parity count double, so any
/// stretch of the row is checked by one subtraction.
fn checked(row: &mut Vec<(Range<usize>, u8)>, found: &mut Vec<Range<usize>>) {
    let digits = std::mem::take(row);
    if digits.len() < *DIGITS.start() {
        return;
    }
    let mut doubled = [vec![0_u32], vec![0_u32]];
    for (place, (_, digit)) in digits.iter().enumerate() {
        for (parity, sums) in doubled.iter_mut().enumerate() {
            let value = u32::from(*digit) * if place % 2 == parity { 2 } else { 1 };
            let last = sums.last().copied().unwrap_or_default();
            sums.push(last + value / 10 + value % 10);
        }
    }
    // The last digit of a number counts once, the one before it double.
    let passes = |first: usize, end: usize| {
        let sums = if end.is_multiple_of(2) { &doubled[0] } else { &doubled[1] };
        let sum = |at: usize| sums.get(at).copied().unwrap_or_default();
        (sum(end) - sum(first)) % 10 == 0
    };
    for first in 0..=digits.len() - DIGITS.start() {
        let longest =
            DIGITS.rev().map(|length| first + length).find(|end| *end <= digits.len() && passes(first, *end));
        let place = longest.and_then(|end| Some((digits.get(first)?, digits.get(end - 1)?)));
        if let Some(((from, _), (to, _))) = place {
            match found.last_mut() {
                Some(last) if from.start < last.end => last.end = last.end.max(to.end),
                _ => found.push(from.start..to.end),
            }
        }
    }
}

/// A group of digits without anything between them.
struct Group {
    range: Range<usize>,
    /// The first 19, and how many there are.
    digits: [u8; 19],
    count: usize,
    /// What stands before it, unless it is the text's beginning, and what before that.
    before: [Option<Unit>; 2],
    /// What follows, and what follows that.
    after: [Option<Unit>; 2],
    /// Whether only a gap parts it from the group before.
    joined: bool,
}

/// How the numbers of cards are grouped. A verification code, a date or whatever else may follow.
const GROUPINGS: [&[usize]; 12] = [
    &[4, 4, 4, 4, 3],
    &[4, 4, 4, 4],
    &[4, 6, 5],
    &[4, 6, 4],
    &[13],
    &[14],
    &[15],
    &[16],
    &[17],
    &[18],
    &[19],
    &[8, 8],
];

/// The places of card numbers as people write them.
fn written(text: &str, parts: impl Fn(Unit) -> bool) -> impl Iterator<Item = Range<usize>> {
    let groups = groups(text, parts);
    (0..groups.len()).filter_map(move |first| {
        GROUPINGS.iter().find_map(|sizes| {
            let groups = groups.get(first..first + sizes.len())?;
            let (start, end) = (groups.first()?, groups.last()?);
            let fits = groups
                .iter()
                .zip(*sizes)
                .enumerate()
                .all(|(i, (group, size))| group.count == *size && (i == 0 || group.joined));
            if !fits || !stands_alone(start, end) {
                return None;
            }
            let digits: Vec<u8> =
                groups.iter().flat_map(|group| group.digits.iter().take(group.count)).copied().collect();
            (is_issued(&digits) && luhn(&digits)).then_some(start.range.start..end.range.end)
        })
    })
}

/// The groups of a text that may be one of a card number's.
fn groups(text: &str, parts: impl Fn(Unit) -> bool) -> Vec<Group> {
    const LONGEST_GAP: usize = 4;
    let mut groups: Vec<Group> = Vec::new();
    let mut before = [None, None];
    let mut in_group = false;
    let mut gap = usize::MAX;
    for (range, unit) in units(text, true) {
        if let Unit::Digit(digit) = unit {
            if !in_group {
                let joined = gap <= LONGEST_GAP;
                if let Some([Some(_), second @ None]) = groups.last_mut().map(|group| &mut group.after) {
                    *second = Some(unit);
                }
                groups.push(Group {
                    range: range.clone(),
                    digits: [0; 19],
                    count: 0,
                    before,
                    after: [None, None],
                    joined,
                });
            }
            if let Some(group) = groups.last_mut() {
                if let Some(place) = group.digits.get_mut(group.count) {
                    *place = digit;
                }
                group.count += 1;
                group.range.end = range.end;
            }
            in_group = true;
            gap = 0;
        } else {
            in_group = false;
            gap = if parts(unit) { gap.saturating_add(1) } else { usize::MAX };
        }
        if let Some(group) = groups.last_mut().filter(|group| group.range.end <= range.start) {
            match &mut group.after {
                [first @ None, _] => *first = Some(unit),
                [_, second @ None] => *second = Some(unit),
                _ => {}
            }
        }
        before = [Some(unit), before[0]];
    }
    groups
}

/// Whether what is around a number is no part of a longer one or of a word. A card's magnetic stripe has a `B` before it
/// and a `^` behind (ISO/IEC 7813).
fn stands_alone(first: &Group, last: &Group) -> bool {
    let is_of_word = |unit: Option<Unit>| match unit {
        Some(Unit::Other(c)) => c.is_alphanumeric(),
        Some(Unit::Digit(_)) => true,
        _ => false,
    };
    let is_digit = |unit: Option<Unit>| matches!(unit, Some(Unit::Digit(_)));
    let [before, further_before] = first.before;
    let [after, further_after] = last.after;
    let begins = match before {
        Some(Unit::Other('B' | 'b')) => after == Some(Unit::Other('^')) && !is_of_word(further_before),
        Some(Unit::Other('+') | Unit::Gap('_' | '/')) => false,
        Some(Unit::Gap('.')) => !is_digit(further_before),
        other => !is_of_word(other),
    };
    let ends = match after {
        // A decimal point, and not the end of a sentence.
        Some(Unit::Gap('.')) => !is_digit(further_after),
        Some(Unit::Gap('_')) => !is_of_word(further_after),
        // A date may follow.
        Some(Unit::Gap('/')) => is_digit(further_after) || !is_of_word(further_after),
        other => !is_of_word(other),
    };
    begins && ends
}

/// Whether a card of this length begins so: American Express, Diners Club, Discover, JCB, Maestro, Mastercard, Mir, RuPay,
/// Troy, UnionPay and Visa.
fn is_issued(digits: &[u8]) -> bool {
    let prefix = |length: usize| {
        let first = digits.get(..length).unwrap_or_default();
        first.iter().fold(0_u32, |number, digit| number * 10 + u32::from(*digit))
    };
    match digits.len() {
        13 => prefix(1) == 4,
        14 => matches!(prefix(3), 300..=305) || matches!(prefix(2), 36 | 38 | 39),
        15 => matches!(prefix(2), 34 | 37),
        16 => {
            prefix(1) == 4
                || matches!(prefix(2), 50..=58 | 60..=69 | 81 | 82)
                || matches!(prefix(4), 2200..=2204 | 2221..=2720 | 3528..=3589 | 9792)
        }
        17 | 18 => matches!(prefix(2), 50 | 56..=58 | 62 | 63 | 67),
        19 => prefix(1) == 4 || matches!(prefix(2), 50 | 56..=58 | 62..=65 | 67),
        _ => false,
    }
}

/// The check digit of ISO/IEC 7812-1, annex B.
fn luhn(digits: &[u8]) -> bool {
    let doubled = |(place, digit): (usize, &u8)| {
        let value = u32::from(*digit) * if place % 2 == 0 { 1 } else { 2 };
        value / 10 + value % 10
    };
    digits.iter().rev().enumerate().map(doubled).sum::<u32>().is_multiple_of(10)
}
