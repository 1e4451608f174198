//! Values that have the shape of a secret, whatever they are called.

use super::reference::begins_with_reference;

/// What kind of secret a value is, or holds.
pub(super) fn shape(value: &str) -> Option<&'static str> {
    if is_private_key(value) {
        return Some("a private key");
    }
    if let Some(what) = value.split(|c: char| !is_of_token(c)).find_map(token) {
        return Some(what);
    }
    if value.contains("://hooks.slack.com/services/T") {
        return Some("a Slack webhook");
    }
    if is_aws_secret_key(value.trim()) {
        return Some("an AWS secret access key");
    }
    if has_password_in_url(value) {
        return Some("a password in a URL");
    }
    if is_data_source_name(value) {
        return Some("a password in a data source name");
    }
    if has_password_setting(value) {
        return Some("a password in a connection string");
    }
    has_card_number(value).then_some("a card number")
}

/// What base64 makes of the first line of a PEM file that holds a private key (RFC 7468 §10).
const ENCODED_PEM: [&str; 5] = [
    "LS0tLS1CRUdJTiBQUklWQVRF",
    "LS0tLS1CRUdJTiBSU0EgUFJJVkFURS",
    "LS0tLS1CRUdJTiBFQyBQUklWQVRF",
    "LS0tLS1CRUdJTiBFTkNSWVBURUQg",
    "LS0tLS1CRUdJTiBPUEVOU1NIIFBSSVZBVE",
];

fn is_private_key(value: &str) -> bool {
    let labels = value.match_indices("-----BEGIN ").filter_map(|(at, begin)| {
        let label = value.get(at + begin.len()..)?;
        Some(label.split("-----").next().unwrap_or_default())
    });
    let mut labels = labels;
    labels.any(|label| label.ends_with("PRIVATE KEY") || label.ends_with("PRIVATE KEY BLOCK"))
        || ENCODED_PEM.iter().any(|start| value.contains(start))
        || value.contains("AGE-SECRET-KEY-1")
}

fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// How a token begins, how long at least what follows is and of what, and what it is.
type Token = (&'static str, usize, fn(u8) -> bool, &'static str);

/// The tokens that their issuers have made recognisable.
const TOKENS: [Token; 43] = [
    ("ghp_", 36, alphanumeric, "a GitHub token"),
    ("gho_", 36, alphanumeric, "a GitHub token"),
    ("ghu_", 36, alphanumeric, "a GitHub token"),
    ("ghs_", 36, alphanumeric, "a GitHub token"),
    ("ghr_", 36, alphanumeric, "a GitHub token"),
    ("github_pat_", 36, url_safe, "a GitHub token"),
    ("glpat-", 20, dotted, "a GitLab token"),
    ("gldt-", 20, dotted, "a GitLab token"),
    ("glrt-", 20, dotted, "a GitLab token"),
    ("glcbt-", 20, dotted, "a GitLab token"),
    ("glptt-", 20, dotted, "a GitLab token"),
    ("glsoat-", 20, dotted, "a GitLab token"),
    ("glagent-", 20, dotted, "a GitLab token"),
    ("xoxb-", 20, url_safe, "a Slack token"),
    ("xoxa-", 20, url_safe, "a Slack token"),
    ("xoxp-", 20, url_safe, "a Slack token"),
    ("xoxr-", 20, url_safe, "a Slack token"),
    ("xoxs-", 20, url_safe, "a Slack token"),
    ("xapp-", 20, url_safe, "a Slack token"),
    ("sk_live_", 16, alphanumeric, "a Stripe key"),
    ("sk_test_", 16, alphanumeric, "a Stripe key"),
    ("rk_live_", 16, alphanumeric, "a Stripe key"),
    ("rk_test_", 16, alphanumeric, "a Stripe key"),
    ("whsec_", 24, alphanumeric, "a Stripe key"),
    ("AIza", 35, url_safe, "a Google API key"),
    ("GOCSPX-", 24, url_safe, "a Google client secret"),
    ("ya29.", 30, dotted, "a Google token"),
    ("npm_", 36, alphanumeric, "an npm token"),
    ("pypi-", 50, url_safe, "a PyPI token"),
    ("dckr_pat_", 20, url_safe, "a Docker token"),
    ("hvs.", 24, url_safe, "a Vault token"),
    ("hvb.", 24, url_safe, "a Vault token"),
    ("SG.", 60, dotted, "a SendGrid key"),
    ("sk-proj-", 20, url_safe, "an API key"),
    ("sk-ant-", 20, url_safe, "an API key"),
    ("sk-", 40, alphanumeric, "an API key"),
    ("hf_", 34, alphanumeric, "a Hugging Face token"),
    ("dop_v1_", 64, hexadecimal, "a DigitalOcean token"),
    ("SK", 32, hexadecimal, "a Twilio key"),
    ("shpat_", 32, hexadecimal, "a Shopify token"),
    ("shpss_", 32, hexadecimal, "a Shopify token"),
    ("dapi", 32, hexadecimal, "a Databricks token"),
    ("glsa_", 32, url_safe, "a Grafana token"),
];

fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn hexadecimal(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn url_safe(byte: u8) -> bool {
    alphanumeric(byte) || matches!(byte, b'_' | b'-')
}

fn dotted(byte: u8) -> bool {
    url_safe(byte) || byte == b'.'
}

/// The kind of a token that stands by itself.
fn token(word: &str) -> Option<&'static str> {
    if is_aws_key_id(word) {
        return Some("an AWS access key id");
    }
    if is_jwt(word) {
        return Some("a JSON Web Token");
    }
    TOKENS.iter().find_map(|(start, length, is_of, what)| {
        let body = word.strip_prefix(start)?;
        (body.len() >= *length && body.bytes().all(is_of)).then_some(*what)
    })
}

fn is_aws_key_id(word: &str) -> bool {
    let body = word.strip_prefix("AKIA").or_else(|| word.strip_prefix("ASIA"));
    body.is_some_and(|body| {
        body.len() == 16 && body.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    })
}

/// A header and a payload, both JSON objects in base64url, and a signature (RFC 7515 §7.1).
fn is_jwt(word: &str) -> bool {
    let mut parts = word.split('.');
    let mut next = || parts.next().unwrap_or_default();
    let (header, payload, signature) = (next(), next(), next());
    parts.next().is_none()
        && header.starts_with("eyJ")
        && payload.starts_with("eyJ")
        && signature.len() >= 16
        && word.bytes().all(dotted)
}

/// 40 characters of base64 of all sorts. A commit's hash has no upper case, and a path or a class name is of words.
fn is_aws_secret_key(value: &str) -> bool {
    let count = |is: fn(&u8) -> bool| value.as_bytes().iter().filter(|byte| is(byte)).count();
    let longest = value.split(|c: char| !c.is_ascii_lowercase()).map(str::len).max().unwrap_or(0);
    value.len() == 40
        && value.bytes().all(|byte| alphanumeric(byte) || matches!(byte, b'/' | b'+'))
        && count(u8::is_ascii_uppercase) >= 6
        && count(u8::is_ascii_lowercase) >= 6
        && count(u8::is_ascii_digit) >= 2
        && longest <= 9
}

/// A password before the host (RFC 3986 §3.2.1), `scheme://user:password@host`.
fn has_password_in_url(value: &str) -> bool {
    value.match_indices("://").any(|(at, scheme)| {
        let rest = value.get(at + scheme.len()..).unwrap_or_default();
        let authority =
            rest.split(|c: char| matches!(c, '/' | '?' | '#' | '"' | '\'') || c.is_whitespace()).next();
        let userinfo =
            authority.and_then(|authority| authority.rsplit_once('@')).map(|(userinfo, _)| userinfo);
        userinfo
            .and_then(|userinfo| userinfo.split_once(':'))
            .is_some_and(|(_, password)| is_literal(password))
    })
}

/// What Go's MySQL driver calls a DSN: `user:password@tcp(host:port)/database`.
fn is_data_source_name(value: &str) -> bool {
    ["@tcp(", "@unix("].iter().filter_map(|network| value.split_once(network)).any(|(userinfo, _)| {
        !userinfo.contains("://")
            && userinfo.split_once(':').is_some_and(|(_, password)| is_literal(password))
    })
}

/// Settings whose value is a secret, in what holds several: ADO.NET, libpq, JDBC, Azure, Java's options.
const SETTINGS: [&str; 7] = [
    "password=",
    "passwd=",
    "pwd=",
    "accountkey=",
    "sharedaccesskey=",
    "sharedaccesssignature=",
    "client_secret=",
];

fn has_password_setting(value: &str) -> bool {
    let bytes = value.as_bytes();
    SETTINGS.iter().any(|setting| {
        bytes.windows(setting.len()).enumerate().any(|(at, window)| {
            // By itself, it is no setting among others but an assignment, as `password=` may begin a message.
            let begins = at == 0
                || at.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(|before| {
                    matches!(before, b';' | b'&' | b'?' | b' ' | b',' | b'.' | b'\t' | b'\n')
                        || (*before == b'-' && begins_option(bytes, at))
                });
            begins
                && window.eq_ignore_ascii_case(setting.as_bytes())
                && value
                    .get(at + setting.len()..)
                    .and_then(|rest| rest.split([';', '&', ' ', ',', '\n']).next())
                    .is_some_and(|given| is_literal(given.trim_matches(['"', '\''])))
        })
    })
}

/// Whether an option of a command begins with two dashes here: `--password=…`.
fn begins_option(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(2).and_then(|before| bytes.get(before)) == Some(&b'-')
}

/// Whether a password is there, and is no reference to one.
fn is_literal(password: &str) -> bool {
    let is_between = |open, close| password.starts_with(open) && password.ends_with(close);
    let stands_for_another = begins_with_reference(password)
        || is_between("<", ">")
        || is_between("{{", "}}")
        || password.bytes().all(|byte| byte == b'*');
    !password.is_empty() && !stands_for_another
}

/// Whether a value is as long and as mixed as a key is, and not made of words.
pub(super) fn looks_random(value: &str) -> bool {
    let value = value.trim();
    value.len() >= 16
        && value.bytes().all(|byte| url_safe(byte) || matches!(byte, b'/' | b'+' | b'=' | b':' | b'.'))
        && value.bytes().any(|byte| byte.is_ascii_digit())
        && value.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !value.contains("://")
        && !value.contains('/')
}

/// Whether there is a card's number (ISO/IEC 7812), by itself among what else there is.
fn has_card_number(value: &str) -> bool {
    let bytes = value.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if !byte.is_ascii_digit() {
            at += 1;
            continue;
        }
        let run = Digits::at(bytes, at);
        if run.stands_alone && run.is_card() {
            return true;
        }
        at = run.end;
    }
    false
}

/// Digits in groups, parted by single spaces or dashes.
struct Digits {
    /// The first 19, and how many there are.
    digits: [u8; 19],
    count: usize,
    /// The sizes of the first five groups, and how many there are.
    groups: [usize; 5],
    group_count: usize,
    end: usize,
    stands_alone: bool,
}

impl Digits {
    fn at(bytes: &[u8], start: usize) -> Self {
        let before = start.checked_sub(1).and_then(|before| bytes.get(before));
        let joins = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'+' | b'/');
        let mut run = Self {
            digits: [0; 19],
            count: 0,
            groups: [0; 5],
            group_count: 1,
            end: start,
            stands_alone: !before.is_some_and(joins),
        };
        while let Some(byte) = bytes.get(run.end) {
            let next_is_digit = bytes.get(run.end + 1).is_some_and(u8::is_ascii_digit);
            if byte.is_ascii_digit() {
                if let Some(digit) = run.digits.get_mut(run.count) {
                    *digit = byte - b'0';
                }
                if let Some(group) = run.groups.get_mut(run.group_count - 1) {
                    *group += 1;
                }
                run.count += 1;
            } else if matches!(byte, b' ' | b'-') && next_is_digit {
                run.group_count += 1;
            } else {
                run.stands_alone &= !joins(byte);
                break;
            }
            run.end += 1;
        }
        run
    }

    fn is_card(&self) -> bool {
        let Some(digits) = self.digits.get(..self.count) else { return false };
        let groups = self.groups.get(..self.group_count).unwrap_or_default();
        let grouped = matches!(groups, [_] | [4, 4, 4, 4] | [4, 4, 4, 4, 3] | [4, 6, 5] | [4, 6, 4]);
        grouped && is_issued(digits) && luhn(digits)
    }
}

/// Whether a card of this length begins so: American Express, Diners Club, Discover, JCB, Maestro, Mastercard, UnionPay
/// and Visa.
fn is_issued(digits: &[u8]) -> bool {
    let prefix = |length: usize| {
        digits
            .get(..length)
            .unwrap_or_default()
            .iter()
            .fold(0u32, |number, digit| number * 10 + u32::from(*digit))
    };
    match digits.len() {
        13 => prefix(1) == 4,
        14 => matches!(prefix(3), 300..=305) || matches!(prefix(2), 36 | 38 | 39),
        15 => matches!(prefix(2), 34 | 37),
        16 => {
            prefix(1) == 4
                || matches!(prefix(2), 50..=58 | 60..=69)
                || matches!(prefix(4), 2221..=2720 | 3528..=3589)
        }
        17 | 18 => matches!(prefix(2), 50 | 56..=58 | 62 | 63 | 67),
        19 => prefix(1) == 4 || matches!(prefix(2), 50 | 56..=58 | 62..=65 | 67),
        _ => false,
    }
}

/// The check digit of ISO/IEC 7812-1, annex B.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(i, digit)| {
            let digit = u32::from(*digit);
            if i % 2 == 0 { digit } else { digit * 2 - if digit > 4 { 9 } else { 0 } }
        })
        .sum();
    sum.is_multiple_of(10)
}
