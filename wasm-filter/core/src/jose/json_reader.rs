//! The grammar of JSON (RFC 8259), read by descent.

use super::json::{Json, JsonError, MAX_DEPTH, Number, Object};

/// The one value that the text is.
pub(super) fn read(text: &str) -> Result<Json, JsonError> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.skip_space();
    if reader.at == text.len() { Ok(value) } else { Err(JsonError::Trailing(reader.at)) }
}

struct Reader<'t> {
    text: &'t str,
    /// How many bytes are read: always a whole number of characters.
    at: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn wrong<T>(&self) -> Result<T, JsonError> {
        Err(JsonError::Syntax(self.at))
    }

    /// Whether the text goes on with this ASCII character, which is then read.
    fn take(&mut self, wanted: u8) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        self.skip(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    /// Passes over some ASCII characters, and says how many.
    fn skip(&mut self, some: impl Fn(u8) -> bool) -> usize {
        let start = self.at;
        while self.peek().is_some_and(&some) {
            self.at += 1;
        }
        self.at - start
    }

    /// What was read from there on.
    fn since(&self, start: usize) -> Result<&'t str, JsonError> {
        self.text.get(start..self.at).ok_or(JsonError::Syntax(start))
    }

    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'n') => self.word("null", Json::Null),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            _ => self.wrong(),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, JsonError> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return self.wrong();
        }
        self.at += word.len();
        Ok(value)
    }

    /// Reads the bracket that opens a list or an object, and says how deep its elements lie.
    fn open(&mut self, depth: usize) -> Result<usize, JsonError> {
        if depth == MAX_DEPTH {
            return Err(JsonError::TooDeep(self.at));
        }
        self.at += 1;
        self.skip_space();
        Ok(depth + 1)
    }

    /// Reads what stands behind an element: whether another one follows.
    fn another(&mut self, end: u8) -> Result<bool, JsonError> {
        self.skip_space();
        if self.take(b',') {
            return Ok(true);
        }
        if self.take(end) { Ok(false) } else { self.wrong() }
    }

    fn array(&mut self, depth: usize) -> Result<Json, JsonError> {
        let depth = self.open(depth)?;
        let mut list = Vec::new();
        let mut more = !self.take(b']');
        while more {
            list.push(self.value(depth)?);
            more = self.another(b']')?;
        }
        Ok(Json::Array(list))
    }

    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        let depth = self.open(depth)?;
        let mut members = Vec::new();
        let mut more = !self.take(b'}');
        while more {
            self.skip_space();
            let name = self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return self.wrong();
            }
            members.push((name, self.value(depth)?));
            more = self.another(b'}')?;
        }
        Object::new(members).map(Json::Object).ok_or(JsonError::Duplicate(self.at))
    }

    fn number(&mut self) -> Result<Json, JsonError> {
        let start = self.at;
        self.take(b'-');
        // No digit follows a leading zero.
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        self.since(start).map(|text| Json::Number(Number::new(text)))
    }

    /// At least one digit.
    fn digits(&mut self) -> Result<(), JsonError> {
        if self.skip(|byte| byte.is_ascii_digit()) == 0 { self.wrong() } else { Ok(()) }
    }

    fn string(&mut self) -> Result<Box<str>, JsonError> {
        if !self.take(b'"') {
            return self.wrong();
        }
        let mut string = String::new();
        loop {
            let start = self.at;
            self.skip(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f));
            string.push_str(self.since(start)?);
            if self.take(b'"') {
                return Ok(string.into());
            }
            if !self.take(b'\\') {
                return self.wrong();
            }
            string.push(self.escaped()?);
        }
    }

    fn escaped(&mut self) -> Result<char, JsonError> {
        let Some(letter) = self.peek() else { return self.wrong() };
        let character = match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unicode();
            }
            _ => return self.wrong(),
        };
        self.at += 1;
        Ok(character)
    }

    /// The character of one `\uXXXX`, or of two that are a surrogate pair. A surrogate alone is no character.
    fn unicode(&mut self) -> Result<char, JsonError> {
        let start = self.at;
        let first = self.hexadecimal()?;
        let mut units = [first, 0];
        let units = if (0xd800..0xdc00).contains(&first) && self.take(b'\\') && self.take(b'u') {
            units = [first, self.hexadecimal()?];
            units.as_slice()
        } else {
            units.get(..1).unwrap_or_default()
        };
        let mut characters = char::decode_utf16(units.iter().copied());
        match (characters.next(), characters.next()) {
            (Some(Ok(character)), None) => Ok(character),
            _ => Err(JsonError::Syntax(start)),
        }
    }

    fn hexadecimal(&mut self) -> Result<u16, JsonError> {
        let mut unit = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(16)) else {
                return self.wrong();
            };
            // Four digits of four bits each are no more than sixteen.
            unit = (unit << 4) | u16::try_from(digit).unwrap_or_default();
            self.at += 1;
        }
        Ok(unit)
    }
}
