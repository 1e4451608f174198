//! Which requests a rule is about.

use sallyport_policy::{Diagnostics, FieldPath};

use super::syntax;
use crate::request::Path;
use crate::route::{Regex, Template};
use crate::{PathMatch, RouteMatch};

pub(super) fn check(matches: &[RouteMatch], at: &FieldPath, findings: &mut Diagnostics) {
    for (i, route) in matches.iter().enumerate() {
        let at = at.index(i);
        match &route.path {
            Some(PathMatch::Exact(path)) => check_path(path, at.field("path").field("exact"), findings),
            Some(PathMatch::Prefix(path)) => check_path(path, at.field("path").field("prefix"), findings),
            Some(PathMatch::Template(template)) => {
                check_template(template, at.field("path").field("template"), findings);
            }
            Some(PathMatch::Regex(regex)) => check_regex(regex, at.field("path").field("regex"), findings),
            None => {}
        }
        for (i, method) in route.methods.iter().enumerate() {
            let at = at.field("methods").index(i);
            if method.chars().any(|c| c.is_ascii_lowercase()) {
                findings.error(
                    at,
                    format!(
                        "{method:?} is not in upper case, and methods' case matters (RFC 9110 §9.1): write {:?}",
                        method.to_ascii_uppercase()
                    ),
                );
            } else {
                syntax::check_token("a method", method, at, findings);
            }
        }
        syntax::check_hosts(&route.hosts, &at.field("hosts"), findings);
        for (i, header) in route.headers.iter().enumerate() {
            let at = at.field("headers").index(i);
            syntax::check_header_name(&header.name, at.field("name"), findings);
            if header.test().is_none() {
                findings.error(at, "exactly one of present, exact and matches is needed");
            }
        }
    }
}

/// Whether a canonical path can be, or start with, this one (RFC 3986 §3.3, §6.2.2).
fn check_path(path: &str, at: FieldPath, findings: &mut Diagnostics) {
    let lower = path.to_ascii_lowercase();
    let wrong = if !path.starts_with('/') {
        Some("it does not start with '/'")
    } else if let Some((_, what)) = [
        ('?', "it holds a query"),
        ('#', "it holds a fragment"),
        (';', "it holds ';'"),
        ('\\', "it holds '\\'"),
    ]
    .into_iter()
    .find(|(c, _)| path.contains(*c))
    {
        Some(what)
    } else if path.contains("//") {
        Some("it holds an empty segment")
    } else if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        Some("it holds a '.' or '..' segment")
    } else if ["%2f", "%5c", "%00", "%2e"].iter().any(|escape| lower.contains(escape)) {
        Some("it escapes '/', '\\', '.' or NUL")
    } else if !path.chars().all(|c| c.is_ascii_graphic()) {
        Some("it holds a space, a control character or one beyond ASCII, which stand escaped in requests")
    } else if !Path::of(path.as_bytes()).is_canonical() {
        Some("it escapes what can stand for itself, or in lower case, or holds what can't")
    } else {
        None
    };
    let wildcard = [
        ("*", "prefix covers everything below a path"),
        ("/{", "template has variables"),
        ("/:", "template has variables, written {NAME}"),
    ]
    .into_iter()
    .find(|(wildcard, _)| path.contains(wildcard));
    if let Some((wildcard, instead)) = wildcard {
        let message = format!(
            "'{}' is no wildcard here and stands for itself: {instead}",
            wildcard.trim_start_matches('/')
        );
        // A brace stands in no canonical path, whatever else is wrong.
        if wildcard == "/{" {
            findings.error(at, message);
            return;
        }
        findings.warn(at.clone(), message);
    }
    if let Some(what) = wrong {
        findings.error(at, format!("{path:?} is not the path of any canonical request: {what}"));
    }
}

/// Whether a canonical path can be of this form.
pub(super) fn check_template(template: &str, at: FieldPath, findings: &mut Diagnostics) {
    if let Err(error) = Template::parse(template) {
        findings.error(at, format!("{template:?} is not a template: {error}"));
        return;
    }
    let mut plain = template.split('/').filter(|segment| !segment.starts_with('{'));
    if let Some(segment) = plain.find(|segment| segment.starts_with(':') || segment.contains('*')) {
        let message = format!(
            "{segment:?} is no variable here and stands for itself: write {{NAME}} for one segment, or {{NAME=**}} as \
             the last for the rest"
        );
        findings.warn(at.clone(), message);
    }
    let segments = template.split('/').map(|segment| if segment.starts_with('{') { "x" } else { segment });
    let path = segments.collect::<Vec<_>>().join("/");
    if !Path::of(path.as_bytes()).is_canonical() {
        findings.error(
            at,
            format!("{template:?} is not the form of any canonical request's path: of its plain segments, one is empty, \
                     '.' or '..', or holds what must be percent-encoded or must not"),
        );
    }
}

/// Whether a path can fit the expression.
fn check_regex(regex: &str, at: FieldPath, findings: &mut Diagnostics) {
    match Regex::parse(regex) {
        Err(error) => {
            findings
                .error(at, format!("{regex:?} is not a regular expression that is understood here: {error}"));
        }
        Ok(_) => {
            let start = regex.strip_prefix('^').unwrap_or(regex);
            if start.starts_with(|c: char| c.is_ascii_alphanumeric()) {
                findings.warn(
                    at,
                    "no path fits: paths start with '/', and the expression has to fit the whole path",
                );
            }
        }
    }
}
