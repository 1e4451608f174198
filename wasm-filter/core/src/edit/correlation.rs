//! An identifier that a request carries through all services.

use std::borrow::Cow;

use sallyport_policy::card;

use crate::CorrelationAccept;
use crate::request::{HeaderList, Sole};

/// The longest identifier of a client's that is kept.
const LONGEST: usize = 128;

/// The identifier of a request: the client's in `header`, the trace-id of its `traceparent`, or a new one, as far as
/// `accept` allows each. A new one is the UUID (RFC 9562 §5.4) that these random bytes make.
#[must_use]
pub fn correlation_id<'a>(
    accept: CorrelationAccept,
    header: &str,
    headers: &HeaderList<'a>,
    random: [u8; 16],
) -> Cow<'a, [u8]> {
    let own = (accept == CorrelationAccept::Valid)
        .then(|| headers.only(header.as_bytes()).one().filter(|id| is_valid(id)))
        .flatten();
    let trace = || (accept != CorrelationAccept::Never).then(|| trace_id(headers)).flatten();
    own.or_else(trace).map_or_else(|| Cow::Owned(uuid(random)), Cow::Borrowed)
}

fn is_valid(id: &[u8]) -> bool {
    let good = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=LONGEST).contains(&id.len()) && id.iter().all(good) && !is_secret(id)
}

/// Whether this is no identifier but the number of a payment card or a JSON Web Token, sent in its place: identifiers go
/// into the logs of all services.
fn is_secret(id: &[u8]) -> bool {
    let parts = || id.split(|byte| *byte == b'.');
    let is_token = parts().nth(1).is_some() && parts().any(|part| part.starts_with(b"eyJ"));
    is_token || card::is_in(&String::from_utf8_lossy(id).replace('_', "-"))
}

/// The trace-id of a valid `traceparent` (W3C Trace Context §3.2): 32 hexadecimal digits in lower case. Of a later version
/// than 00, what follows the flags is not looked at (§4.3).
#[must_use]
pub fn trace_id<'a>(headers: &HeaderList<'a>) -> Option<&'a [u8]> {
    let Sole::One(parent) = headers.only(b"traceparent") else { return None };
    let mut fields = parent.splitn(5, |byte| *byte == b'-');
    let mut field = |len: usize| {
        let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        fields.next().filter(|field| field.len() == len && field.iter().all(hex))
    };
    let (version, trace, parent, _flags) = (field(2)?, field(32)?, field(16)?, field(2)?);
    let zero = |id: &[u8]| id.iter().all(|byte| *byte == b'0');
    let known = version == b"00" && fields.next().is_none() || version != b"00" && version != b"ff";
    (known && !zero(trace) && !zero(parent)).then_some(trace)
}

/// A UUID of version 4.
fn uuid(random: [u8; 16]) -> Vec<u8> {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = random;
    let bytes = [a, b, c, d, e, f, g & 0x0f | 0x40, h, i & 0x3f | 0x80, j, k, l, m, n, o, p];
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' - 10 + nibble };
    let mut text = Vec::with_capacity(36);
    for (at, byte) in bytes.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push(b'-');
        }
        text.extend([digit(byte >> 4), digit(byte & 0x0f)]);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn list<'a>(pairs: &[(&'a str, &'a str)]) -> HeaderList<'a> {
        HeaderList::from_pairs(pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
    }

    #[test]
    fn what_is_accepted_of_the_client_is_kept() {
        let new = "ffffffff-ffff-4fff-bfff-ffffffffffff";
        let trace = &TRACE[3..35];
        let long = "a".repeat(129);
        use CorrelationAccept::{Never, Trace, Valid};
        for (accept, pairs, wanted) in [
            (Never, &[("x-id", "a"), ("traceparent", TRACE)][..], new),
            (Trace, &[("x-id", "a"), ("traceparent", TRACE)], trace),
            (Trace, &[("x-id", "a")], new),
            (Valid, &[("X-ID", "a.B-c_1"), ("traceparent", TRACE)], "a.B-c_1"),
            (Valid, &[("x-id", "a b"), ("traceparent", TRACE)], trace),
            (Valid, &[("x-id", "a"), ("x-id", "a")], new),
            (Valid, &[("x-id", "")], new),
            (Valid, &[("x-id", "a\r\nb")], new),
            (Valid, &[("x-id", long.as_str())], new),
            (Valid, &[("x-id", &long[1..])], &long[1..]),
            (Valid, &[], new),
            (Valid, &[("x-id", "4111111111111111")], new),
            (Valid, &[("x-id", "pay_4111-1111-1111-1111")], new),
            (Valid, &[("x-id", "eyJhbGciOiJub25lIn0.e30.")], new),
            (Valid, &[("x-id", "ffffffff-ffff-4fff-bfff-ffffffffffff")], new),
            (
                Valid,
                &[("x-id", "41111111-1111-4111-8111-111111111111")],
                "41111111-1111-4111-8111-111111111111",
            ),
            (Valid, &[("x-id", "4111111111111112")], "4111111111111112"),
        ] {
            let id = correlation_id(accept, "x-id", &list(pairs), [0xff; 16]);
            assert_eq!(String::from_utf8(id.to_vec()).unwrap(), wanted, "{accept:?} {pairs:?}");
        }
    }

    #[test]
    fn only_a_valid_traceparent_has_a_trace() {
        let id = &TRACE.as_bytes()[3..35];
        assert_eq!(trace_id(&list(&[("TraceParent", TRACE)])), Some(id));
        for (parent, valid) in [
            (TRACE.to_owned(), true),
            (TRACE.replacen("00-", "cc-", 1), true),
            (TRACE.replacen("00-", "cc-", 1) + "-what-comes", true),
            (TRACE.replacen("00-", "ff-", 1), false),
            (TRACE.to_owned() + "-more", false),
            (TRACE.to_owned() + "-", false),
            (TRACE.to_uppercase(), false),
            (TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)), false),
            (TRACE.replace("00f067aa0ba902b7", &"0".repeat(16)), false),
            (TRACE[1..].to_owned(), false),
            (TRACE[..54].to_owned(), false),
            (TRACE[..52].to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(trace_id(&list(&[("traceparent", &parent)])).is_some(), valid, "{parent}");
        }
        assert_eq!(trace_id(&list(&[("traceparent", TRACE), ("traceparent", TRACE)])), None);
    }

    proptest! {
        #[test]
        fn a_new_identifier_is_a_uuid_of_version_4(random in any::<[u8; 16]>()) {
            let id = String::from_utf8(uuid(random)).unwrap();
            let form = regex::Regex::new("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$");
            prop_assert!(form.unwrap().is_match(&id), "{}", id);
            prop_assert_eq!(&id[..8], format!("{:08x}", u32::from_be_bytes(random[..4].try_into().unwrap())));
            prop_assert_eq!(&id[24..], random[10..].iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        }

        #[test]
        fn any_traceparent_is_read(parent in any::<Vec<u8>>()) {
            let headers = HeaderList::from_pairs([(&b"traceparent"[..], &parent[..])]);
            prop_assert!(trace_id(&headers).is_none_or(|id| id.len() == 32));
        }
    }
}
