//! Secrets that a regular expression finds.
//!
//! One search over all of them says whether there is any, as there is none in most texts.

use std::sync::LazyLock;

use regex::Regex;

use super::token::{ENOUGH, TOKENS};
use super::{Found, Kind, Look};

/// What a match must be beside.
type Check = fn(&str) -> bool;

/// What is looked for. Of a match, the group `s` is the secret, where there is one.
struct Pattern {
    kind: Kind,
    regex: Regex,
    check: Check,
}

struct Patterns {
    each: Vec<Pattern>,
    any: Regex,
}

static SURE: LazyLock<Option<Patterns>> = LazyLock::new(|| Patterns::compile(Look::Sure));
static WARY: LazyLock<Option<Patterns>> = LazyLock::new(|| Patterns::compile(Look::Wary));

/// Everything of this kind in a text, in any order. Two may overlap.
pub(super) fn find(text: &str, look: Look) -> Vec<Found> {
    let patterns = match look {
        Look::Sure => &SURE,
        Look::Wary => &WARY,
    };
    let Some(patterns) = patterns.as_ref().filter(|patterns| patterns.any.is_match(text)) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for Pattern { kind, regex, check } in &patterns.each {
        found.extend(regex.captures_iter(text).filter_map(|captures| {
            let groups = ["s", "t"].into_iter().find_map(|group| captures.name(group));
            let secret = groups.or_else(|| captures.get(0)).filter(|secret| check(secret.as_str()))?;
            Some(Found { range: secret.range(), kind: *kind })
        }));
    }
    found
}

impl Patterns {
    fn compile(look: Look) -> Option<Self> {
        let sources = tokens(look).chain(others(look)).collect::<Vec<_>>();
        let all: Vec<String> = sources
            .iter()
            .map(|(_, source, _)| source.replace("(?P<s>", "(?:").replace("(?P<t>", "(?:"))
            .collect();
        let each = sources
            .into_iter()
            .map(|(kind, source, check)| Regex::new(&source).ok().map(|regex| Pattern { kind, regex, check }))
            .collect::<Option<Vec<_>>>()?;
        Some(Self { each, any: Regex::new(&all.join("|")).ok()? })
    }
}

type Source = (Kind, String, Check);

/// What parts a token's segments, as it is and as a URL writes it.
const DOT: &str = r"(?:\.|%2[Ee])";

/// What one token ends before, or begins after, where it stands by itself.
const BEGINS: &str = "(?:^|[^A-Za-z0-9_.-])";
const ENDS: &str = r"(?:\.*$|\.*[^A-Za-z0-9_.-])";

fn tokens(look: Look) -> impl Iterator<Item = Source> {
    // Those of one issuer are one expression.
    let mut kinds: Vec<&str> = TOKENS.iter().map(|(.., what)| *what).collect();
    kinds.dedup();
    kinds.into_iter().map(move |kind| {
        let of_kind = TOKENS.iter().filter(|(.., what)| *what == kind);
        let each: Vec<String> = of_kind
            .map(|(begin, length, of, _)| {
                let least = match look {
                    Look::Wary if begin.ends_with(['_', '-', '.']) => ENOUGH.min(*length),
                    _ => *length,
                };
                format!("{}{}{{{least},}}", regex::escape(begin), of.class())
            })
            .collect();
        let each = each.join("|");
        let source = match look {
            Look::Sure => format!("{BEGINS}(?P<s>{each}){ENDS}"),
            Look::Wary => each,
        };
        (Kind::Token(kind), source, always as Check)
    })
}

fn always(_: &str) -> bool {
    true
}

/// What base64 makes of the first line of a PEM file that holds a private key (RFC 7468 section 10).
const ENCODED_PEM: &str = "LS0tLS1CRUdJTiB(?:QUklWQVRF|SU0EgUFJJVkFURS|FQyBQUklWQVRF|FTkNSWVBURUQg|PUEVOU1NIIFBSSVZBVE|\
                           EU0EgUFJJVkFURS|QR1AgUFJJVkFUR)";

/// An equals sign, as it is and as a URL writes it.
const EQUALS: &str = "(?:=|%3[Dd])";

/// The names of settings whose value is a secret: ADO.NET, libpq, JDBC, Azure, Java's options.
const SETTINGS: &str =
    "password|passwd|pwd|passphrase|accountkey|sharedaccesskey|sharedaccesssignature|client_?secret";
/// What may be a part of such a name.
const WARY_SETTINGS: &str = "passwor[dt]|passwd|pwd|passphrase|secret|token|api[_-]?key|access[_-]?key|account_?key|\
                             accesssignature|private[_-]?key|credentials?";
/// Names that stand for other things as well, so that the value must look like a secret too.
const SHORT_SETTINGS: &str = "pass|(?:x-)?api[_-]?key|auth[_-]?token|access[_-]?token";

fn others(look: Look) -> impl Iterator<Item = Source> {
    let source = |kind, source: &str, check: Check| (kind, source.to_owned(), check);
    match look {
        Look::Sure => vec![
            // Copied text has other spaces in it.
            source(
                Kind::PrivateKey,
                r"-----BEGIN\s(?:[A-Z0-9]+\s){0,4}PRIVATE\sKEY(?:\sBLOCK)?-----",
                always,
            ),
            source(Kind::PrivateKey, ENCODED_PEM, always),
            source(Kind::PrivateKey, "AGE-SECRET-KEY-1", always),
            // A header and a payload, both JSON objects in base64url, and a signature (RFC 7515 section 7.1).
            (
                Kind::Jwt,
                format!(
                    r"{BEGINS}(?P<s>eyJ[A-Za-z0-9_-]*{DOT}eyJ[A-Za-z0-9_-]*{DOT}[A-Za-z0-9_-]{{16,}}){ENDS}"
                ),
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
        ],
        Look::Wary => vec![
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
            source(
                Kind::AwsKeyId,
                "(?:AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA)[A-Z0-9]{16}",
                always,
            ),
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
            source(
                Kind::InArgument,
                r#"\s(?:-u|--user)[\s=]\\?["']?[^\s"':/\\]+:(?P<s>[^\s"'\\\[]+)"#,
                always,
            ),
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
        ],
    }
    .into_iter()
}

/// 40 characters of base64 of all sorts. A commit's hash has no upper case, and a path or a class name is of words.
fn is_aws_secret_key(value: &str) -> bool {
    let count = |is: fn(&u8) -> bool| value.as_bytes().iter().filter(|byte| is(byte)).count();
    let longest = value.split(|c: char| !c.is_ascii_lowercase()).map(str::len).max().unwrap_or(0);
    count(u8::is_ascii_uppercase) >= 6
        && count(u8::is_ascii_lowercase) >= 6
        && count(u8::is_ascii_digit) >= 2
        && longest <= 9
}

/// Whether it is of letters and digits, and no word.
fn is_random(value: &str) -> bool {
    let value = value.as_bytes();
    value.iter().any(u8::is_ascii_digit) && value.iter().any(u8::is_ascii_alphabetic)
}

/// Whether what follows a host in a URL is a password, and no port with a path behind it.
fn is_no_port(text: &str) -> bool {
    let is_port = |port: &str| {
        (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()) || !is_literal(port)
    };
    let port = text.find(['/', '?', '#']).and_then(|end| text.get(..end));
    is_literal(text) && !port.is_some_and(is_port)
}

/// Whether a value is a password and, beside the name that it has, can be nothing else.
fn is_like_a_password(value: &str) -> bool {
    value.len() >= 6 && is_random(value) && is_literal(value)
}

/// Whether a password is there, and is no reference to one and no switch.
fn is_literal(password: &str) -> bool {
    let is_between = |open, close| password.starts_with(open) && password.ends_with(close);
    let stands_for_another = are_references(password)
        || is_between("<", ">")
        || is_between("{{", "}}")
        || password.bytes().all(|byte| byte == b'*');
    const SWITCHES: [&str; 8] = ["true", "false", "yes", "no", "null", "none", "required", "optional"];
    let is_switch = SWITCHES.iter().any(|switch| password.eq_ignore_ascii_case(switch));
    !password.is_empty() && !stands_for_another && !is_switch
}

/// Whether a text is of references to variables and of nothing else, as Kubernetes or a shell has them.
fn are_references(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let inside =
            |open: &str, close: char| rest.strip_prefix(open).and_then(|rest| rest.split_once(close));
        let Some((name, after)) = inside("$(", ')').or_else(|| inside("${", '}')) else { return false };
        let is_of_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        if name.is_empty() || !name.bytes().all(is_of_name) {
            return false;
        }
        rest = after;
    }
    !text.is_empty()
}

/// Whether it isn't the first word of what is said of a field of that name.
fn is_no_report(value: &str) -> bool {
    const SAID: [&str; 12] =
        ["found", "expected", "wanted", "must", "is", "unknown", "missing", "a", "an", "the", "no", "not"];
    !SAID.contains(&value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_one() {
        assert!(SURE.is_some() && WARY.is_some());
    }
}
