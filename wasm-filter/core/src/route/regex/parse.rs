//! Reads a regular expression.

use super::InvalidRegex;

/// A set of ASCII characters: bit n is the character n.
pub(super) type Class = u128;

/// Any character but a line's end.
const ANY: Class = !(1 << b'\n');
/// How deep groups may stand in each other.
const DEEPEST: usize = 32;

/// A regular expression as a tree.
#[derive(Debug)]
pub(super) enum Node {
    /// One character of a class.
    One(Class),
    /// One after the other.
    All(Vec<Node>),
    /// One of these.
    Any(Vec<Node>),
    /// From so many times to so many, or without end.
    Repeat(Box<Node>, u32, Option<u32>),
}

pub(super) fn parse(text: &str) -> Result<Node, InvalidRegex> {
    let mut parser = Parser { text: text.as_bytes(), at: 0 };
    let node = parser.alternatives(0)?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.error("')' without '('")),
    }
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn error(&self, found: &'static str) -> InvalidRegex {
        InvalidRegex::Syntax { at: self.at, found }
    }

    fn alternatives(&mut self, depth: usize) -> Result<Node, InvalidRegex> {
        let mut alternatives = vec![self.sequence(depth)?];
        while self.eat(b'|') {
            alternatives.push(self.sequence(depth)?);
        }
        Ok(if alternatives.len() == 1 { Node::All(alternatives) } else { Node::Any(alternatives) })
    }

    /// Up to `|`, `)` or the end.
    fn sequence(&mut self, depth: usize) -> Result<Node, InvalidRegex> {
        let mut nodes = Vec::new();
        while let Some(byte) = self.peek() {
            let node = match byte {
                b'|' | b')' => break,
                b'^' if self.at == 0 => {
                    self.at += 1;
                    continue;
                }
                b'^' => return Err(self.error("'^' that is not at the start: write \\^")),
                b'$' if self.at + 1 == self.text.len() && depth == 0 => {
                    self.at += 1;
                    continue;
                }
                b'$' => return Err(self.error("'$' that is not at the end: write \\$")),
                b'(' => self.group(depth)?,
                b'*' | b'+' | b'?' => return Err(self.error("a repetition of nothing")),
                _ => Node::One(self.class()?),
            };
            nodes.push(self.repeated(node)?);
        }
        Ok(Node::All(nodes))
    }

    fn group(&mut self, depth: usize) -> Result<Node, InvalidRegex> {
        let start = self.at;
        let at_start = |found| InvalidRegex::Syntax { at: start, found };
        if depth == DEEPEST {
            return Err(at_start("a group within too many others"));
        }
        self.at += 1;
        if self.eat(b'?') && !self.eat(b':') {
            return Err(at_start("a group with '?': only (?:…) is understood"));
        }
        let node = self.alternatives(depth + 1)?;
        if self.eat(b')') { Ok(node) } else { Err(at_start("'(' without ')'")) }
    }

    fn repeated(&mut self, node: Node) -> Result<Node, InvalidRegex> {
        let (least, most) = match self.peek() {
            Some(b'*') => (0, None),
            Some(b'+') => (1, None),
            Some(b'?') => (0, Some(1)),
            Some(b'{') => self.bounds()?,
            _ => return Ok(node),
        };
        self.at += 1;
        // As few as possible or as many: the whole path fits or not.
        self.eat(b'?');
        if matches!(self.peek(), Some(b'*' | b'+' | b'?' | b'{')) {
            return Err(self.error("a repetition of a repetition: write (?:…) around the first"));
        }
        Ok(Node::Repeat(Box::new(node), least, most))
    }

    /// `{n}`, `{n,}` or `{n,m}`, up to the brace.
    fn bounds(&mut self) -> Result<(u32, Option<u32>), InvalidRegex> {
        let start = self.at;
        let at_start = |found| InvalidRegex::Syntax { at: start, found };
        let none = at_start("'{' that starts no repetition: write \\{");
        self.at += 1;
        let number = |parser: &mut Self| {
            let digits = parser.at;
            while parser.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                parser.at += 1;
            }
            let digits = parser.text.get(digits..parser.at).unwrap_or_default();
            match std::str::from_utf8(digits).unwrap_or_default().parse::<u32>() {
                _ if digits.is_empty() => Ok(None),
                Ok(number) if number < 1_000 => Ok(Some(number)),
                _ => Err(at_start("a repetition of more than 999 times")),
            }
        };
        let Some(least) = number(self)? else { return Err(none) };
        let most = if self.eat(b',') { number(self)? } else { Some(least) };
        if self.peek() != Some(b'}') {
            return Err(none);
        }
        if most.is_some_and(|most| most < least) {
            return Err(at_start("a repetition that ends before it starts"));
        }
        Ok((least, most))
    }

    /// One character, or one of several.
    fn class(&mut self) -> Result<Class, InvalidRegex> {
        let Some(byte) = self.peek() else { return Err(self.error("nothing")) };
        match byte {
            b'\\' => self.escape(),
            b'[' => self.set(),
            b'{' => Err(self.error("'{' that starts no repetition: write \\{")),
            b'}' => Err(self.error("'}' that ends nothing: write \\}")),
            b']' => Err(self.error("']' that ends nothing: write \\]")),
            b'.' => {
                self.at += 1;
                Ok(ANY)
            }
            _ => self.literal(),
        }
    }

    fn literal(&mut self) -> Result<Class, InvalidRegex> {
        match self.peek() {
            Some(byte) if byte.is_ascii() => {
                self.at += 1;
                Ok(only(byte))
            }
            _ => Err(self.error("a character beyond ASCII, which stands percent-encoded in paths")),
        }
    }

    fn escape(&mut self) -> Result<Class, InvalidRegex> {
        let class = match self.text.get(self.at + 1).copied() {
            Some(b'd') => digits(),
            Some(b'D') => !digits(),
            Some(b'w') => word(),
            Some(b'W') => !word(),
            Some(b's') => space(),
            Some(b'S') => !space(),
            Some(byte) if byte.is_ascii_punctuation() && byte != b'<' && byte != b'>' => only(byte),
            _ => return Err(self.error("an escape that is not understood")),
        };
        self.at += 2;
        Ok(class)
    }

    /// `[…]` or `[^…]`.
    fn set(&mut self) -> Result<Class, InvalidRegex> {
        let start = self.at;
        let at_start = |found| InvalidRegex::Syntax { at: start, found };
        self.at += 1;
        let negated = self.eat(b'^');
        let mut class = 0;
        let first = self.at;
        loop {
            let member = self.at;
            match self.peek() {
                None => return Err(at_start("'[' without ']'")),
                Some(b']') if member == first => return Err(at_start("an empty class")),
                Some(b']') => break,
                Some(b'[') => return Err(self.error("'[' in a class: write \\[")),
                Some(b'&') => return Err(self.error("'&' in a class: write \\&")),
                Some(b'~') => return Err(self.error("'~' in a class: write \\~")),
                Some(b'-') if member != first && self.text.get(member + 1) != Some(&b']') => {
                    return Err(self.error("'-' in a class: write \\-"));
                }
                _ => {}
            }
            let low = self.member()?;
            let range =
                self.peek() == Some(b'-') && self.text.get(self.at + 1).is_some_and(|next| *next != b']');
            if !range {
                class |= low;
                continue;
            }
            self.at += 1;
            if self.peek() == Some(b'[') {
                return Err(self.error("'[' in a class: write \\["));
            }
            if self.peek() == Some(b'-') || self.text.get(member) == Some(&b'-') {
                return Err(self.error("'-' in a range: write \\-"));
            }
            let high = self.member()?;
            if low.count_ones() != 1 || high.count_ones() != 1 {
                return Err(InvalidRegex::Syntax { at: member, found: "a range of more than characters" });
            }
            if high < low {
                return Err(InvalidRegex::Syntax { at: member, found: "a range that goes backwards" });
            }
            // All bits from the one to the other.
            class |= (high | (high - 1)) & !(low - 1);
        }
        self.at += 1;
        Ok(if negated { !class } else { class })
    }

    fn member(&mut self) -> Result<Class, InvalidRegex> {
        if self.peek() == Some(b'\\') { self.escape() } else { self.literal() }
    }
}

fn only(byte: u8) -> Class {
    1_u128.checked_shl(byte.into()).unwrap_or(0)
}

fn of(bytes: impl Fn(&u8) -> bool) -> Class {
    (0..128_u8).filter(bytes).fold(0, |class, byte| class | only(byte))
}

fn digits() -> Class {
    of(u8::is_ascii_digit)
}

fn word() -> Class {
    of(u8::is_ascii_alphanumeric) | only(b'_')
}

fn space() -> Class {
    of(|byte| matches!(byte, b'\t' | b'\n' | 0x0b | 0x0c | b'\r' | b' '))
}
