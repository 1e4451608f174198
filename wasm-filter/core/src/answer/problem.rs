//! Problem details.

use super::Refusal;

/// The document (RFC 9457 §3). `about:blank` says that the problem is what its status says (§4.2.1). A limit's is that of
/// draft-ietf-httpapi-ratelimit-headers, with the names of the limits that the RateLimit-Policy field shows.
pub(super) fn document(refusal: &Refusal<'_>) -> String {
    let limits = match refusal {
        Refusal::TooMany { limits } => *limits,
        _ => &[],
    };
    let kind = match refusal {
        Refusal::TooMany { .. } => "https://iana.org/assignments/http-problem-types#quota-exceeded",
        _ => "about:blank",
    };
    let status = refusal.status().to_string();
    // None of these texts holds a character that JSON would escape; names of limits are DNS labels.
    let mut document = [
        "{\"type\":\"",
        kind,
        "\",\"title\":\"",
        refusal.title(),
        "\",\"status\":",
        &status,
        ",\"detail\":\"",
        refusal.detail(),
        "\"",
    ]
    .concat();
    for (i, limit) in limits.iter().enumerate() {
        document.push_str(if i == 0 { ",\"violated-policies\":[\"" } else { ",\"" });
        document.extend(limit.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')));
        document.push('"');
    }
    if !limits.is_empty() {
        document.push(']');
    }
    document.push('}');
    document
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::answer::TokenFault;

    #[test]
    fn a_document_is_json() {
        for refusal in [
            Refusal::Malformed,
            Refusal::ManyTokens,
            Refusal::NoToken,
            Refusal::BadToken(TokenFault::Audience),
            Refusal::Claims,
            Refusal::NotReady,
            Refusal::NoLimitKey,
            Refusal::NotCounted,
            Refusal::TooManyCallers,
            Refusal::NoRule { is_signed_in: false },
            Refusal::Failed,
            Refusal::TooMany { limits: &[] },
            Refusal::TooMany { limits: &["a", "b-c", "\"\\\n"] },
        ] {
            let document: Value = serde_json::from_str(&document(&refusal)).unwrap();
            assert_eq!(document["status"], refusal.status());
            assert_eq!(document["title"], refusal.title());
            assert_eq!(document["detail"], refusal.detail());
        }
        let document: Value =
            serde_json::from_str(&document(&Refusal::TooMany { limits: &["a", "b-c"] })).unwrap();
        assert_eq!(document["violated-policies"], serde_json::json!(["a", "b-c"]));
    }
}
