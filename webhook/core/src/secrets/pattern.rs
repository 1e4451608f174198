//! Secrets that a regular expression finds.
//!
//! One search over all of them says whether there is any, as there is none in most texts.

use std::sync::LazyLock;

use regex::Regex;

use super::token::{ENOUGH, TOKENS};
use super::value::{Check, always};
use super::{Found, Kind, Look, sure, wary};

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
        let others = match look {
            Look::Sure => sure::sources(),
            Look::Wary => wary::sources(),
        };
        let sources = tokens(look).chain(others).collect::<Vec<_>>();
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

/// What is looked for: as a regular expression, and what a match must be beside.
pub(super) type Source = (Kind, String, Check);

pub(super) fn source(kind: Kind, source: &str, check: Check) -> Source {
    (kind, source.to_owned(), check)
}

/// What parts a token's segments, as it is and as a URL writes it.
pub(super) const DOT: &str = r"(?:\.|%2[Ee])";

/// What one token ends before, or begins after, where it stands by itself.
pub(super) const BEGINS: &str = "(?:^|[^A-Za-z0-9_.-])";
pub(super) const ENDS: &str = r"(?:\.*$|\.*[^A-Za-z0-9_.-])";

/// What base64 makes of the first line of a PEM file that holds a private key (RFC 7468 section 10).
pub(super) const ENCODED_PEM: &str = "LS0tLS1CRUdJTiB(?:QUklWQVRF|SU0EgUFJJVkFURS|FQyBQUklWQVRF|FTkNSWVBURUQg|PUEVOU1NIIFBSSVZBVE|EU0EgUFJJVkFURS|\
     QR1AgUFJJVkFUR)";

/// An equals sign, as it is and as a URL writes it.
pub(super) const EQUALS: &str = "(?:=|%3[Dd])";

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_one() {
        assert!(SURE.is_some() && WARY.is_some());
    }
}
