//! What servers do to the paths of requests, one habit after the other: for tests of what no habit may change.

/// How many habits there are.
pub(crate) const HABITS: u8 = 10;
/// The habits from this one on do away with differences that RFC 3986 makes: letters' case and a slash at the end.
pub(crate) const LAX: u8 = 8;

/// What a server with a habit makes of a path.
#[must_use]
pub(crate) fn seen(path: Vec<u8>, habit: u8) -> Vec<u8> {
    match habit {
        0 => decoded(&path),
        1 => path.into_iter().map(|byte| if byte == b'\\' { b'/' } else { byte }).collect(),
        2 => {
            let mut merged = path;
            merged.dedup_by(|next, last| *next == b'/' && *last == b'/');
            merged
        }
        3 => without_dot_segments(&path),
        4 => {
            let segments = path.split(|byte| *byte == b'/').map(|segment| until(segment, b";"));
            segments.collect::<Vec<_>>().join(&b'/')
        }
        5 => until(&path, b"\0").to_vec(),
        6 => until(&path, b"?#").to_vec(),
        7 => path.into_iter().filter(|byte| *byte != 0).collect(),
        8 => path.to_ascii_lowercase(),
        9 if path.len() > 1 => path.strip_suffix(b"/").map(<[u8]>::to_vec).unwrap_or(path),
        _ => path,
    }
}

fn until<'p>(path: &'p [u8], end: &[u8]) -> &'p [u8] {
    path.split(|byte| end.contains(byte)).next().unwrap_or_default()
}

/// Decodes what is percent-encoded, and leaves what is not.
fn decoded(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = path;
    while let [first, tail @ ..] = rest {
        let digits =
            tail.get(..2).filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let byte = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    decoded
}

/// RFC 3986 §5.2.4.
fn without_dot_segments(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = path.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            b"." => {}
            b".." => drop(kept.pop()),
            other => {
                kept.push(other);
                continue;
            }
        }
        if segments.peek().is_none() {
            kept.push(b"");
        }
    }
    [b"/", &*kept.join(&b'/')].concat()
}
