//! Formats: `format.dns1123Label().validate(object.metadata.name)`, none if the text has the format, else what is
//! wrong with it. What is wrong is said in our words.

use cel::common::types::{CelList, CelOptional, CelString};
use cel::common::value::Val;
use cel::{DeclarationError, Env, add_member_overload, add_overload};

use super::super::library::{Cost, Function};
use super::opaque;
use super::url_text::UrlText;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("format.byte", None, CONSTANT),
    Function::new("format.date", None, CONSTANT),
    Function::new("format.datetime", None, CONSTANT),
    Function::new("format.dns1035Label", None, CONSTANT),
    Function::new("format.dns1035LabelPrefix", None, CONSTANT),
    Function::new("format.dns1123Label", None, CONSTANT),
    Function::new("format.dns1123LabelPrefix", None, CONSTANT),
    Function::new("format.dns1123Subdomain", None, CONSTANT),
    Function::new("format.dns1123SubdomainPrefix", None, CONSTANT),
    Function::new("format.labelValue", None, CONSTANT),
    Function::new("format.named", None, &["(string) optional(format)"]),
    Function::new("format.qualifiedName", None, CONSTANT),
    Function::new("format.uri", None, CONSTANT),
    Function::new("format.uuid", None, CONSTANT),
    Function::new("validate", Some(Cost::Size(4)), &["format.(string) optional(list(string))"]),
];

const CONSTANT: &[&str] = &["() format"];

/// Declares a function without arguments for each format.
macro_rules! constants {
    ($env:ident: $($name:ident)*) => {
        $({
            fn constant() -> Format {
                Format(stringify!($name))
            }
            add_overload!($env, fn constant: () -> Format, name = concat!("format.", stringify!($name)))?;
        })*
        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    constants!(env: byte date datetime dns1035Label dns1035LabelPrefix dns1123Label dns1123LabelPrefix
        dns1123Subdomain dns1123SubdomainPrefix labelValue qualifiedName uri uuid);
    fn named(name: &CelString<'_>) -> CelOptional<'static> {
        let known = NAMES.iter().find(|known| **known == name.inner());
        let format = known.map(|known| -> Box<dyn Val> { Box::new(Format(known)) });
        CelOptional::from(format)
    }
    add_overload!(env, fn named: (CelString<'_>) -> CelOptional<'_>, name = "format.named")?;
    add_member_overload!(env, fn validate: (Format, CelString<'_>) -> CelOptional<'_>)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Format(&'static str);

opaque!(Format, "kubernetes.NamedFormat");

fn validate(format: &Format, text: &CelString<'_>) -> CelOptional<'static> {
    let wrong: Vec<Box<dyn Val>> = check(format.0, text.inner())
        .into_iter()
        .map(|message| -> Box<dyn Val> { Box::new(CelString::from(message)) })
        .collect();
    if wrong.is_empty() { CelOptional::none() } else { CelOptional::of(Box::new(CelList::from(wrong))) }
}

fn check(format: &str, text: &str) -> Vec<String> {
    let one = |holds: bool, wanted: &str| if holds { Vec::new() } else { vec![wanted.to_owned()] };
    match format {
        "dns1123Label" => label(text),
        "dns1123LabelPrefix" => label(&without_dash(text)),
        "dns1123Subdomain" => subdomain(text),
        "dns1123SubdomainPrefix" => subdomain(&without_dash(text)),
        "dns1035Label" => label_1035(text),
        "dns1035LabelPrefix" => label_1035(&without_dash(text)),
        "qualifiedName" => qualified_name(text),
        "labelValue" => {
            let mut wrong = length(text, 63);
            wrong.extend(one(
                text.is_empty() || is_name(text),
                "must be empty or alphanumeric, with -, _ or . within",
            ));
            wrong
        }
        "uri" => one(UrlText::is_request_uri(text), "must be an absolute URI or path"),
        "uuid" => one(is_uuid(text), "does not match the UUID format"),
        "byte" => one(is_base64(text), "invalid base64"),
        "date" => one(is_date(text), "invalid date"),
        "datetime" => one(is_date_time(text), "invalid datetime"),
        _ => Vec::new(),
    }
}

/// A name to which something will be added may end in a dash.
fn without_dash(text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    if characters.len() > 1 && characters.last() == Some(&'-') {
        characters.truncate(characters.len() - 2);
        characters.push('a');
    }
    characters.into_iter().collect()
}

fn length(text: &str, most: usize) -> Vec<String> {
    if text.len() > most { vec![format!("must be no more than {most} bytes")] } else { Vec::new() }
}

fn is_label(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(is_inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn label(text: &str) -> Vec<String> {
    let mut wrong = length(text, 63);
    if !is_label(text) {
        wrong.push("must be lower case letters and digits, with - within".to_owned());
    }
    wrong
}

fn label_1035(text: &str) -> Vec<String> {
    let mut wrong = length(text, 63);
    if !is_label(text) || !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        wrong
            .push("must be lower case letters and digits, with - within, and start with a letter".to_owned());
    }
    wrong
}

fn subdomain(text: &str) -> Vec<String> {
    let mut wrong = length(text, 253);
    if !text.split('.').all(is_label) {
        wrong.push("must be labels of lower case letters and digits, with - within, joined by .".to_owned());
    }
    wrong
}

fn is_name(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_outer = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    text.bytes().all(is_inner) && is_outer(text.bytes().next()) && is_outer(text.bytes().next_back())
}

fn qualified_name(text: &str) -> Vec<String> {
    let parts: Vec<&str> = text.split('/').collect();
    let (prefix, name) = match parts.as_slice() {
        [name] => (None, *name),
        [prefix, name] => (Some(*prefix), *name),
        _ => return vec!["must be a name with an optional prefix and one /".to_owned()],
    };
    let mut wrong = prefix.map_or_else(Vec::new, subdomain);
    wrong.extend(length(name, 63));
    if !is_name(name) {
        wrong.push("the name must be alphanumeric, with -, _ or . within".to_owned());
    }
    wrong
}

/// With or without hyphens, each by itself.
fn is_uuid(text: &str) -> bool {
    let mut rest = text;
    for (at, count) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        rest = if at > 0 { rest.strip_prefix('-').unwrap_or(rest) } else { rest };
        match rest.split_at_checked(count) {
            Some((digits, after)) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => rest = after,
            _ => return false,
        }
    }
    rest.is_empty()
}

fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    !text.is_empty()
        && text.len().is_multiple_of(4)
        && text.len() - digits.len() <= 2
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte))
}

fn is_date(text: &str) -> bool {
    let is_shaped = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    is_shaped && text.parse::<jiff::civil::Date>().is_ok()
}

fn is_date_time(text: &str) -> bool {
    let lower = text.to_lowercase();
    let mut parts = lower.split('t');
    let (Some(date), Some(time)) = (parts.next(), parts.next()) else { return false };
    let two = |from: usize, most: &str| {
        time.get(from..from + 2).is_some_and(|d| d.bytes().all(|b| b.is_ascii_digit()) && d <= most)
    };
    let colon = |at: usize| time.get(at..=at) == Some(":");
    if !is_date(date) || !two(0, "23") || !colon(2) || !two(3, "59") || !colon(5) || !two(6, "59") {
        return false;
    }
    let Some(rest) = time.get(8..) else { return false };
    let is_zone = |zone: &str| match zone.strip_prefix(['+', '-']) {
        None => zone == "z",
        Some(offset) => {
            offset.len() == 5
                && offset
                    .bytes()
                    .enumerate()
                    .all(|(at, b)| if at == 2 { b == b':' } else { b.is_ascii_digit() })
        }
    };
    // Any character may stand for the point.
    let mut after = rest.chars();
    after.next();
    let digits = after.as_str();
    let fraction = digits.len() - digits.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    is_zone(rest) || (fraction > 0 && digits.get(fraction..).is_some_and(is_zone))
}
