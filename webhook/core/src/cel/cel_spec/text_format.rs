//! The text format of protocol buffers, as far as cel-spec's tests are written in it: fields by their names, untyped.

/// A message: its fields in their order, repeated ones several times. That of an `Any` is called by its URL.
#[derive(Clone, Debug, Default)]
pub(super) struct Message {
    fields: Vec<(String, Field)>,
}

#[derive(Clone, Debug)]
pub(super) enum Field {
    Message(Message),
    /// A string in quotes, unescaped.
    Text(Vec<u8>),
    /// A number or a name.
    Word(String),
}

impl Message {
    /// Reads a message; panics where it is none.
    pub(super) fn read(text: &str) -> Self {
        let mut reader = Reader { rest: text };
        let message = reader.message();
        assert!(reader.rest.is_empty(), "not the text format: {:.80}", reader.rest);
        message
    }

    pub(super) fn all<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m Field> {
        self.fields.iter().filter(move |(known, _)| known == name).map(|(_, field)| field)
    }

    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, field)| field)
    }

    /// The only field, as of a `oneof`.
    pub(super) fn only(&self) -> Option<(&str, &Field)> {
        match self.fields.as_slice() {
            [(name, field)] => Some((name, field)),
            _ => None,
        }
    }

    pub(super) fn messages<'m>(&'m self, name: &'m str) -> impl Iterator<Item = &'m Self> {
        self.all(name).filter_map(Field::message)
    }

    pub(super) fn message(&self, name: &str) -> Option<&Self> {
        self.field(name)?.message()
    }

    /// The text of a field; empty if it is not there.
    pub(super) fn text(&self, name: &str) -> String {
        self.field(name).and_then(Field::text).unwrap_or_default()
    }
}

impl Field {
    pub(super) fn message(&self) -> Option<&Message> {
        match self {
            Self::Message(message) => Some(message),
            _ => None,
        }
    }

    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Text(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    pub(super) fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn skip(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            match self.rest.strip_prefix('#') {
                Some(comment) => self.rest = comment.split_once('\n').map_or("", |(_, rest)| rest),
                None => return,
            }
        }
    }

    fn takes(&mut self, wanted: char) -> bool {
        self.skip();
        let rest = self.rest.strip_prefix(wanted);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn word(&mut self) -> &'t str {
        self.skip();
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || "_.+-".contains(c)));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        assert!(!word.is_empty(), "a word is wanted: {:.80}", self.rest);
        self.rest = rest;
        word
    }

    fn message(&mut self) -> Message {
        let mut message = Message::default();
        loop {
            self.skip();
            if self.rest.is_empty() || self.rest.starts_with(['}', '>']) {
                return message;
            }
            let name = if self.takes('[') {
                let (name, rest) = self.rest.split_once(']').expect("a type ends with ]");
                self.rest = rest;
                name.trim().to_owned()
            } else {
                self.word().to_owned()
            };
            self.takes(':');
            if self.takes('[') {
                while !self.takes(']') {
                    let field = self.field();
                    message.fields.push((name.clone(), field));
                    self.takes(',');
                }
            } else {
                let field = self.field();
                message.fields.push((name, field));
            }
            let _ = self.takes(',') || self.takes(';');
        }
    }

    fn field(&mut self) -> Field {
        for (open, close) in [('{', '}'), ('<', '>')] {
            if self.takes(open) {
                let message = self.message();
                assert!(self.takes(close), "{close} is wanted: {:.80}", self.rest);
                return Field::Message(message);
            }
        }
        if !self.rest.starts_with(['"', '\'']) {
            return Field::Word(self.word().to_owned());
        }
        let mut bytes = Vec::new();
        // Strings that follow one another are one.
        while let Some(quote) = self.rest.chars().next().filter(|c| ['"', '\''].contains(c)) {
            self.rest = &self.rest[1..];
            self.string(quote, &mut bytes);
            self.skip();
        }
        Field::Text(bytes)
    }

    fn string(&mut self, quote: char, bytes: &mut Vec<u8>) {
        loop {
            let character = self.next().expect("a string ends with its quote");
            match character {
                end if end == quote => return,
                '\\' => self.escape(bytes),
                other => bytes.extend(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = &self.rest[next.len_utf8()..];
        Some(next)
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) {
        let escaped = self.next().expect("an escape says what");
        match escaped {
            'a' => bytes.push(0x07),
            'b' => bytes.push(0x08),
            'f' => bytes.push(0x0c),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(0x0b),
            'x' | 'X' => bytes.push(u8::try_from(self.number(16, 2)).expect("two digits")),
            'u' | 'U' => {
                let code = self.number(16, if escaped == 'u' { 4 } else { 8 });
                let character = char::from_u32(code).expect("an escape is a character");
                bytes.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            '0'..='7' => {
                let first = escaped.to_digit(8).expect("a digit");
                let more = self.rest.chars().take(2).take_while(|c| c.is_digit(8)).count();
                let rest = self.number(8, more);
                let code = first * 8_u32.pow(u32::try_from(more).expect("two at most")) + rest;
                bytes.push(u8::try_from(code).expect("an octal escape is a byte"));
            }
            other => bytes.extend(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }

    /// The number that at most so many digits make.
    fn number(&mut self, radix: u32, most: usize) -> u32 {
        let digits = self.rest.chars().take(most).take_while(|c| c.is_digit(radix)).count();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        if number.is_empty() { 0 } else { u32::from_str_radix(number, radix).expect("digits") }
    }
}
