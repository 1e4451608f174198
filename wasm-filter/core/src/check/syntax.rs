//! The forms of header names, header values, methods, hosts and claim paths.

use sallyport_policy::{Diagnostics, FieldPath, check_dns_subdomain};

use crate::ClaimPath;
use crate::edit::{Value, Variable, is_framing};

/// Whether `c` may stand in a token (RFC 9110 §5.6.2).
fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// Whether `text` is a token (RFC 9110 §5.6.2), the form of header names, methods, schemes and cookie names.
pub(super) fn check_token(what: &str, text: &str, at: FieldPath, findings: &mut Diagnostics) {
    if text.is_empty() {
        findings.error(at, format!("{what} is empty"));
    } else if let Some(c) = text.chars().find(|c| !is_token_char(*c)) {
        findings.error(
            at,
            format!("{text:?} is not {what}: it holds {c:?}; write letters, digits and !#$%&'*+-.^_`|~ (RFC 9110 §5.6.2)"),
        );
    }
}

/// Whether `name` is the name of a header that can be read.
pub(super) fn check_header_name(name: &str, at: FieldPath, findings: &mut Diagnostics) {
    check_token("a header's name", name, at, findings);
}

/// Whether `name` is the name of a header that may be set or removed.
pub(super) fn check_changeable_header(name: &str, at: FieldPath, findings: &mut Diagnostics) {
    if is_framing(name.as_bytes()) {
        findings
            .error(at, format!("{name:?} frames the message or names its receiver, and can't be changed"));
    } else {
        check_header_name(name, at, findings);
    }
}

/// Whether `value` may be a header's value (RFC 9110 §5.5).
pub(super) fn check_header_value(value: &str, at: FieldPath, findings: &mut Diagnostics) {
    if let Some(c) = value.chars().find(|c| !matches!(c, '\t' | ' '..='~')) {
        findings.error(
            at,
            format!("a header's value can't hold {c:?}: write visible ASCII characters, spaces and tabs (RFC 9110 §5.5)"),
        );
    } else if value.starts_with([' ', '\t']) || value.ends_with([' ', '\t']) {
        findings.error(at, "a header's value can't start or end with a space or a tab (RFC 9110 §5.5)");
    }
}

/// The variables of a header's value, if it can be read.
pub(super) fn check_variables(value: &str, at: FieldPath, findings: &mut Diagnostics) -> Vec<Variable> {
    match Value::parse(value) {
        Ok(value) => value.variables().cloned().collect(),
        Err(error) => {
            findings.error(at, error.to_string());
            Vec::new()
        }
    }
}

/// Whether each host is a name in lower case, or one after `*.`.
pub(super) fn check_hosts(hosts: &[String], at: &FieldPath, findings: &mut Diagnostics) {
    for (i, host) in hosts.iter().enumerate() {
        let at = at.index(i);
        if host.contains(':') {
            findings.error(at, format!("{host:?} holds a ':': write the host without scheme and port"));
        } else if let Err(error) = check_dns_subdomain(host.strip_prefix("*.").unwrap_or(host)) {
            findings.error(at, format!("{error}; or such a name after \"*.\""));
        }
    }
}

/// Whether a path of names leads anywhere.
pub(super) fn check_claim_path(path: &ClaimPath, at: &FieldPath, findings: &mut Diagnostics) {
    if path.is_empty() {
        findings.error(at.clone(), "no claim is named: write a list of names, such as [sub]");
    }
    for (i, name) in path.iter().enumerate() {
        if name.is_empty() {
            findings.error(at.index(i), "a claim's name is empty");
        }
    }
}
