//! What a client speaks.

use super::HeaderList;

/// The form in which a client best understands an answer that is not the application's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// A gRPC status.
    Grpc(Grpc),
    /// JSON problem details (RFC 9457).
    Problem,
    /// Plain text.
    Text,
}

/// A kind of gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grpc {
    /// gRPC over HTTP/2: `application/grpc`.
    Plain,
    /// gRPC-Web: `application/grpc-web`.
    Web,
    /// gRPC-Web in base64: `application/grpc-web-text`.
    WebText,
}

/// Whether a request is a gRPC call: by its content type, with or without a format (`+proto`) or parameters.
#[must_use]
pub fn grpc(headers: &HeaderList<'_>) -> Option<Grpc> {
    let media = headers.get(b"content-type")?;
    let end = media.iter().position(|byte| matches!(byte, b';' | b'+' | b' ' | b'\t')).unwrap_or(media.len());
    let is = |name: &[u8]| media.get(..end).is_some_and(|media| media.eq_ignore_ascii_case(name));
    if is(b"application/grpc") {
        Some(Grpc::Plain)
    } else if is(b"application/grpc-web") {
        Some(Grpc::Web)
    } else if is(b"application/grpc-web-text") {
        Some(Grpc::WebText)
    } else {
        None
    }
}

/// The form of an answer for this request. Problem details unless Accept (RFC 9110 §12.5.1) prefers text or HTML, as
/// browsers do. Of equal preferences, and where nothing fits, problem details.
#[must_use]
pub fn dialect(headers: &HeaderList<'_>) -> Dialect {
    if let Some(grpc) = grpc(headers) {
        return Dialect::Grpc(grpc);
    }
    let (mut problem, mut text) = (0, 0);
    for range in headers.values(b"accept").flat_map(|line| line.split(|byte| *byte == b',')) {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let media = parts.next().unwrap_or_default();
        let weight = parts.find_map(weight).unwrap_or(1000);
        let is = |name: &str| media.eq_ignore_ascii_case(name.as_bytes());
        if is("application/problem+json") || is("application/json") || is("application/*") {
            problem = problem.max(weight);
        } else if is("text/plain") || is("text/html") || is("text/*") {
            text = text.max(weight);
        }
    }
    if text > problem { Dialect::Text } else { Dialect::Problem }
}

/// A weight (RFC 9110 §12.4.2) in thousandths, of a parameter that is one.
fn weight(parameter: &[u8]) -> Option<u32> {
    let value = match parameter {
        [b'q' | b'Q', b'=', value @ ..] => std::str::from_utf8(value).ok()?,
        _ => return None,
    };
    let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
    if whole == "1" {
        return Some(1000);
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    Some(digits.fold(0, |sum, digit| sum * 10 + u32::from(digit.saturating_sub(b'0').min(9))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_call_is_known_by_its_content_type() {
        for (media, wanted) in [
            ("application/grpc", Some(Grpc::Plain)),
            ("application/grpc+proto", Some(Grpc::Plain)),
            ("Application/gRPC; charset=utf-8", Some(Grpc::Plain)),
            ("application/grpc-web", Some(Grpc::Web)),
            ("application/grpc-web+json", Some(Grpc::Web)),
            ("application/grpc-web-text", Some(Grpc::WebText)),
            ("application/grpcx", None),
            ("application/json", None),
            ("", None),
        ] {
            let headers = HeaderList::from_pairs([(&b"content-type"[..], media.as_bytes())]);
            assert_eq!(grpc(&headers), wanted, "{media}");
        }
    }

    #[test]
    fn text_is_for_those_who_prefer_it() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        for (accept, wanted) in [
            (None, Dialect::Problem),
            (Some("*/*"), Dialect::Problem),
            (Some(browser), Dialect::Text),
            (Some("text/plain"), Dialect::Text),
            (Some("TEXT/*;q=0.1"), Dialect::Text),
            (Some("application/json"), Dialect::Problem),
            (Some("application/problem+json, text/plain"), Dialect::Problem),
            (Some("application/json;q=0.5, text/plain;q=0.6"), Dialect::Text),
            (Some("application/json;v=1;q=0.5, text/plain;q=0.25"), Dialect::Problem),
            (Some("text/plain;q=0"), Dialect::Problem),
            (Some("text/plain;q=x"), Dialect::Problem),
            (Some("image/png"), Dialect::Problem),
            (Some(",;,="), Dialect::Problem),
        ] {
            let headers = HeaderList::from_pairs(accept.map(|accept| (&b"accept"[..], accept.as_bytes())));
            assert_eq!(dialect(&headers), wanted, "{accept:?}");
        }
    }
}
