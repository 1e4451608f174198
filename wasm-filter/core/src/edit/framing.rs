//! Headers that no policy changes.

/// Headers that frame a message, belong to one hop of its way, or name its receiver. To set or remove one changes what a
/// message is, not what it says (RFC 9110 §7.2, §7.6.1, §10.1.1; RFC 9112 §6; RFC 9113 §8.2.2, §8.5).
const FRAMING: [&str; 13] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a header may not be changed: one of these, or a pseudo-header (RFC 9113 §8.3) such as `:path`, by which the
/// proxy has chosen the route.
#[must_use]
pub fn is_framing(name: &[u8]) -> bool {
    name.starts_with(b":") || FRAMING.iter().any(|framing| framing.as_bytes().eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_frames_a_message_is_known_in_any_case() {
        for (name, framing) in [
            (":path", true),
            (":authority", true),
            ("Host", true),
            ("content-length", true),
            ("Transfer-Encoding", true),
            ("content-type", false),
            ("x-host", false),
            ("canary", false),
        ] {
            assert_eq!(is_framing(name.as_bytes()), framing, "{name}");
        }
    }
}
