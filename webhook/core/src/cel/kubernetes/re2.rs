//! Patterns as Go's regexp reads them, turned into those of Rust's regex.
//!
//! Both come from RE2 and match alike, but do not spell alike: `\d`, `\w`, `\s` and `\b` are ASCII in Go, classes in
//! classes and their operators are Rust's alone, `\Q…\E` and octal escapes Go's. What one reads and the other does
//! not is refused here where Go refuses it, and rewritten where Go reads it.

use std::iter::Peekable;
use std::str::Chars;

use ::regex::{Regex, RegexBuilder};

/// How much a pattern takes to compile and to match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Size {
    /// At most `SMALL` bytes once compiled.
    Small,
    /// At most `LARGE` bytes.
    Large,
}

const SMALL: usize = 32 << 10;
const LARGE: usize = 1 << 20;
/// The most repetitions that Go's regexp allows.
const MAX_REPETITIONS: u32 = 1000;
/// Bytes of a pattern; longer ones only come from objects.
const MAX_PATTERN: usize = 4096;

/// A compiled pattern.
pub(in super::super) struct Pattern {
    pub(in super::super) regex: Regex,
    pub(in super::super) size: Size,
}

impl Pattern {
    /// Compiles a pattern of Go's.
    pub(in super::super) fn compile(pattern: &str) -> Result<Self, String> {
        let translated = Self::translate(pattern)?;
        Self::build(&translated, Size::Small).or_else(|_| Self::build(&translated, Size::Large))
    }

    /// Compiles a translated pattern if it is no larger.
    pub(in super::super) fn build(translated: &str, size: Size) -> Result<Self, String> {
        let limit = if size == Size::Small { SMALL } else { LARGE };
        match RegexBuilder::new(translated).size_limit(limit).dfa_size_limit(LARGE).nest_limit(200).build() {
            Ok(regex) => Ok(Self { regex, size }),
            Err(::regex::Error::CompiledTooBig(_)) => Err("a pattern that is too large".to_owned()),
            Err(_) => Err("not a pattern of RE2".to_owned()),
        }
    }

    /// The pattern as Rust's regex spells it.
    pub(in super::super) fn translate(pattern: &str) -> Result<String, String> {
        if pattern.len() > MAX_PATTERN {
            return Err(format!("a pattern longer than {MAX_PATTERN} bytes"));
        }
        let mut translator =
            Translator { rest: pattern.chars().peekable(), made: String::new(), repeatable: Repeatable::No };
        translator.run()?;
        Ok(translator.made)
    }
}

/// Whether a repetition may follow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeatable {
    No,
    Yes,
    /// Something that is repeated already: Go refuses `a**`, but reads `a*?`.
    Repeated,
}

struct Translator<'p> {
    rest: Peekable<Chars<'p>>,
    made: String,
    repeatable: Repeatable,
}

const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];
const DIGIT: &str = "0-9";
const SPACE: &str = r"\t\n\f\r ";
const WORD: &str = "0-9A-Za-z_";

impl Translator<'_> {
    fn run(&mut self) -> Result<(), String> {
        while let Some(character) = self.rest.next() {
            match character {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '*' | '+' | '?' => self.repeat(&character.to_string())?,
                '{' => match self.counts() {
                    Some((least, most)) => {
                        if least > MAX_REPETITIONS
                            || most.is_some_and(|most| most > MAX_REPETITIONS || most < least)
                        {
                            return Err("a repetition that is not of 0 to 1000 times".to_owned());
                        }
                        let least_text = least.to_string();
                        let text = match most {
                            Some(most) if most == least => format!("{{{least_text}}}"),
                            Some(most) => format!("{{{least_text},{most}}}"),
                            None => format!("{{{least_text},}}"),
                        };
                        self.repeat(&text)?;
                    }
                    None => {
                        self.made.push_str(r"\{");
                        self.repeatable = Repeatable::Yes;
                    }
                },
                '}' => self.literal('}'),
                ']' => self.literal(']'),
                '(' => self.group()?,
                ')' => {
                    self.made.push(')');
                    self.repeatable = Repeatable::Yes;
                }
                '|' => {
                    self.made.push('|');
                    self.repeatable = Repeatable::No;
                }
                '^' | '$' | '.' => {
                    self.made.push(character);
                    self.repeatable = Repeatable::Yes;
                }
                other => self.literal(other),
            }
        }
        Ok(())
    }

    fn literal(&mut self, character: char) {
        self.made.push_str(&::regex::escape(character.encode_utf8(&mut [0; 4])));
        self.repeatable = Repeatable::Yes;
    }

    fn repeat(&mut self, operator: &str) -> Result<(), String> {
        if self.repeatable != Repeatable::Yes {
            return Err(format!("`{operator}` with nothing to repeat before it"));
        }
        self.made.push_str(operator);
        if self.rest.next_if_eq(&'?').is_some() {
            self.made.push('?');
        }
        self.repeatable = Repeatable::Repeated;
        Ok(())
    }

    /// What stands in braces, if it is a count: `{2}`, `{2,}`, `{2,5}`.
    fn counts(&mut self) -> Option<(u32, Option<u32>)> {
        let mut ahead = self.rest.clone();
        let text: String = ahead.by_ref().take_while(|c| *c != '}').collect();
        let consumed = text.chars().count() + 1;
        if self.rest.clone().nth(consumed - 1) != Some('}') {
            return None;
        }
        let number = |digits: &str| {
            let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            let is_plain = is_plain && (digits.len() == 1 || !digits.starts_with('0'));
            is_plain.then(|| digits.parse::<u32>().unwrap_or(u32::MAX))
        };
        let counts = match text.split_once(',') {
            None => number(&text).map(|exactly| (exactly, Some(exactly)))?,
            Some((least, "")) => (number(least)?, None),
            Some((least, most)) => (number(least)?, Some(number(most)?)),
        };
        self.rest.nth(consumed - 1);
        Some(counts)
    }

    /// `(`, `(?:`, `(?i)`, `(?P<name>` and `(?<name>`; nothing else begins with `(?` in Go.
    fn group(&mut self) -> Result<(), String> {
        self.repeatable = Repeatable::No;
        self.made.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        self.made.push('?');
        let is_named = match self.rest.peek() {
            Some('P') => {
                self.rest.next();
                true
            }
            other => other == Some(&'<'),
        };
        if is_named {
            if self.rest.next() != Some('<') {
                return Err("a group that Go's regexp does not know".to_owned());
            }
            self.made.push_str("P<");
            for character in self.rest.by_ref() {
                self.made.push(character);
                if character == '>' {
                    return Ok(());
                }
                if !character.is_alphanumeric() && character != '_' {
                    break;
                }
            }
            return Err("a group with a malformed name".to_owned());
        }
        for character in self.rest.by_ref() {
            self.made.push(character);
            match character {
                ':' | ')' => return Ok(()),
                'i' | 'm' | 's' | 'U' | '-' => {}
                _ => break,
            }
        }
        Err("a group that Go's regexp does not know".to_owned())
    }

    fn escape(&mut self) -> Result<(), String> {
        let Some(character) = self.rest.next() else {
            return Err("a backslash at the end".to_owned());
        };
        self.repeatable = Repeatable::Yes;
        match character {
            'b' => self.made.push_str(r"(?-u:\b)"),
            'B' => self.made.push_str(r"(?-u:\B)"),
            'A' => self.made.push_str(r"\A"),
            'z' => self.made.push_str(r"\z"),
            'Q' => self.quoted(),
            'd' | 's' | 'w' => self.made.push_str(&format!("[{}]", ascii_class(character))),
            'D' | 'S' | 'W' => {
                self.made.push_str(&format!("[^{}]", ascii_class(character.to_ascii_lowercase())));
            }
            'p' | 'P' => {
                let class = self.unicode_class(character)?;
                self.made.push_str(&class);
            }
            'C' => return Err("`\\C`, which matches single bytes".to_owned()),
            other => {
                let meant = self.escaped(other)?;
                self.literal(meant);
            }
        }
        Ok(())
    }

    fn quoted(&mut self) {
        while let Some(character) = self.rest.next() {
            if character == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.literal(character);
        }
    }

    /// `\pN` or `\p{Greek}`.
    fn unicode_class(&mut self, kind: char) -> Result<String, String> {
        let malformed = || "a malformed Unicode class".to_owned();
        let first = self.rest.next().ok_or_else(malformed)?;
        if first != '{' {
            return Ok(format!("\\{kind}{first}"));
        }
        let name: String = self.rest.by_ref().take_while(|c| *c != '}').collect();
        let (is_not, name) = name.strip_prefix('^').map_or((false, name.as_str()), |name| (true, name));
        let is_upper = name.starts_with(|c: char| c.is_ascii_uppercase());
        if !is_upper || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(malformed());
        }
        let kind = match (kind, is_not) {
            ('p', true) => 'P',
            ('P', true) => 'p',
            (kind, _) => kind,
        };
        // Go knows general categories, of one letter or two, and scripts.
        let property = if name.len() <= 2 { "gc" } else { "sc" };
        Ok(if name == "Any" { format!("\\{kind}{{Any}}") } else { format!("\\{kind}{{{property}={name}}}") })
    }

    /// The character that an escape stands for.
    fn escaped(&mut self, character: char) -> Result<char, String> {
        let unknown = || format!("`\\{character}`, which Go's regexp does not know");
        Ok(match character {
            'a' => '\x07',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'x' => {
                let digits: String = if self.rest.next_if_eq(&'{').is_some() {
                    self.rest.by_ref().take_while(|c| *c != '}').collect()
                } else {
                    self.rest.by_ref().take(2).collect()
                };
                let is_plain = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_hexdigit());
                let code = u32::from_str_radix(&digits, 16).ok().filter(|_| is_plain);
                code.and_then(char::from_u32).ok_or_else(unknown)?
            }
            // One to seven alone would be a reference to a group.
            '0'..='7' => {
                let mut code = character.to_digit(8).ok_or_else(unknown)?;
                if character != '0' && !self.rest.peek().is_some_and(|c| c.is_digit(8)) {
                    return Err(unknown());
                }
                for _ in 0..2 {
                    if let Some(digit) = self.rest.peek().and_then(|c| c.to_digit(8)) {
                        self.rest.next();
                        code = code * 8 + digit;
                    }
                }
                char::from_u32(code).ok_or_else(unknown)?
            }
            punctuation if punctuation.is_ascii_punctuation() && punctuation != '_' => punctuation,
            '_' => '_',
            _ => return Err(unknown()),
        })
    }

    fn class(&mut self) -> Result<(), String> {
        let unclosed = || "a `[` without its `]`".to_owned();
        self.made.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.made.push('^');
        }
        let (mut is_first, mut from): (bool, Option<char>) = (true, None);
        loop {
            let character = self.rest.next().ok_or_else(unclosed)?;
            if character == ']' && !is_first {
                break;
            }
            is_first = false;
            // A hyphen between two characters makes a range; Go takes it for itself at the ends only.
            if character == '-' && from.is_some() && self.rest.peek().is_some_and(|c| *c != ']') {
                let end = self.rest.next().ok_or_else(unclosed)?;
                let end = if end == '\\' {
                    let escaped = self.rest.next().ok_or_else(unclosed)?;
                    self.escaped(escaped)?
                } else {
                    end
                };
                if from.is_some_and(|from| from > end) {
                    return Err("a range that ends before it begins".to_owned());
                }
                self.made.push('-');
                self.made.push_str(&in_class(end));
                from = None;
                continue;
            }
            from = None;
            match character {
                '[' if self.rest.peek() == Some(&':') => {
                    let name: String = self.rest.by_ref().take_while(|c| *c != ']').collect();
                    let class = name.strip_prefix(':').and_then(|name| name.strip_suffix(':'));
                    let class = class.map(|class| class.strip_prefix('^').unwrap_or(class));
                    if !class.is_some_and(|class| POSIX.contains(&class)) {
                        return Err("a class that Go's regexp does not know".to_owned());
                    }
                    self.made.push_str(&format!("[{name}]"));
                }
                '\\' => match self.rest.next().ok_or_else(unclosed)? {
                    kind @ ('d' | 's' | 'w') => self.made.push_str(ascii_class(kind)),
                    kind @ ('D' | 'S' | 'W') => {
                        self.made.push_str(&format!("[^{}]", ascii_class(kind.to_ascii_lowercase())));
                    }
                    kind @ ('p' | 'P') => {
                        let class = self.unicode_class(kind)?;
                        self.made.push_str(&class);
                    }
                    other => {
                        let meant = self.escaped(other)?;
                        self.made.push_str(&in_class(meant));
                        from = Some(meant);
                    }
                },
                other => {
                    self.made.push_str(&in_class(other));
                    from = Some(other);
                }
            }
        }
        self.made.push(']');
        self.repeatable = Repeatable::Yes;
        Ok(())
    }
}

fn ascii_class(kind: char) -> &'static str {
    match kind {
        'd' => DIGIT,
        's' => SPACE,
        _ => WORD,
    }
}

/// A character as it stands in a class: by its number, so that nothing is an operator.
fn in_class(character: char) -> String {
    if character.is_ascii_alphanumeric() {
        character.to_string()
    } else {
        format!("\\x{{{:x}}}", u32::from(character))
    }
}
