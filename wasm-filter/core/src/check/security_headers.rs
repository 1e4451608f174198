//! Headers that tell browsers what to refuse.

use std::collections::BTreeMap;

use sallyport_policy::{Diagnostic, Diagnostics, Duration, FieldPath, nearest};

use crate::{ResponseHeaders, StrictTransportSecurity};

/// What browsers' preload list wants at least.
const PRELOAD_MIN_AGE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The headers that fields of their own set, and the fields.
pub(super) fn named(response: &ResponseHeaders) -> impl Iterator<Item = (&'static str, &'static str)> {
    [
        ("content-security-policy", "contentSecurityPolicy", !response.content_security_policy.is_empty()),
        (
            "content-security-policy-report-only",
            "contentSecurityPolicyReportOnly",
            !response.content_security_policy_report_only.is_empty(),
        ),
        (
            "strict-transport-security",
            "strictTransportSecurity",
            response.strict_transport_security.is_some(),
        ),
        ("x-frame-options", "frameOptions", response.frame_options.is_some()),
        ("referrer-policy", "referrerPolicy", response.referrer_policy.is_some()),
        ("permissions-policy", "permissionsPolicy", !response.permissions_policy.is_empty()),
        (
            "cross-origin-opener-policy",
            "crossOriginOpenerPolicy",
            response.cross_origin_opener_policy.is_some(),
        ),
        (
            "cross-origin-embedder-policy",
            "crossOriginEmbedderPolicy",
            response.cross_origin_embedder_policy.is_some(),
        ),
        (
            "cross-origin-resource-policy",
            "crossOriginResourcePolicy",
            response.cross_origin_resource_policy.is_some(),
        ),
    ]
    .into_iter()
    .filter_map(|(name, field, given)| given.then_some((name, field)))
}

pub(super) fn check(response: &ResponseHeaders, at: &FieldPath, findings: &mut Diagnostics) {
    for (field, policy) in [
        ("contentSecurityPolicy", &response.content_security_policy),
        ("contentSecurityPolicyReportOnly", &response.content_security_policy_report_only),
    ] {
        for (directive, sources) in policy {
            let at = at.field(field).key(directive);
            check_directive(directive, sources, &at, findings);
            for (i, source) in sources.iter().enumerate() {
                check_source(source, directive, sources.len(), at.index(i), findings);
            }
        }
    }
    check_permissions(&response.permissions_policy, &at.field("permissionsPolicy"), findings);
    if let Some(hsts) = &response.strict_transport_security {
        check_hsts(hsts, &at.field("strictTransportSecurity"), findings);
    }
}

/// Directives of CSP Level 3, Trusted Types, Upgrade Insecure Requests and Reporting that take sources or other values.
const WITH_VALUES: [&str; 24] = [
    "base-uri",
    "child-src",
    "connect-src",
    "default-src",
    "fenced-frame-src",
    "font-src",
    "form-action",
    "frame-ancestors",
    "frame-src",
    "img-src",
    "manifest-src",
    "media-src",
    "object-src",
    "prefetch-src",
    "report-to",
    "report-uri",
    "require-trusted-types-for",
    "script-src",
    "script-src-attr",
    "script-src-elem",
    "style-src",
    "style-src-attr",
    "style-src-elem",
    "worker-src",
];
/// Directives that may stand alone.
const ALONE: [&str; 4] = ["block-all-mixed-content", "sandbox", "trusted-types", "upgrade-insecure-requests"];

fn check_directive(directive: &str, sources: &[String], at: &FieldPath, findings: &mut Diagnostics) {
    if directive.is_empty() || !directive.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') {
        findings
            .error(at.clone(), "is not a directive: write lower-case letters and '-', such as default-src");
    } else if !WITH_VALUES.contains(&directive) && !ALONE.contains(&directive) {
        let known = WITH_VALUES.into_iter().chain(ALONE);
        let finding = Diagnostic::warning(at.clone(), "browsers know no such directive, and pass it over");
        findings.push(match nearest(directive, known) {
            Some(near) => finding.with_help(format!("did you mean {near}?")),
            None => finding,
        });
    } else if sources.is_empty() && !ALONE.contains(&directive) {
        findings.push(
            Diagnostic::warning(at.clone(), "an empty list of sources allows none")
                .with_help("write \"'none'\", which says so"),
        );
    }
}

/// Keywords that stand in quotes (CSP Level 3 §2.3.1, Trusted Types §4.3).
const KEYWORDS: [&str; 14] = [
    "allow-duplicates",
    "inline-speculation-rules",
    "none",
    "report-sample",
    "script",
    "self",
    "strict-dynamic",
    "trusted-types-eval",
    "unsafe-allow-redirects",
    "unsafe-eval",
    "unsafe-hashes",
    "unsafe-inline",
    "unsafe-webtransport-hashes",
    "wasm-unsafe-eval",
];
/// What nonces and hashes start with; they stand in quotes too.
const DIGESTS: [&str; 4] = ["nonce-", "sha256-", "sha384-", "sha512-"];

fn check_source(source: &str, directive: &str, among: usize, at: FieldPath, findings: &mut Diagnostics) {
    if source.is_empty() || !source.bytes().all(|b| b.is_ascii_graphic() && b != b';' && b != b',') {
        findings.error(
            at,
            format!("{source:?} is not one source: write visible ASCII characters without ';' and ','"),
        );
        return;
    }
    let digest = |text: &str| DIGESTS.iter().find(|start| text.starts_with(**start)).copied();
    // `sandbox`, `trusted-types` and the reporting directives have words of their own.
    let has_sources = directive.ends_with("-src")
        || directive.contains("-src-")
        || matches!(directive, "base-uri" | "form-action" | "frame-ancestors");
    let Some(quoted) = source.strip_prefix('\'') else {
        let keyword = KEYWORDS.contains(&source) && source != "script" && source != "allow-duplicates";
        if has_sources && (keyword || digest(source).is_some()) {
            findings
                .error(at, format!("{source} without quotes is the name of a host: write \"'{source}'\""));
        } else if source.ends_with('\'') {
            findings.error(at, format!("{source:?} has a quote at its end only"));
        }
        return;
    };
    match quoted.strip_suffix('\'') {
        None => findings.error(at, format!("{source:?} has a quote at its start only")),
        Some("none") if among > 1 => {
            findings.error(at, "'none' stands alone: beside other sources browsers pass it over");
        }
        Some(keyword) if KEYWORDS.contains(&keyword) => {}
        Some(value) => match digest(value) {
            Some("nonce-") => findings.push(
                Diagnostic::warning(at, "a nonce that is the same in every response protects from nothing")
                    .with_help("let the application set this header, or use hashes"),
            ),
            Some(_) => {}
            None => {
                let message = format!("{source} is no keyword of a Content-Security-Policy");
                let finding = Diagnostic::error(at, message);
                findings.push(match nearest(value, KEYWORDS) {
                    Some(near) => finding.with_help(format!("did you mean \"'{near}'\"?")),
                    None => finding.with_help("hosts and schemes stand without quotes"),
                });
            }
        },
    }
}

fn check_permissions(features: &BTreeMap<String, Vec<String>>, at: &FieldPath, findings: &mut Diagnostics) {
    for (feature, allowed) in features {
        let at = at.key(feature);
        if !feature.starts_with(|c: char| c.is_ascii_lowercase())
            || !feature.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            findings.error(
                at.clone(),
                "is not a feature: write lower-case letters, digits and '-', such as camera",
            );
        }
        for (i, who) in allowed.iter().enumerate() {
            let at = at.index(i);
            if matches!(who.as_str(), "'self'" | "'src'" | "'none'") {
                let bare = who.trim_matches('\'');
                findings.error(
                    at,
                    if bare == "none" {
                        "nobody is an empty list: write []".to_owned()
                    } else {
                        format!("in this header it stands without quotes: write {bare}")
                    },
                );
            } else if who == "*" && allowed.len() > 1 {
                findings.error(at, "* is everyone: write it alone");
            } else if !matches!(who.as_str(), "self" | "src" | "*") && !is_origin(who) {
                findings.error(
                    at,
                    format!(
                        "{who:?} is nobody: write self, src, * or an origin such as https://maps.example"
                    ),
                );
            }
        }
    }
}

/// Whether it is a scheme and a host, perhaps with a port (RFC 6454 §6.2).
fn is_origin(text: &str) -> bool {
    let Some((scheme, host)) = text.split_once("://") else { return false };
    matches!(scheme, "https" | "http" | "wss" | "ws")
        && !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'*' | b'[' | b']'))
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
