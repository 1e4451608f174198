//! The protobuf wire format (protobuf.dev/programming-guides/encoding), as much of it as these messages have.

use thiserror::Error;

/// The bytes are not the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// They end in the middle of a field.
    #[error("the message ends in the middle of a field")]
    Truncated,
    /// A number takes more than ten bytes or 64 bits.
    #[error("a number is longer than 64 bits")]
    Varint,
    /// A field has number 0, a type that does not exist, or not the type it should have.
    #[error("a field has a wrong number or type")]
    Field,
    /// A group ends that did not begin, does not end, or has more than 100 others around it.
    #[error("a group does not end where it should")]
    Group,
}

/// The value of a field. The numbers of fixed size are of no field that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed,
    Bytes(&'a [u8]),
    Group,
}

impl<'a> Value<'a> {
    pub(super) const fn varint(self) -> Result<u64, Malformed> {
        match self {
            Self::Varint(number) => Ok(number),
            _ => Err(Malformed::Field),
        }
    }

    /// A 32-bit field: of a longer number the lower bits count.
    pub(super) fn u32(self) -> Result<u32, Malformed> {
        self.varint().map(|number| number as u32)
    }

    pub(super) const fn message(self) -> Result<Message<'a>, Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(Message(bytes)),
            _ => Err(Malformed::Field),
        }
    }
}

/// What is left of a message to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a>(pub(super) &'a [u8]);

/// How deep groups may be nested.
const DEEPEST: usize = 100;

impl<'a> Message<'a> {
    /// The next field, with its number.
    pub(super) fn field(&mut self) -> Result<Option<(u32, Value<'a>)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (number, kind) = self.tag()?;
        let value = match kind {
            3 => {
                self.skip_group(number)?;
                Value::Group
            }
            4 => return Err(Malformed::Group),
            _ => self.value(kind)?,
        };
        Ok(Some((number, value)))
    }

    fn tag(&mut self) -> Result<(u32, u8), Malformed> {
        let tag = u32::try_from(self.varint()?).map_err(|_| Malformed::Field)?;
        if tag >> 3 == 0 {
            return Err(Malformed::Field);
        }
        Ok((tag >> 3, (tag & 7) as u8))
    }

    fn value(&mut self, kind: u8) -> Result<Value<'a>, Malformed> {
        Ok(match kind {
            0 => Value::Varint(self.varint()?),
            1 => {
                self.take(8)?;
                Value::Fixed
            }
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed::Truncated)?;
                Value::Bytes(self.take(length)?)
            }
            5 => {
                self.take(4)?;
                Value::Fixed
            }
            _ => return Err(Malformed::Field),
        })
    }

    /// Groups are long deprecated, and skipped.
    fn skip_group(&mut self, number: u32) -> Result<(), Malformed> {
        let mut open = vec![number];
        while let Some(innermost) = open.last() {
            match self.tag()? {
                (number, 4) if number == *innermost => {
                    open.pop();
                }
                (_, 4) => return Err(Malformed::Group),
                (_, 3) if open.len() >= DEEPEST => return Err(Malformed::Group),
                (number, 3) => open.push(number),
                (_, kind) => {
                    self.value(kind)?;
                }
            }
        }
        Ok(())
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or(Malformed::Truncated)?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Malformed::Varint);
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed::Varint)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// Writes a field that is a number; one that is 0 is left out.
pub(super) fn write_number(message: &mut Vec<u8>, field: u8, number: u64) {
    if number != 0 {
        message.push(field << 3);
        write_varint(message, number);
    }
}

/// Writes a field that is a string or a message.
pub(super) fn write_bytes(message: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    message.push(field << 3 | 2);
    write_varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

fn write_varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}
