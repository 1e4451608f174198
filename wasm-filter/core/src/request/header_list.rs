//! A message's headers, in order.

use thiserror::Error;

use super::Sole;

/// Header names and values in the order in which they came, both as bytes. Names are compared without regard to case
/// (RFC 9110 §5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderList<'a> {
    pairs: Vec<(&'a [u8], &'a [u8])>,
    has_content: bool,
}

/// A serialized header map is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the proxy's header map is malformed: {0}")]
pub struct MalformedHeaders(&'static str);

impl<'a> HeaderList<'a> {
    /// The list of these pairs.
    #[must_use]
    pub fn from_pairs(pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        Self { pairs: pairs.into_iter().collect(), has_content: false }
    }

    /// Reads a header map as the proxy-wasm ABI (0.2.1, `proxy_get_header_map_pairs`) serializes it, without copying:
    /// a count, then the sizes of each name and value, all 32 bits in little-endian order; then the names and values,
    /// each with a NUL behind it. No bytes at all are an empty map.
    ///
    /// # Errors
    /// The bytes are not such a map: they end early or late, or a NUL is missing.
    pub fn from_serialized(map: &'a [u8]) -> Result<Self, MalformedHeaders> {
        if map.is_empty() {
            return Ok(Self::default());
        }
        let early = MalformedHeaders("it ends early");
        let (count, rest) = size(map).ok_or(early)?;
        let sizes_len = count.checked_mul(8).ok_or(early)?;
        let (sizes, mut rest) = rest.split_at_checked(sizes_len).ok_or(early)?;
        let mut pairs = Vec::with_capacity(count);
        for pair in sizes.chunks_exact(8) {
            let (name_len, value_len) = size(pair).ok_or(early)?;
            let (value_len, _) = size(value_len).ok_or(early)?;
            let name;
            let value;
            (name, rest) = text(rest, name_len)?;
            (value, rest) = text(rest, value_len)?;
            pairs.push((name, value));
        }
        if rest.is_empty() {
            Ok(Self { pairs, has_content: false })
        } else {
            Err(MalformedHeaders("it ends late"))
        }
    }

    /// The same, of a message of which more follows or not.
    #[must_use]
    pub fn with_content(mut self, has_content: bool) -> Self {
        self.has_content = has_content;
        self
    }

    /// Whether more of the message follows: content (RFC 9110 §6.4) or trailers.
    #[must_use]
    pub const fn has_content(&self) -> bool {
        self.has_content
    }

    /// All pairs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.pairs.iter().copied()
    }

    /// The values of a name, in order.
    pub fn values(&self, name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The first value of a name.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    /// The only value of a name.
    #[must_use]
    pub fn only(&self, name: &[u8]) -> Sole<&'a [u8]> {
        Sole::of(self.values(name))
    }
}

fn size(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (size, rest) = bytes.split_first_chunk()?;
    Some((usize::try_from(u32::from_le_bytes(*size)).ok()?, rest))
}

/// The first `len` bytes, and what is behind the NUL after them.
fn text(bytes: &[u8], len: usize) -> Result<(&[u8], &[u8]), MalformedHeaders> {
    let (text, rest) = bytes.split_at_checked(len).ok_or(MalformedHeaders("it ends early"))?;
    match rest.split_first() {
        Some((0, rest)) => Ok((text, rest)),
        Some(_) => Err(MalformedHeaders("a NUL is missing")),
        None => Err(MalformedHeaders("it ends early")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn serialize(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
        let mut map = (pairs.len() as u32).to_le_bytes().to_vec();
        for (name, value) in pairs {
            map.extend((name.len() as u32).to_le_bytes());
            map.extend((value.len() as u32).to_le_bytes());
        }
        for (name, value) in pairs {
            for text in [name, value] {
                map.extend(text);
                map.push(0);
            }
        }
        map
    }

    #[test]
    fn names_are_found_in_any_case_and_values_in_order() {
        let headers = HeaderList::from_pairs([(&b"X-A"[..], &b"1"[..]), (b"b", b"2"), (b"x-a", b"\xff")]);
        assert_eq!(headers.values(b"x-A").collect::<Vec<_>>(), [&b"1"[..], b"\xff"]);
        assert_eq!(headers.get(b"X-a"), Some(&b"1"[..]));
        assert_eq!(headers.only(b"x-a"), Sole::Malformed);
        assert_eq!(headers.only(b"B"), Sole::One(&b"2"[..]));
        assert_eq!(headers.only(b"c"), Sole::Missing);
    }

    #[test]
    fn a_map_that_is_not_one_is_an_error() {
        let map = serialize(&[(b"a".to_vec(), b"b".to_vec())]);
        assert_eq!(HeaderList::from_serialized(b""), Ok(HeaderList::default()));
        assert_eq!(HeaderList::from_serialized(&[0; 4]), Ok(HeaderList::default()));
        for len in 1..map.len() {
            assert!(HeaderList::from_serialized(&map[..len]).is_err(), "{len}");
        }
        assert!(HeaderList::from_serialized(&[&map[..], b"\0"].concat()).is_err());
        let mut unended = map.clone();
        *unended.last_mut().unwrap() = 1;
        assert!(HeaderList::from_serialized(&unended).is_err());
        for count in [2, 0x2000_0000, u32::MAX] {
            let map = [&count.to_le_bytes()[..], &map[4..]].concat();
            assert!(HeaderList::from_serialized(&map).is_err(), "{count}");
        }
        let long = [&map[..4], &u32::MAX.to_le_bytes(), &map[8..]].concat();
        assert!(HeaderList::from_serialized(&long).is_err());
    }

    proptest! {
        #[test]
        fn what_is_serialized_is_read_back(
            pairs in proptest::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..8),
        ) {
            let map = serialize(&pairs);
            let read = HeaderList::from_serialized(&map).unwrap();
            let want: Vec<_> = pairs.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            prop_assert_eq!(read.iter().collect::<Vec<_>>(), want);
        }

        #[test]
        fn any_bytes_are_read_or_refused(map in any::<Vec<u8>>()) {
            if let Ok(read) = HeaderList::from_serialized(&map) {
                let pairs: Vec<_> = read.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
                prop_assert!(map.is_empty() || serialize(&pairs) == map);
            }
        }
    }
}
