//! The numbers of payment cards (ISO/IEC 7812-1).
//!
//! A text is read once, and no more is kept of it than the digits of one number.

mod digit;

use std::collections::VecDeque;
use std::ops::{Range, RangeInclusive};

use digit::digit;

/// The digits of a card number: at most 19; the shortest that are in use have 13.
const DIGITS: RangeInclusive<usize> = 13..=19;
/// What may stand between two digits of a card number, in characters and escapes.
const GAP: usize = 12;

/// What a text is made of, as far as card numbers go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Digit(u8),
    /// What people, spreadsheets, forms and copied text have between groups of digits, or an escape of it: anything that
    /// is neither a letter nor a mark.
    Gap(char),
    /// What parts two numbers, and in some texts the groups of one.
    Mark,
    /// A letter.
    Other(char),
}

/// The units of a text, each with its place; with `escapes`, what they stand for.
fn units(text: &str, escapes: bool) -> impl Iterator<Item = (Range<usize>, Unit)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let first = rest.chars().next()?;
        let escaped = if escapes { escaped(first, rest) } else { None };
        let (length, unit) = escaped.unwrap_or_else(|| (first.len_utf8(), unit(first)));
        let range = at..at + length;
        at += length;
        Some((range, unit))
    })
}

fn unit(c: char) -> Unit {
    match digit(c) {
        Some(digit) => Unit::Digit(digit),
        None if is_mark(c) => Unit::Mark,
        None if c.is_alphanumeric() => Unit::Other(c),
        None => Unit::Gap(c),
    }
}

/// What lists, quotes, brackets and times are written with.
fn is_mark(c: char) -> bool {
    matches!(
        c,
        ',' | ':' | ';' | '|' | '"' | '\'' | '`' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '@'
    ) || matches!(c, '、' | '，' | '：' | '；')
}

/// The unit that an escape, a character reference or a tag at the beginning of `rest` stands for, and its length.
fn escaped(first: char, rest: &str) -> Option<(usize, Unit)> {
    let (length, c) = match first {
        '\\' | '%' => escape(rest)?,
        '&' => reference(rest)?,
        '<' => tag(rest)?,
        _ => return None,
    };
    let unit = unit(c);
    (!matches!(unit, Unit::Other(_))).then_some((length, unit))
}

/// The character that an escape stands for, as JSON, Rust, C or a URL writes it, and the escape's length.
fn escape(text: &str) -> Option<(usize, char)> {
    let of_hex = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
    let is_hex = |digits: &&str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.starts_with('%') {
        return percent(text);
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

/// The character that a URL writes as its bytes in UTF-8 (RFC 3986 section 2.1), and how long that is.
fn percent(text: &str) -> Option<(usize, char)> {
    let byte = |at: usize| {
        let digits = text.get(3 * at..3 * at + 3)?.strip_prefix('%')?;
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u8::from_str_radix(digits, 16).ok())?
    };
    let count = match byte(0)? {
        0..0x80 => 1,
        0xc2..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0..0xf5 => 4,
        _ => return None,
    };
    let bytes = (0..count).map(byte).collect::<Option<Vec<_>>>()?;
    Some((3 * count, std::str::from_utf8(&bytes).ok()?.chars().next()?))
}

/// The character that a reference of HTML stands for, a space for all that have a name, and the reference's length.
fn reference(text: &str) -> Option<(usize, char)> {
    const LONGEST: usize = 10;
    let end = text.bytes().take(LONGEST).position(|byte| byte == b';')?;
    let name = text.get(1..end)?;
    let c = match name.strip_prefix('#') {
        Some(number) => {
            let hexadecimal = number.strip_prefix(['x', 'X']);
            let code = hexadecimal.map_or_else(|| number.parse(), |digits| u32::from_str_radix(digits, 16));
            code.ok().and_then(char::from_u32)?
        }
        None if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic()) => ' ',
        None => return None,
    };
    Some((end + 1, c))
}

/// A tag of HTML, which stands for a space, and its length.
fn tag(text: &str) -> Option<(usize, char)> {
    const LONGEST: usize = 24;
    let begins = text.as_bytes().get(1).is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'/');
    let end = text.bytes().take(LONGEST).position(|byte| byte == b'>')?;
    begins.then_some((end + 1, ' '))
}

/// The places of what could be a card number: wherever as many digits as one has stand in a row, begin as a card's do
/// and have its check digit; and what is written as people write one, whatever parts its groups.
#[must_use]
pub fn possible(text: &str) -> Vec<Range<usize>> {
    if !has_enough_digits(text) {
        return Vec::new();
    }
    let mut found = Vec::new();
    rows(text, true, &mut found);
    // What looks like an escape may be none.
    if text.contains(['\\', '%', '&', '<']) {
        rows(text, false, &mut found);
    }
    written(text, &Joined::Mark, |range| {
        found.push(range);
        true
    });
    found
}

/// Whether a card number stands in a text by itself, as people write them.
#[must_use]
pub fn is_in(text: &str) -> bool {
    let mut is_in = false;
    if has_enough_digits(text) {
        written(text, &Joined::Gap, |_| {
            is_in = true;
            false
        });
    }
    is_in
}

fn has_enough_digits(text: &str) -> bool {
    text.bytes().filter(|byte| byte.is_ascii_digit() || !byte.is_ascii()).count() >= *DIGITS.start()
}

/// Finds what could be a number in the rows of digits of a text: digits with no letters, no marks and no long gaps
/// between them. At each digit all numbers that may end with it are looked at, of which the last 19 digits are enough.
fn rows(text: &str, escapes: bool, found: &mut Vec<Range<usize>>) {
    let first_found = found.len();
    let mut row: VecDeque<(usize, u8)> = VecDeque::with_capacity(*DIGITS.end() + 1);
    let mut gap = 0;
    for (range, unit) in units(text, escapes) {
        match unit {
            Unit::Digit(digit) => {
                row.push_back((range.start, digit));
                if row.len() > *DIGITS.end() {
                    row.pop_front();
                }
                gap = 0;
                if let Some(start) = longest_number(&row) {
                    merge(found, first_found, start..range.end);
                }
            }
            Unit::Gap(_) if gap < GAP => gap += 1,
            _ => row.clear(),
        }
    }
}

/// Where the longest number begins that ends with the last digit of a row.
fn longest_number(row: &VecDeque<(usize, u8)>) -> Option<usize> {
    let mut sum = 0;
    let mut longest = None;
    for (place, (start, digit)) in row.iter().rev().enumerate() {
        sum += counted(*digit, place);
        let length = place + 1;
        if sum.is_multiple_of(10) && DIGITS.contains(&length) {
            let digits = row.iter().skip(row.len() - length).map(|(_, digit)| *digit);
            if is_issued(length, digits) {
                longest = Some(*start);
            }
        }
    }
    longest
}

/// Adds a range to those from `first` on, as one with those that it overlaps. It ends behind all of them.
fn merge(found: &mut Vec<Range<usize>>, first: usize, mut range: Range<usize>) {
    while found.len() > first
        && let Some(last) = found.last()
        && range.start < last.end
    {
        range.start = range.start.min(last.start);
        found.pop();
    }
    found.push(range);
}

/// What parts a group of digits from the group before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Joined {
    /// A short gap.
    Gap,
    /// A short gap with marks in it.
    Mark,
    /// More than that.
    Not,
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
    joined: Joined,
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

/// Tells of the places of card numbers as people write them, with at most `joined` between groups and anything but
/// letters between digits that stand one by one, until it is told to stop.
fn written(text: &str, joined: &Joined, mut tell: impl FnMut(Range<usize>) -> bool) {
    let mut groups: VecDeque<Group> = VecDeque::with_capacity(*DIGITS.end() + 1);
    let mut before = [None, None];
    let mut in_group = false;
    let (mut gap, mut parted) = (0, Joined::Not);
    for (range, unit) in units(text, true) {
        if let Some(last) = groups.back_mut().filter(|last| last.range.end <= range.start)
            && !(in_group && matches!(unit, Unit::Digit(_)))
            && let Some(place) = last.after.iter_mut().find(|place| place.is_none())
        {
            *place = Some(unit);
            if last.after[1].is_some()
                && let Some(number) = number(&groups, *joined)
                && !tell(number)
            {
                return;
            }
        }
        if let Unit::Digit(digit) = unit {
            if !in_group {
                if groups.len() == *DIGITS.end() {
                    groups.pop_front();
                }
                let joined = if gap <= GAP { parted } else { Joined::Not };
                let (digits, after) = ([0; 19], [None, None]);
                groups.push_back(Group { range: range.clone(), digits, count: 0, before, after, joined });
            }
            if let Some(group) = groups.back_mut() {
                if let Some(place) = group.digits.get_mut(group.count) {
                    *place = digit;
                }
                group.count += 1;
                group.range.end = range.end;
            }
            (in_group, gap, parted) = (true, 0, Joined::Gap);
        } else {
            in_group = false;
            gap += 1;
            parted = parted.max(match unit {
                Unit::Gap(_) => Joined::Gap,
                Unit::Mark => Joined::Mark,
                _ => Joined::Not,
            });
        }
        before = [Some(unit), before[0]];
    }
    if groups.back().is_some_and(|last| last.after[1].is_none())
        && let Some(number) = number(&groups, *joined)
    {
        tell(number);
    }
}

/// The longest number of these groups that ends with the last of them.
fn number(groups: &VecDeque<Group>, joined: Joined) -> Option<Range<usize>> {
    let last = groups.back()?;
    if last.count == 1 {
        return one_by_one(groups, last, joined);
    }
    let mut groupings = GROUPINGS.iter().filter(|sizes| sizes.last() == Some(&last.count));
    groupings.find_map(|sizes| {
        let begin = groups.len().checked_sub(sizes.len())?;
        let own = || groups.iter().skip(begin);
        let fits = own()
            .zip(*sizes)
            .enumerate()
            .all(|(i, (group, size))| group.count == *size && (i == 0 || group.joined <= joined));
        let first = own().next()?;
        if !fits || !stands_alone(first, last, joined) {
            return None;
        }
        let digits = || own().flat_map(|group| group.digits.iter().take(group.count)).copied();
        let sum: u32 = own()
            .rev()
            .flat_map(|group| group.digits.iter().take(group.count).rev())
            .enumerate()
            .map(|(place, digit)| counted(*digit, place))
            .sum();
        (is_issued(digits().count(), digits()) && sum.is_multiple_of(10))
            .then_some(first.range.start..last.range.end)
    })
}

/// The longest number whose digits stand one by one, each a group, with the last of them at its end.
fn one_by_one(groups: &VecDeque<Group>, last: &Group, joined: Joined) -> Option<Range<usize>> {
    let mut sum = 0;
    let mut longest = None;
    for (place, group) in groups.iter().rev().enumerate().take_while(|(_, group)| group.count == 1) {
        let length = place + 1;
        sum += counted(group.digits[0], place);
        if DIGITS.contains(&length) && sum.is_multiple_of(10) {
            let digits = groups.iter().skip(groups.len() - length).map(|group| group.digits[0]);
            if is_issued(length, digits) && stands_alone(group, last, joined) {
                longest = Some(group.range.start..last.range.end);
            }
        }
        if group.joined > Joined::Mark {
            break;
        }
    }
    longest
}

/// Whether what is around a number is no part of a longer one or of a word. A card's magnetic stripe has a `B` before it
/// and a `^` behind (ISO/IEC 7813). Around one whose groups marks may part anything but a word may stand, such as the slashes
/// of a path.
fn stands_alone(first: &Group, last: &Group, joined: Joined) -> bool {
    let is_of_word = |unit: Option<Unit>| match unit {
        Some(Unit::Other(c)) => c.is_alphanumeric(),
        Some(Unit::Digit(_)) => true,
        _ => false,
    };
    let is_digit = |unit: Option<Unit>| matches!(unit, Some(Unit::Digit(_)));
    let [before, further_before] = first.before;
    let [after, further_after] = last.after;
    let begins = match before {
        Some(Unit::Other('B' | 'b')) => after == Some(Unit::Gap('^')) && !is_of_word(further_before),
        Some(Unit::Gap('+' | '_' | '/')) => joined == Joined::Mark,
        Some(Unit::Gap('.')) => !is_digit(further_before),
        other => !is_of_word(other),
    };
    let ends = match after {
        // A decimal point, and not the end of a sentence.
        Some(Unit::Gap('.')) => !is_digit(further_after),
        Some(Unit::Gap('_')) => !is_of_word(further_after),
        // A date may follow.
        Some(Unit::Gap('/')) => {
            joined == Joined::Mark || is_digit(further_after) || !is_of_word(further_after)
        }
        other => !is_of_word(other),
    };
    begins && ends
}

/// Whether a card of this length begins so: American Express, Diners Club, Discover, JCB, Maestro, Mastercard, Mir, RuPay,
/// Troy, UnionPay and Visa.
fn is_issued(length: usize, digits: impl Iterator<Item = u8> + Clone) -> bool {
    let prefix = |length: usize| {
        digits.clone().take(length).fold(0_u32, |number, digit| number * 10 + u32::from(digit))
    };
    match length {
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

/// What a digit adds to the sum of the check of ISO/IEC 7812-1, annex B (Luhn), by its place from the end.
fn counted(digit: u8, place: usize) -> u32 {
    let value = u32::from(digit) * if place.is_multiple_of(2) { 1 } else { 2 };
    value / 10 + value % 10
}
