//! Statuses of gRPC.

use std::borrow::Cow;

/// A status of gRPC (grpc.io, Status codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrpcStatus {
    /// INVALID_ARGUMENT.
    InvalidArgument,
    /// PERMISSION_DENIED.
    PermissionDenied,
    /// RESOURCE_EXHAUSTED.
    ResourceExhausted,
    /// UNAVAILABLE.
    Unavailable,
    /// UNAUTHENTICATED.
    Unauthenticated,
}

impl GrpcStatus {
    /// Its number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::InvalidArgument => 3,
            Self::PermissionDenied => 7,
            Self::ResourceExhausted => 8,
            Self::Unavailable => 14,
            Self::Unauthenticated => 16,
        }
    }
}

/// A text as `grpc-message` holds it (gRPC over HTTP/2, Responses): bytes other than visible ASCII and space are
/// percent-encoded, and so is `%`.
#[must_use]
pub fn encode_message(text: &'static str) -> Cow<'static, str> {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'%';
    if text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::new();
    for byte in text.bytes() {
        if plain(byte) {
            encoded.push(byte.into());
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    Cow::Owned(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_percent_encoded_where_it_must() {
        assert_eq!(encode_message("A token is needed: ~"), "A token is needed: ~");
        assert_eq!(encode_message("100% é\n"), "100%25 %C3%A9%0A");
    }
}
