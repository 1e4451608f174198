//! What may be a secret, wherever it stands.

use super::Kind;
use super::pattern::{DOT, ENCODED_PEM, EQUALS, Source, source};
use super::value::{always, is_aws_secret_key, is_no_report};

/// What may be a part of such a name.
const WARY_SETTINGS: &str = "passwor[dt]|passwd|pwd|passphrase|secret|token|api[_-]?key|access[_-]?key|account_?key|\
                             accesssignature|private[_-]?key|credentials?";

pub(super) fn sources() -> Vec<Source> {
    vec![
        source(
            Kind::PrivateKey,
            r"-----BEGIN[A-Z0-9\s]+-----(?s:.*?)(?:-----END[A-Z0-9\s]+-----|\z)",
            always,
        ),
        (Kind::PrivateKey, format!("(?:{ENCODED_PEM})[A-Za-z0-9+/=_-]*"), always),
        source(Kind::PrivateKey, "AGE-SECRET-KEY-1[0-9A-Za-z]*", always),
        // RFC 7515: a JSON object in base64url begins so.
        (
            Kind::Jwt,
            format!(r"eyJ[A-Za-z0-9_-]{{8,}}{DOT}[A-Za-z0-9_-]{{8,}}(?:{DOT}(?:{DOT}|[A-Za-z0-9_-])*)?"),
            always,
        ),
        source(Kind::AwsKeyId, "(?:AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA)[A-Z0-9]{16}", always),
        source(Kind::SlackWebhook, r"hooks\.slack\.com/services/(?P<s>T[A-Za-z0-9/]+)", always),
        source(
            Kind::AwsSecretKey,
            r"(?:^|[^A-Za-z0-9/+])(?P<s>[A-Za-z0-9/+]{40})(?:$|[^A-Za-z0-9/+])",
            is_aws_secret_key,
        ),
        // RFC 6750: b64token.
        source(Kind::Bearer, r"(?i:bearer)[\s:=]+(?P<s>[A-Za-z0-9._~+/-]{16,}=*)", always),
        // RFC 7617: user and password in base64.
        source(Kind::Basic, r"(?i:basic)[\s:=]+(?P<s>[A-Za-z0-9+/]{16,}=*)", always),
        // RFC 3986 section 3.2.1.
        source(Kind::InUrl, r#"://[^\s/:@]*:(?P<s>[^\s"'\[]+)@"#, always),
        source(Kind::InUrl, r"://[^\s/:]*:(?P<s>[^\s/\[]+)@", always),
        source(
            Kind::InArgument,
            r#"-(?i:password|passwd|passphrase|pass|secret|token|api-?key|client-secret)(?:\s+|\\?["']\s*,\s*)\\?["']?(?P<s>[^\s"'\\\-\[][^\s"'\\\[]*)"#,
            always,
        ),
        source(Kind::InArgument, r#"\s(?:-u|--user)[\s=]\\?["']?[^\s"':/\\]+:(?P<s>[^\s"'\\\[]+)"#, always),
        source(Kind::InDataSourceName, r#"[^\s:@/"'\[]*:(?P<s>[^\s"'\[]+?)@(?:tcp|unix)\("#, always),
        (
            Kind::InSetting,
            format!(
                r#"(?i:{WARY_SETTINGS}|\bpass)\\?["']?\s{{0,3}}{EQUALS}\s{{0,3}}(?:\\?["'](?P<s>[^"'\\\[]+)|(?P<t>[^\s"'\\&,;\[\]]+))"#
            ),
            always,
        ),
        (
            Kind::InSetting,
            format!(
                r#"(?i:{WARY_SETTINGS})\\?["']\s{{0,3}}:\s{{0,3}}(?:\\?["'](?P<s>[^"'\\\[]+)|(?P<t>[^\s"'\\,}}\[\]{{]+))"#
            ),
            is_no_report,
        ),
        source(
            Kind::InSetting,
            r#"(?i:passwor[dt]|passwd|pwd|passphrase|api[_-]key)\s{0,2}:\s{0,3}(?:\\?["'](?P<s>[^"'\\\[]+)|(?P<t>[^\s"'\\\[\]{},;]+))"#,
            is_no_report,
        ),
        // Shorter ones are what is said of a field of that name.
        (
            Kind::InSetting,
            format!(r#"(?i:{WARY_SETTINGS})\s{{0,2}}:\s{{1,3}}(?P<s>[^\s"'\\\[\]{{}},;]{{16,}})"#),
            always,
        ),
    ]
}
