//! Names of objects and labels: what the API server accepts.

use std::fmt;

/// A kind of name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// A DNS label as in RFC 1123 §2.1: the name of a namespace or a container.
    DnsLabel,
    /// A DNS subdomain as in RFC 1123 §2.1, labels with dots between them: the name of most objects.
    DnsSubdomain,
    /// The name part of a label's key, after its prefix.
    LabelName,
    /// The value of a label.
    LabelValue,
}

impl NameKind {
    /// The largest length in characters, all of which are ASCII.
    #[must_use]
    pub const fn max_length(self) -> usize {
        match self {
            Self::DnsLabel | Self::LabelName | Self::LabelValue => 63,
            Self::DnsSubdomain => 253,
        }
    }

    fn allows(self, c: char) -> bool {
        match self {
            Self::DnsLabel => c == '-' || Self::DnsLabel.allows_at_ends(c),
            Self::DnsSubdomain => matches!(c, '-' | '.') || Self::DnsSubdomain.allows_at_ends(c),
            Self::LabelName | Self::LabelValue => matches!(c, '-' | '_' | '.') || c.is_ascii_alphanumeric(),
        }
    }

    fn allows_at_ends(self, c: char) -> bool {
        match self {
            Self::DnsLabel | Self::DnsSubdomain => c.is_ascii_lowercase() || c.is_ascii_digit(),
            Self::LabelName | Self::LabelValue => c.is_ascii_alphanumeric(),
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::DnsLabel => "lower-case letters, digits and '-'",
            Self::DnsSubdomain => "lower-case letters, digits, '-' and '.'",
            Self::LabelName | Self::LabelValue => "letters, digits, '-', '_' and '.'",
        }
    }

    const fn expected_at_ends(self) -> &'static str {
        match self {
            Self::DnsLabel | Self::DnsSubdomain => "a lower-case letter or a digit",
            Self::LabelName | Self::LabelValue => "a letter or a digit",
        }
    }
}

impl fmt::Display for NameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DnsLabel => "a DNS label",
            Self::DnsSubdomain => "a DNS subdomain",
            Self::LabelName => "a label's name",
            Self::LabelValue => "a label's value",
        })
    }
}

/// Why a text is not a name of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// It is empty.
    #[error("{kind} is empty: write 1 to {} {}", kind.max_length(), kind.expected())]
    Empty {
        /// What it should be.
        kind: NameKind,
    },
    /// It is too long.
    #[error("{length} characters are too many for {kind}: write at most {}", kind.max_length())]
    TooLong {
        /// What it should be.
        kind: NameKind,
        /// Its length in characters.
        length: usize,
    },
    /// It holds a character that names of its kind do not hold.
    #[error("{name:?} is not {kind}: it holds {character:?}; write {}", kind.expected())]
    Character {
        /// What it should be.
        kind: NameKind,
        /// The name.
        name: String,
        /// The first such character.
        character: char,
    },
    /// It starts with a character that may only stand further in.
    #[error("{name:?} is not {kind}: it starts with {character:?}; start with {}", kind.expected_at_ends())]
    Start {
        /// What it should be.
        kind: NameKind,
        /// The name.
        name: String,
        /// The first character.
        character: char,
    },
    /// It ends with a character that may only stand before others.
    #[error("{name:?} is not {kind}: it ends with {character:?}; end with {}", kind.expected_at_ends())]
    End {
        /// What it should be.
        kind: NameKind,
        /// The name.
        name: String,
        /// The last character.
        character: char,
    },
    /// A label within a DNS subdomain is empty, or starts or ends with `-`.
    #[error(
        "{name:?} is not a DNS subdomain: between dots, start and end with a lower-case letter or a digit"
    )]
    Part {
        /// The name.
        name: String,
    },
    /// A label's key holds more than one `/`.
    #[error("{key:?} is not a label's key: write at most one '/', between a DNS subdomain and a name")]
    Slashes {
        /// The key.
        key: String,
    },
}

/// Whether `name` is a DNS label (RFC 1123 §2.1): 1 to 63 lower-case letters, digits and `-`, not at its ends.
///
/// # Errors
/// What is wrong with the name.
pub fn check_dns_label(name: &str) -> Result<(), InvalidName> {
    check(NameKind::DnsLabel, name)
}

/// Whether `name` is a DNS subdomain (RFC 1123 §2.1): at most 253 characters, labels with dots between them.
///
/// As for the API server, the labels in it may be longer than 63 characters.
///
/// # Errors
/// What is wrong with the name.
pub fn check_dns_subdomain(name: &str) -> Result<(), InvalidName> {
    check(NameKind::DnsSubdomain, name)?;
    if name.split('.').any(|label| label.is_empty() || label.starts_with('-') || label.ends_with('-')) {
        return Err(InvalidName::Part { name: name.to_owned() });
    }
    Ok(())
}

/// Whether `key` may be the key of a label or an annotation: a name of 1 to 63 letters, digits, `-`, `_` and `.`,
/// and before it, if wanted, a DNS subdomain and `/`.
///
/// # Errors
/// What is wrong with the key.
pub fn check_label_key(key: &str) -> Result<(), InvalidName> {
    let name = match key.split_once('/') {
        Some((_, name)) if name.contains('/') => return Err(InvalidName::Slashes { key: key.to_owned() }),
        Some((prefix, name)) => {
            check_dns_subdomain(prefix)?;
            name
        }
        None => key,
    };
    check(NameKind::LabelName, name)
}

/// Whether `value` may be the value of a label: empty, or 1 to 63 letters, digits, `-`, `_` and `.`, the last three
/// not at its ends.
///
/// # Errors
/// What is wrong with the value.
pub fn check_label_value(value: &str) -> Result<(), InvalidName> {
    if value.is_empty() { Ok(()) } else { check(NameKind::LabelValue, value) }
}

fn check(kind: NameKind, name: &str) -> Result<(), InvalidName> {
    let (Some(first), Some(last)) = (name.chars().next(), name.chars().next_back()) else {
        return Err(InvalidName::Empty { kind });
    };
    let length = name.chars().count();
    if length > kind.max_length() {
        return Err(InvalidName::TooLong { kind, length });
    }
    let name = || name.to_owned();
    if let Some(character) = name().chars().find(|c| !kind.allows(*c)) {
        return Err(InvalidName::Character { kind, name: name(), character });
    }
    if !kind.allows_at_ends(first) {
        return Err(InvalidName::Start { kind, name: name(), character: first });
    }
    if !kind.allows_at_ends(last) {
        return Err(InvalidName::End { kind, name: name(), character: last });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Check = fn(&str) -> Result<(), InvalidName>;

    #[test]
    fn names_that_the_api_server_accepts_are_accepted() {
        let cases: [(Check, &[&str]); 4] = [
            (check_dns_label, &["a", "0", "kube-system", "a--b", &"a".repeat(63)]),
            (check_dns_subdomain, &["a", "a.b", "a-b.c-d.0", &"a".repeat(253)]),
            (check_label_key, &["app", "App", "app.kubernetes.io/name", "a_b.c-d", "a.b/C_d"]),
            (check_label_value, &["", "a", "v1.2_3-x", "RSA", &"a".repeat(63)]),
        ];
        for (check, names) in cases {
            for name in names {
                assert_eq!(check(name), Ok(()), "{name}");
            }
        }
    }

    #[test]
    fn a_refusal_says_which_character_is_wrong_and_what_is_expected() {
        let cases: [(Check, &str, &str); 14] = [
            (check_dns_label, "", "a DNS label is empty: write 1 to 63 lower-case letters, digits and '-'"),
            (
                check_dns_label,
                "My-app",
                "\"My-app\" is not a DNS label: it holds 'M'; write lower-case letters, digits and '-'",
            ),
            (
                check_dns_label,
                "a.b",
                "\"a.b\" is not a DNS label: it holds '.'; write lower-case letters, digits and '-'",
            ),
            (
                check_dns_label,
                "-a",
                "\"-a\" is not a DNS label: it starts with '-'; start with a lower-case letter or a digit",
            ),
            (
                check_dns_label,
                "a-",
                "\"a-\" is not a DNS label: it ends with '-'; end with a lower-case letter or a digit",
            ),
            (
                check_dns_label,
                &"a".repeat(64),
                "64 characters are too many for a DNS label: write at most 63",
            ),
            (
                check_dns_subdomain,
                "a..b",
                "\"a..b\" is not a DNS subdomain: between dots, start and end with a lower-case letter or a digit",
            ),
            (
                check_dns_subdomain,
                "a-.b",
                "\"a-.b\" is not a DNS subdomain: between dots, start and end with a lower-case letter or a digit",
            ),
            (
                check_label_key,
                "/a",
                "a DNS subdomain is empty: write 1 to 253 lower-case letters, digits, '-' and '.'",
            ),
            (
                check_label_key,
                "a/",
                "a label's name is empty: write 1 to 63 letters, digits, '-', '_' and '.'",
            ),
            (
                check_label_key,
                "a/b/c",
                "\"a/b/c\" is not a label's key: write at most one '/', between a DNS subdomain and a name",
            ),
            (
                check_label_key,
                "A/b",
                "\"A\" is not a DNS subdomain: it holds 'A'; write lower-case letters, digits, '-' and '.'",
            ),
            (
                check_label_value,
                "é",
                "\"é\" is not a label's value: it holds 'é'; write letters, digits, '-', '_' and '.'",
            ),
            (
                check_label_value,
                "_a",
                "\"_a\" is not a label's value: it starts with '_'; start with a letter or a digit",
            ),
        ];
        for (check, name, message) in cases {
            assert_eq!(check(name).unwrap_err().to_string(), message);
        }
    }
}
