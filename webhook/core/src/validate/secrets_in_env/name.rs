//! Names that say what their value is.

/// How sure a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strength {
    /// `PASSWORD`: the value is a secret.
    Secret,
    /// `SESSION_KEY`: the value is one if it looks random.
    SecretIfRandom,
    /// `TOKENS`: the value is one unless it is a number.
    SecretUnlessNumber,
    /// `TLS_SECRET`: the value is one unless it is the name of a Secret.
    SecretUnlessName,
}

impl Strength {
    /// Whether a value is a secret under a name that is so sure.
    pub(super) fn suits(self, value: &str) -> bool {
        match self {
            Self::Secret => true,
            Self::SecretIfRandom => looks_random(value),
            Self::SecretUnlessNumber => !value.trim().bytes().all(|byte| byte.is_ascii_digit()),
            Self::SecretUnlessName => !value
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.')),
        }
    }
}

/// Words that name a secret wherever they stand.
const WORDS: [&str; 11] = [
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "secret",
    "secrets",
    "token",
    "apikey",
    "credential",
    "credentials",
    "creds",
];
/// Words that name a secret as the last of several.
const LAST_WORDS: [&str; 2] = ["pass", "pwd"];
/// Ends of words that were written together, as in PGPASSWORD.
const ENDINGS: [&str; 8] =
    ["password", "passwd", "passphrase", "secret", "token", "apikey", "secretkey", "privatekey"];
/// Two words that name a secret together.
const PAIRS: [(&str, &str); 5] =
    [("api", "key"), ("private", "key"), ("access", "key"), ("secret", "key"), ("client", "key")];
/// What a key is for that may be a secret, or the name of one.
const KEYS: [&str; 17] = [
    "encryption",
    "signing",
    "master",
    "auth",
    "account",
    "storage",
    "session",
    "shared",
    "ssh",
    "deploy",
    "hmac",
    "aes",
    "cipher",
    "crypto",
    "license",
    "service",
    "app",
];
/// Last words of names that point to a secret or describe one.
const ABOUT: [&str; 96] = [
    "file",
    "files",
    "filename",
    "path",
    "paths",
    "dir",
    "directory",
    "folder",
    "location",
    "mount",
    "volume",
    "name",
    "names",
    "ref",
    "reference",
    "id",
    "ids",
    "arn",
    "url",
    "urls",
    "uri",
    "endpoint",
    "host",
    "hostname",
    "port",
    "address",
    "issuer",
    "audience",
    "scope",
    "scopes",
    "realm",
    "provider",
    "store",
    "backend",
    "manager",
    "engine",
    "driver",
    "class",
    "namespace",
    "user",
    "username",
    "users",
    "email",
    "role",
    "region",
    "header",
    "headers",
    "field",
    "param",
    "parameter",
    "prefix",
    "suffix",
    "label",
    "type",
    "types",
    "kind",
    "format",
    "encoding",
    "algorithm",
    "alg",
    "method",
    "mode",
    "version",
    "strategy",
    "policy",
    "rule",
    "regex",
    "pattern",
    "template",
    "length",
    "len",
    "size",
    "count",
    "limit",
    "limits",
    "budget",
    "bucket",
    "ttl",
    "timeout",
    "expiry",
    "expires",
    "expiration",
    "lifetime",
    "duration",
    "validity",
    "age",
    "interval",
    "rotation",
    "seconds",
    "minutes",
    "hours",
    "days",
    "enabled",
    "disabled",
    "required",
    "reset",
];
/// Words that make what follows a yes or no, a number, or no secret at all.
const NO_SECRET: [&str; 2] = ["public", "publishable"];
const AMOUNT: [&str; 6] = ["max", "min", "num", "number", "total", "count"];
/// What a Secret is for that is named, not held, in the environment.
const OF_OBJECTS: [&str; 7] = ["pull", "tls", "cert", "certificate", "ca", "k8s", "kubernetes"];

/// How sure a name is that its value is a secret; `None` where it says nothing of the kind.
pub(super) fn strength(name: &str) -> Option<Strength> {
    let is = |word: &str, list: &[&str]| list.iter().any(|other| word.eq_ignore_ascii_case(other));
    let last = words(name).last()?;
    let mut strongest = None;
    let mut before: Option<&str> = None;
    let mut amount = false;
    for word in words(name) {
        if is(word, &NO_SECRET) {
            return None;
        }
        amount |= is(word, &AMOUNT);
        let first = before.is_none();
        let follows = |list: &[&str]| before.is_some_and(|before| is(before, list));
        let pair = PAIRS.iter().any(|(one, two)| word.eq_ignore_ascii_case(two) && follows(&[one]));
        let is_last = std::ptr::eq(word, last);
        let found = if is(word, &["secret", "secrets"]) && is_last && follows(&OF_OBJECTS) {
            Some(Strength::SecretUnlessName)
        } else if pair
            || is(word, &WORDS)
            || ends(word)
            || (is(word, &LAST_WORDS) && is_last && !(first && word.eq_ignore_ascii_case("pwd")))
        {
            Some(Strength::Secret)
        } else if is(word, &["tokens"]) {
            Some(Strength::SecretUnlessNumber)
        } else if word.eq_ignore_ascii_case("key") && follows(&KEYS) {
            Some(Strength::SecretIfRandom)
        } else {
            None
        };
        // AppRole's secret id is one, and looks it.
        if word.eq_ignore_ascii_case("id") && is_last && follows(&["secret"]) {
            return Some(Strength::SecretIfRandom);
        }
        strongest = match (strongest, found) {
            (Some(Strength::Secret), _) | (_, None) => strongest,
            (_, found) => found,
        };
        before = Some(word);
    }
    let strongest = strongest?;
    if is(last, &ABOUT) {
        return None;
    }
    Some(match strongest {
        Strength::Secret if amount => Strength::SecretUnlessNumber,
        strongest => strongest,
    })
}

fn ends(word: &str) -> bool {
    ENDINGS.iter().any(|ending| {
        word.len()
            .checked_sub(ending.len())
            .and_then(|start| word.get(start..))
            .is_some_and(|end| end.eq_ignore_ascii_case(ending))
    })
}

/// The words of a name in SNAKE, kebab, dotted or camel case, without the digits at their ends.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .flat_map(Humps)
        .map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()))
        .filter(|word| !word.is_empty())
}

/// The words of a name in camel case: `dbPassword`, and `DBPassword`, whose first is all in upper case.
struct Humps<'n>(&'n str);

impl<'n> Iterator for Humps<'n> {
    type Item = &'n str;

    fn next(&mut self) -> Option<&'n str> {
        if self.0.is_empty() {
            return None;
        }
        let bytes = self.0.as_bytes();
        let end = bytes
            .windows(2)
            .enumerate()
            .find_map(|(i, pair)| {
                let [one, two] = pair else { return None };
                let next = bytes.get(i + 2);
                let rises = !one.is_ascii_uppercase() && two.is_ascii_uppercase();
                let falls = one.is_ascii_uppercase()
                    && two.is_ascii_uppercase()
                    && next.is_some_and(u8::is_ascii_lowercase)
                    // The plural of what is in upper case: APIs.
                    && !(next == Some(&b's') && bytes.get(i + 3).is_none_or(|b| !b.is_ascii_lowercase()));
                (rises || falls).then_some(i + 1)
            })
            .unwrap_or(bytes.len());
        let (word, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        Some(word)
    }
}

/// Whether a value is as long and as mixed as a key is, and not made of words.
fn looks_random(value: &str) -> bool {
    let value = value.trim();
    value.len() >= 16
        && value.bytes().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b'_' | b'-')
                || matches!(byte, b'/' | b'+' | b'=' | b':' | b'.')
        })
        && value.bytes().any(|byte| byte.is_ascii_digit())
        && value.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !value.contains("://")
        && !value.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_falls_into_words() {
        for (name, want) in [
            ("", vec![]),
            ("DB_PASSWORD", vec!["DB", "PASSWORD"]),
            ("dbPassword", vec!["db", "Password"]),
            ("DBPassword", vec!["DB", "Password"]),
            ("db-password.v2", vec!["db", "password", "v"]),
            ("PASSWORD2", vec!["PASSWORD"]),
            ("OAUTH2_TOKEN", vec!["OAUTH", "TOKEN"]),
            ("oauth2Token", vec!["oauth", "Token"]),
            ("APIs", vec!["APIs"]),
            ("__", vec![]),
            ("naïvePassword", vec!["na", "ve", "Password"]),
        ] {
            assert_eq!(words(name).collect::<Vec<_>>(), want, "{name}");
        }
    }
}
