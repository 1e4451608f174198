//! How to sign in.

use super::Refusal;

/// A way to sign in: a challenge of WWW-Authenticate (RFC 9110 §11.6.1, RFC 6750 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme and the realm, written out.
    start: String,
}

impl Challenge {
    /// The challenge of a scheme, such as Bearer, for a realm: what of the policy names the place that is protected.
    #[must_use]
    pub fn new(scheme: &str, realm: &str) -> Self {
        let mut start = format!("{scheme} realm=\"");
        // A quoted-string (RFC 9110 §5.6.4).
        for c in realm.chars().filter(|c| matches!(c, ' '..='~')) {
            if matches!(c, '"' | '\\') {
                start.push('\\');
            }
            start.push(c);
        }
        start.push('"');
        Self { start }
    }

    /// One for each scheme, however often it is named and in whatever case (RFC 9110 §11.1).
    #[must_use]
    pub fn of_schemes<'s>(schemes: impl IntoIterator<Item = &'s str>, realm: &str) -> Vec<Self> {
        let mut known: Vec<&str> = Vec::new();
        for scheme in schemes {
            if !known.iter().any(|other| other.eq_ignore_ascii_case(scheme)) {
                known.push(scheme);
            }
        }
        known.into_iter().map(|scheme| Self::new(scheme, realm)).collect()
    }

    /// The challenge for a request that is refused.
    pub(super) fn value(&self, refusal: &Refusal<'_>) -> String {
        match refusal.error() {
            None => self.start.clone(),
            Some(error) => {
                [&self.start, ", error=\"", error, "\", error_description=\"", refusal.detail(), "\""]
                    .concat()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::TokenFault;

    #[test]
    fn a_realm_is_quoted() {
        let value = |realm| Challenge::new("Bearer", realm).value(&Refusal::NoToken);
        assert_eq!(value("shop/api"), "Bearer realm=\"shop/api\"");
        assert_eq!(value("a\"b\\c\r\né"), "Bearer realm=\"a\\\"b\\\\c\"");
    }

    #[test]
    fn each_scheme_has_one_challenge() {
        let challenges = Challenge::of_schemes(["Bearer", "bearer", "Token"], "a");
        assert_eq!(challenges, [Challenge::new("Bearer", "a"), Challenge::new("Token", "a")]);
    }

    #[test]
    fn descriptions_hold_only_what_they_may() {
        // RFC 6750 §3: %x20-21 / %x23-5B / %x5D-7E.
        use TokenFault::*;
        for fault in [
            Malformed,
            Algorithm,
            Type,
            Key,
            Signature,
            Issuer,
            Audience,
            Expired,
            NotYetValid,
            Lifetime,
            NoExpiry,
        ] {
            let text = fault.description();
            assert!(
                text.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)),
                "{text}"
            );
        }
    }
}
