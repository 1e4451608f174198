//! The path that a request is for, and whether it can mean only one thing.

use super::percent::{self, is_pchar};

/// `:path`, split into path and query (RFC 3986 §3.3, §3.4).
///
/// A path is *canonical* if it is its own normal form (RFC 3986 §6.2.2) and has no other spelling that servers take for
/// the same: it starts with `/`; it has no empty segment but the last, no segment of dots and spaces alone, no `;`, `\`,
/// control characters or bytes beyond ASCII; and what is percent-encoded needs it. Encoded are with upper-case digits, and only,
/// what can't stand for itself in a segment (so not `%61`, but also not `%40`, since many take `@` and `%40` for one),
/// and neither what would divide the path if somebody decodes it (`%2F`, `%5C`, `%3B`, `%3F`, `%23`), nor what would be
/// decoded a second time (`%25`), nor control characters, nor what is not UTF-8, such as an overlong `/`, nor a character
/// that some take for one of these or for a dot ([`passes_for_ascii`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path<'a> {
    path: &'a [u8],
    query: Option<&'a [u8]>,
    /// As much of the path as is certain: all of it, if it is canonical.
    sure: &'a [u8],
    canonical: bool,
}

/// How often a path is decoded to see what it may become. What then still holds a `%` may become anything.
const DECODINGS: usize = 3;

impl<'a> Path<'a> {
    /// Reads a `:path`.
    #[must_use]
    pub fn of(target: &'a [u8]) -> Self {
        let (path, query) = match target.iter().position(|byte| *byte == b'?') {
            Some(at) => (target.get(..at).unwrap_or_default(), target.get(at + 1..)),
            None => (target, None),
        };
        let certain = certain_len(path);
        let sure = certain.map_or(path, |len| path.get(..len).unwrap_or_default());
        Self { path, query, sure, canonical: certain.is_none() }
    }

    /// The path, without the query.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.path
    }

    /// What stands behind the first `?`.
    #[must_use]
    pub const fn query(&self) -> Option<&'a [u8]> {
        self.query
    }

    /// Whether the path can mean only one thing.
    #[must_use]
    pub const fn is_canonical(&self) -> bool {
        self.canonical
    }

    /// The leading segments, each with its `/` before it, that stay whatever a server makes of the path: whether it
    /// decodes, merges slashes, resolves dot segments, drops what is behind `;`, and in which order. They are canonical,
    /// so to decode them divides nothing and joins nothing. Of a canonical path all of it; of `/files/a%2Fb` it is
    /// `/files`; of `/files/..%2Fb` nothing.
    #[must_use]
    pub const fn sure(&self) -> &'a [u8] {
        self.sure
    }
}

/// Where the certain part ends; `None` if the path is canonical.
fn certain_len(path: &[u8]) -> Option<usize> {
    let Some(rest) = path.strip_prefix(b"/") else { return Some(0) };
    // Where the slash before the segment stands.
    let mut at = 0;
    let mut segments = rest.split(|byte| *byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        if !is_canonical_segment(segment, segments.peek().is_none()) {
            let odd = path.get(at..).unwrap_or_default();
            return Some(if may_climb(odd) { 0 } else { at });
        }
        at += 1 + segment.len();
    }
    None
}

fn is_canonical_segment(segment: &[u8], last: bool) -> bool {
    if segment.is_empty() {
        return last;
    }
    let mut rest = segment;
    // Windows leaves out dots and spaces at the end of a name.
    let mut is_name = false;
    while let [first, tail @ ..] = rest {
        let is_part_of_name;
        (is_part_of_name, rest) = match first {
            b'%' => match after_escape(rest) {
                Some(after) => (!rest.starts_with(b"%20"), after),
                None => return false,
            },
            b';' => return false,
            byte if is_pchar(*byte) => (*byte != b'.', tail),
            _ => return false,
        };
        is_name |= is_part_of_name;
    }
    is_name
}

/// What is behind the escapes of one character, if they are canonical.
fn after_escape(text: &[u8]) -> Option<&[u8]> {
    let (first, mut rest) = escaped(text)?;
    if first < 0x80 {
        let divides = matches!(first, b'/' | b'\\' | b'?' | b'#' | b'%');
        return (!is_pchar(first) && !divides && !first.is_ascii_control()).then_some(rest);
    }
    let mut character = vec![first];
    let more = match first {
        0xc2..=0xdf => 1,
        0xe0..=0xef => 2,
        0xf0..=0xf4 => 3,
        _ => return None,
    };
    for _ in 0..more {
        let (byte, after) = escaped(rest)?;
        character.push(byte);
        rest = after;
    }
    let character = std::str::from_utf8(&character).ok()?;
    (!character.contains(passes_for_ascii)).then_some(rest)
}

/// Whether a character becomes a dot or one that divides a path, or holds one, where somebody normalises compatible
/// characters (Unicode Standard Annex #15, NFKC) or fits them into a smaller character set, as Windows does.
fn passes_for_ascii(c: char) -> bool {
    matches!(
        c,
        '\u{37e}'
            | '\u{2024}'..='\u{2026}'
            | '\u{2044}'
            | '\u{2047}'..='\u{2049}'
            | '\u{2100}'..='\u{2106}'
            | '\u{2215}'..='\u{2216}'
            | '\u{2488}'..='\u{249b}'
            | '\u{29f5}'..='\u{29f9}'
            | '\u{fe10}'..='\u{fe6f}'
            | '\u{ff01}'..='\u{ff5e}'
    )
}

/// The byte that a canonical escape stands for, and what is behind it.
fn escaped(text: &[u8]) -> Option<(u8, &[u8])> {
    let ([b'%', high, low], rest) = text.split_first_chunk()? else { return None };
    if high.is_ascii_lowercase() || low.is_ascii_lowercase() {
        return None;
    }
    let (byte, _) = percent::first(text)?;
    Some((byte, rest))
}

/// Whether some server might see a `..` segment in this, and so leave the segments before it.
fn may_climb(odd: &[u8]) -> bool {
    let mut text = odd.to_vec();
    for _ in 0..DECODINGS {
        match percent::decode(&text) {
            Some(decoded) => text = decoded.into_owned(),
            None => return true,
        }
    }
    text.contains(&b'%')
        || text.windows(2).any(|pair| pair == b"..")
        || text.iter().any(u8::is_ascii_control)
        || std::str::from_utf8(&text).map_or(true, |text| text.contains(passes_for_ascii))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn odd(path: &str, sure: &str) {
        let read = Path::of(path.as_bytes());
        assert!(!read.is_canonical(), "{path}");
        assert_eq!(String::from_utf8_lossy(read.sure()), sure, "{path}");
    }

    #[test]
    fn the_query_starts_at_the_first_question_mark() {
        for (target, path, query) in [
            ("/a", "/a", None),
            ("/a?", "/a", Some("")),
            ("/a?b?c", "/a", Some("b?c")),
            ("/?//..%2f", "/", Some("//..%2f")),
            ("", "", None),
        ] {
            let read = Path::of(target.as_bytes());
            assert_eq!(
                (read.as_bytes(), read.query()),
                (path.as_bytes(), query.map(str::as_bytes)),
                "{target}"
            );
        }
        assert!(Path::of(b"/?//..%2f").is_canonical());
    }

    #[test]
    fn a_canonical_path_has_no_other_spelling() {
        for path in [
            "/",
            "/a",
            "/a/",
            "/a/b.c",
            "/.a",
            "/a..b",
            "/a...",
            "/a%20",
            "/%20a",
            "/~u/-_",
            "/a!$&'()*+,=:@",
            "/a%20b",
            "/%C3%A9",
            "/%E2%82%AC/%F0%9F%98%80",
            "/%7Bid%7D",
            "/%22%3C%3E%5B%5D%5E%60%7C",
        ] {
            let read = Path::of(path.as_bytes());
            assert!(read.is_canonical(), "{path}");
            assert_eq!(read.sure(), path.as_bytes());
        }
    }

    #[test]
    fn of_any_other_path_only_the_segments_before_it_are_certain() {
        odd("", "");
        odd("*", "");
        odd("a", "");
        odd("http://a/b", "");
        odd("//", "");
        odd("//a", "");
        odd("/a//b", "/a");
        odd("/a//", "/a");
        odd("/a/b%2Fc/d", "/a");
        odd("/a/b%2fc", "/a");
        odd("/a/%5C", "/a");
        odd("/a/\\b", "/a");
        odd("/a/%61", "/a");
        odd("/a/b%40c", "/a");
        odd("/a/%c3%a9", "/a");
        odd("/a/b;c=d", "/a");
        odd("/a/%3B", "/a");
        odd("/a/./b", "/a");
        odd("/a/b/%2E", "/a/b");
        odd("/a/b#c", "/a");
        odd("/a/%23", "/a");
        odd("/a/%3F", "/a");
        odd("/a/b c", "/a");
        odd("/a/{b}", "/a");
        odd("/a/.%20", "/a");
        odd("/a/.%20./b", "/a");
        odd("/a/%20/b", "/a");
        odd("/a/é", "/a");
    }

    #[test]
    fn nothing_is_certain_of_a_path_that_may_climb() {
        for path in [
            "/a/..",
            "/a/../b",
            "/a/..;/b",
            "/a/%2e%2e/b",
            "/a/.%2E",
            "/a/b%2F..%2F",
            "/a/%252e%252e",
            "/a/..%2Fb",
            "/a/..%5Cb",
            "/a/%00",
            "/a/b%0A",
            "/a/%C0%AE%C0%AE/",
            "/a/%C0%AF",
            "/a/%ED%A0%80",
            "/a/%FF",
            "/a/...",
            "/a/..%20/b",
            "/a/%20..",
            "/a/%EF%BC%8E%EF%BC%8E/b",
            "/a/b%EF%BC%8Fc",
            "/a/b%E2%81%84..",
            "/a/%E2%80%A5/b",
            "/a/b%E2%88%95c",
            "/a/%",
            "/a/%u002e%u002e/",
            "/a/%25252525252e",
            "/a//../..",
            "/a/;/../../b",
        ] {
            odd(path, "");
        }
        assert_eq!(Path::of(b"/a/\xff").sure(), b"");
        // Decoded once it is a `%`, decoded twice it is no escape.
        odd("/a/%25", "");
    }

    #[test]
    fn a_path_that_is_encoded_many_times_is_read_at_once() {
        let path = format!("/a/%{}2e", "25".repeat(30_000));
        odd(&path, "");
    }

    /// Normalisation as RFC 3986 §6.2.2 has it.
    fn normal(path: &str) -> String {
        let mut decoded = String::new();
        let mut rest = path;
        while let Some(c) = rest.chars().next() {
            let escape = rest.get(1..3).filter(|_| c == '%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
            if let Some(byte) = escape.filter(|_| !rest[1..3].contains('+')) {
                let c = char::from(byte);
                if c.is_ascii_alphanumeric() || "-._~".contains(c) {
                    decoded.push(c);
                } else {
                    decoded += &format!("%{byte:02X}");
                }
                rest = &rest[3..];
            } else {
                decoded.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
        let mut output: Vec<&str> = Vec::new();
        let segments: Vec<_> = decoded.split('/').skip(1).collect();
        for (i, segment) in segments.iter().enumerate() {
            let last = i + 1 == segments.len();
            match *segment {
                "." if last => output.push(""),
                "." => {}
                ".." => {
                    output.pop();
                    if last {
                        output.push("");
                    }
                }
                other => output.push(other),
            }
        }
        format!("/{}", output.join("/"))
    }

    proptest! {
        #[test]
        fn a_canonical_path_is_its_own_normal_form(path in "/([a/.%2eEfF;5cC@~é]|%2E|%41|%20|%C3%A9){0,8}") {
            if Path::of(path.as_bytes()).is_canonical() {
                prop_assert_eq!(normal(&path), path);
            }
        }

        #[test]
        fn what_is_certain_is_canonical_and_stands_at_the_start(path in any::<Vec<u8>>()) {
            let read = Path::of(&path);
            prop_assert!(read.as_bytes().starts_with(read.sure()));
            prop_assert!(read.sure().is_empty() || Path::of(read.sure()).is_canonical());
        }
    }
}
