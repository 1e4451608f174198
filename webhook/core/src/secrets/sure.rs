//! What is a secret for sure: it stands by itself, as its issuer writes it.

use super::Kind;
use super::pattern::{BEGINS, DOT, ENCODED_PEM, ENDS, EQUALS, Source, source};
use super::value::{always, is_aws_secret_key, is_like_a_password, is_literal, is_no_port, is_random};

/// The names of settings whose value is a secret: ADO.NET, libpq, JDBC, Azure, Java's options.
const SETTINGS: &str =
    "password|passwd|pwd|passphrase|accountkey|sharedaccesskey|sharedaccesssignature|client_?secret";
/// Names that stand for other things as well, so that the value must look like a secret too.
const SHORT_SETTINGS: &str = "pass|(?:x-)?api[_-]?key|auth[_-]?token|access[_-]?token";

pub(super) fn sources() -> Vec<Source> {
    vec![
        // Copied text has other spaces in it.
        source(Kind::PrivateKey, r"-----BEGIN\s(?:[A-Z0-9]+\s){0,4}PRIVATE\sKEY(?:\sBLOCK)?-----", always),
        source(Kind::PrivateKey, ENCODED_PEM, always),
        source(Kind::PrivateKey, "AGE-SECRET-KEY-1", always),
        // A header and a payload, both JSON objects in base64url, and a signature (RFC 7515 section 7.1).
        (
            Kind::Jwt,
            format!(r"{BEGINS}(?P<s>eyJ[A-Za-z0-9_-]*{DOT}eyJ[A-Za-z0-9_-]*{DOT}[A-Za-z0-9_-]{{16,}}){ENDS}"),
            always,
        ),
        (Kind::AwsKeyId, format!("{BEGINS}(?P<s>A[KS]IA[A-Z0-9]{{16}}){ENDS}"), always),
        source(Kind::SlackWebhook, "://hooks\\.slack\\.com/services/T", always),
        source(
            Kind::AwsSecretKey,
            r#"(?:^|[\s"'=:,;])(?P<s>[A-Za-z0-9/+]{40})(?:$|[\s"',;])"#,
            is_aws_secret_key,
        ),
        source(Kind::Bearer, r"(?i:bearer)[\s:=]+(?P<s>[A-Za-z0-9._~+/-]{16,}=*)", is_random),
        source(Kind::Basic, r"(?i:basic)[\s:=]+(?P<s>[A-Za-z0-9+/]{16,}=*)", is_random),
        // What should be escaped in a password often isn't. Without a slash in it, its user may have an @.
        source(
            Kind::InUrl,
            r#"://(?:[^/?#"'\s:]*:(?P<s>[^/?#"'\s]+)|[^/?#"'\s:@]*:(?P<t>[^"'\s]+))@"#,
            is_no_port,
        ),
        source(
            Kind::InArgument,
            r#"(?:^|[\s"'=,])-{1,2}(?i:password|passwd|passphrase|client-secret|api-key|access-token|auth-token)(?:\s+|["']\s*,\s*)["']?(?P<s>[^\s"'\-][^\s"']*)"#,
            is_literal,
        ),
        source(
            Kind::InArgument,
            r#"\bcurl\s(?:[^\n|;&]*\s)?(?:-u|--user)[\s=]?["']?[^\s"':/]+:(?P<s>[^\s"']+)"#,
            is_literal,
        ),
        source(
            Kind::InDataSourceName,
            r#"(?:^|[^A-Za-z0-9_.:/-])[^\s:@/"']*:(?P<s>[^\s"']+?)@(?:tcp|unix)\("#,
            is_literal,
        ),
        // By itself it is no setting among others but an assignment, as `password=` may begin a message.
        (
            Kind::InSetting,
            format!(
                r#"(?:^|[;&?\s,."'{{(]|--)(?i:{SETTINGS})\s{{0,2}}{EQUALS}\s{{0,2}}(?:["'](?P<s>[^"']*)|(?P<t>[^;&\s,"']*))"#
            ),
            is_literal,
        ),
        (
            Kind::InSetting,
            format!(
                r#"(?:^|[;&?\s,."'{{(]|--)(?i:{SETTINGS}|{SHORT_SETTINGS})["']?\s{{0,2}}(?:{EQUALS}|:)\s{{0,2}}["']?(?P<s>[^;&\s,"']*)"#
            ),
            is_like_a_password,
        ),
        (
            Kind::InSetting,
            format!(
                r#"(?i:{SETTINGS})\\?["']\s{{0,2}}:\s{{0,2}}(?:\\?["'](?P<s>[^"'\\]*)|(?P<t>[^\s"'\\,}}\]\[{{]+))"#
            ),
            is_literal,
        ),
        (
            Kind::InSetting,
            format!(
                r#"(?m)(?:^[ \t]*(?:- )?|[{{,]\s{{0,2}})[A-Za-z0-9_.-]{{0,64}}(?i:{SETTINGS})[ \t]?:[ \t]+(?:["'](?P<s>[^"']*)|(?P<t>[^\s"'#,}}\[{{&*>|!]\S*))"#
            ),
            is_literal,
        ),
    ]
}
