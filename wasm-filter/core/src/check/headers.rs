//! Which headers come and go.

use std::collections::BTreeSet;

use sallyport_policy::{Diagnostics, Duration, FieldPath};

use super::syntax;
use crate::{Headers, ResponseHeaders, SetHeader, StrictTransportSecurity};

/// What browsers' preload list wants at least.
const PRELOAD_MIN_AGE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pub(super) fn check(headers: &Headers, at: &FieldPath, findings: &mut Diagnostics) {
    if let Some(correlation) = &headers.correlation {
        syntax::check_changeable_header(
            &correlation.header,
            at.field("correlation").field("header"),
            findings,
        );
    }
    if let Some(request) = &headers.request {
        check_changes(&request.set, &request.remove, &at.field("request"), findings);
    }
    if let Some(response) = &headers.response {
        check_response(response, &at.field("response"), findings);
    }
}

fn check_response(response: &ResponseHeaders, at: &FieldPath, findings: &mut Diagnostics) {
    check_changes(&response.set, &response.remove, at, findings);
    let named = [
        ("content-security-policy", "contentSecurityPolicy", !response.content_security_policy.is_empty()),
        (
            "strict-transport-security",
            "strictTransportSecurity",
            response.strict_transport_security.is_some(),
        ),
        ("x-frame-options", "frameOptions", response.frame_options.is_some()),
        ("referrer-policy", "referrerPolicy", response.referrer_policy.is_some()),
    ];
    for header in &response.set {
        for (name, field, given) in named {
            if given && header.name.eq_ignore_ascii_case(name) {
                findings
                    .error(at.field("set").named(&header.name), format!("{field} sets this header already"));
            }
        }
    }
    let directives = at.field("contentSecurityPolicy");
    for (directive, sources) in &response.content_security_policy {
        let at = directives.key(directive);
        if directive.is_empty() || !directive.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') {
            findings.error(
                at.clone(),
                "is not a directive: write lower-case letters and '-', such as default-src",
            );
        }
        for (i, source) in sources.iter().enumerate() {
            if source.is_empty() || !source.bytes().all(|b| b.is_ascii_graphic() && b != b';' && b != b',') {
                findings.error(
                    at.index(i),
                    format!(
                        "{source:?} is not one source: write visible ASCII characters without ';' and ','"
                    ),
                );
            }
            const KEYWORDS: [&str; 6] =
                ["none", "self", "strict-dynamic", "unsafe-eval", "unsafe-hashes", "unsafe-inline"];
            if KEYWORDS.contains(&source.as_str()) {
                findings.error(
                    at.index(i),
                    format!("{source} without quotes is the name of a host: write \"'{source}'\""),
                );
            }
        }
    }
    if let Some(hsts) = &response.strict_transport_security {
        check_hsts(hsts, &at.field("strictTransportSecurity"), findings);
    }
}

fn check_hsts(hsts: &StrictTransportSecurity, at: &FieldPath, findings: &mut Diagnostics) {
    if !hsts.max_age.as_millis().is_multiple_of(1_000) {
        findings
            .error(at.field("maxAge"), format!("{} is not in whole seconds (RFC 6797 §6.1.1)", hsts.max_age));
    }
    if hsts.preload && !(hsts.include_sub_domains && hsts.max_age >= PRELOAD_MIN_AGE) {
        findings.warn(
            at.field("preload"),
            "the preload list wants includeSubDomains: true and maxAge of at least 365d",
        );
    }
}

fn check_changes(set: &[SetHeader], remove: &[String], at: &FieldPath, findings: &mut Diagnostics) {
    let mut seen = BTreeSet::new();
    for header in set {
        let at = at.field("set").named(&header.name);
        syntax::check_changeable_header(&header.name, at.field("name"), findings);
        syntax::check_header_value(&header.value, at.field("value"), findings);
        if !seen.insert(header.name.to_ascii_lowercase()) {
            findings.error(at, format!("{:?} is set twice", header.name));
        }
    }
    for (i, name) in remove.iter().enumerate() {
        syntax::check_changeable_header(name, at.field("remove").index(i), findings);
    }
}
