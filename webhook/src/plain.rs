//! Text of others, made fit to be shown: nothing in it steers a terminal, breaks a line of a log, or has no end.

use std::borrow::Cow;

use sallyport_admission::redact;

/// Whether a character acts on what shows it, rather than being shown: controls (Unicode Cc: C0, DEL, C1), line and
/// paragraph separators, and what changes the direction of the text beside it.
pub(crate) fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped<'a>(
    text: &'a str,
    concerned: impl Fn(char) -> bool,
    escape: impl Fn(char, &mut String),
) -> Cow<'a, str> {
    if !text.contains(&concerned) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if concerned(c) {
            escape(c, &mut shown);
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// The text with each character that steers as its escape, such as `\n` or `\u{1b}`: one line, whatever it holds.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, steers, |c, shown| shown.extend(c.escape_default()))
}

/// As [`visible`], with line breaks and tabs as they are: for text that has lines of its own.
pub(crate) fn visible_lines(text: &str) -> Cow<'_, str> {
    let concerned = |c| steers(c) && !matches!(c, '\n' | '\t');
    escaped(text, concerned, |c, shown| shown.extend(c.escape_default()))
}

/// As [`visible`], with line breaks and tabs as spaces: for sentences. The API server drops a warning that holds a
/// control character (RFC 7234 section 5.5: warn-text is a quoted-string).
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    escaped(text, steers, |c, shown| match c {
        '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => shown.push(' '),
        _ => shown.extend(c.escape_default()),
    })
}

/// JSON, with each character that steers as `\uXXXX`: serde_json escapes C0 only. `json` is in one line, so that they
/// stand in strings.
pub(crate) fn visible_json(json: &str) -> Cow<'_, str> {
    escaped(json, steers, |c, shown| shown.push_str(&format!("\\u{:04x}", u32::from(c))))
}

/// The text when it has at most `bytes` bytes, else its beginning up to a character boundary and `…`, together at
/// most `bytes` (which is at least 3).
pub(crate) fn cut(text: Cow<'_, str>, bytes: usize) -> Cow<'_, str> {
    if text.len() <= bytes {
        return text;
    }
    let end = text.floor_char_boundary(bytes.saturating_sub('…'.len_utf8()));
    Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default()))
}

/// [`visible`], in at most `bytes` bytes, in time that depends on `bytes` alone.
pub(crate) fn visible_within(text: &str, bytes: usize) -> Cow<'_, str> {
    match cut(Cow::Borrowed(text), bytes) {
        Cow::Borrowed(text) => cut(visible(text), bytes),
        Cow::Owned(text) => cut(Cow::Owned(visible(&text).into_owned()), bytes),
    }
}

/// The text without its secrets, and then as `show` has it. Text is redacted before it is escaped or cut: half a card
/// number is not seen for one.
pub(crate) fn redacted(text: &str, show: impl Fn(&str) -> Cow<'_, str>) -> Cow<'_, str> {
    match redact(text) {
        Cow::Borrowed(text) => show(text),
        Cow::Owned(text) => Cow::Owned(show(&text).into_owned()),
    }
}

/// [`visible`] without its secrets, in at most `bytes` bytes, of which no more than the first 8 KiB are read.
pub(crate) fn redacted_within(text: &str, bytes: usize) -> Cow<'_, str> {
    const READ: usize = 8 * 1024;
    let read = text.get(..text.floor_char_boundary(READ)).unwrap_or(text);
    redacted(read, |text| visible_within(text, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every character that steers, between two letters.
    fn all() -> String {
        let marks = ['\u{61c}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}'];
        let controls = ('\0'..='\u{1f}').chain('\u{7f}'..='\u{9f}').chain(marks);
        let directions = ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}');
        std::iter::once('a').chain(controls).chain(directions).chain(std::iter::once('z')).collect()
    }

    #[test]
    fn what_steers_a_terminal_or_a_log_is_escaped_and_all_else_stays() {
        for shown in [visible(&all()), plain(&all()), visible_within(&all(), 1024)] {
            assert!(shown.starts_with('a') && shown.ends_with('z') && !shown.contains(steers), "{shown}");
        }
        assert_eq!(
            visible("a\r\n\u{1b}]0;x\u{7}\u{9b}31m\u{202e}b"),
            "a\\r\\n\\u{1b}]0;x\\u{7}\\u{9b}31m\\u{202e}b"
        );
        assert_eq!(visible_lines("a:\n\tb\u{1b}\r\n"), "a:\n\tb\\u{1b}\\r\n");
        assert_eq!(plain("a\r\nb\u{1b}[31m\u{85}c\u{2066}"), "a  b\\u{1b}[31m c\\u{2066}");
        assert!(matches!(visible("as it is: é שלום 👩‍🚀"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_stays_the_same_value_and_steers_nothing() {
        let json = serde_json::to_string(&all()).unwrap();
        let shown = visible_json(&json);
        assert!(!shown.contains(steers), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), all());
    }

    #[test]
    fn what_is_visible_keeps_to_its_bound() {
        for text in [all().repeat(1000), "\u{1b}".repeat(50), "é".repeat(200_000)] {
            let shown = visible_within(&text, 256);
            assert!(shown.len() <= 256 && shown.ends_with('…') && !shown.contains(steers), "{shown}");
        }
        assert_eq!(visible_within("shop", 256), "shop");
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        for bytes in 3..40 {
            let text = cut(Cow::Borrowed("größer als ein Byte: 🦀🦀🦀🦀🦀"), bytes);
            assert!(text.len() <= bytes, "{text} has more than {bytes} bytes");
            assert!(text.ends_with('…') || text.ends_with('🦀'));
        }
    }
}
