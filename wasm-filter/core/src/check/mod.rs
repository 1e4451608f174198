//! What is wrong with a TrafficPolicy that its schema can't say: one file a part of the policy.
//!
//! Findings stand at their field, from `spec`. All of them are made, not the first.

mod headers;
mod jwks;
mod jwt;
mod made_headers;
mod provider;
mod rate_limit;
mod rate_limit_service;
mod route_match;
mod security_headers;
mod syntax;
mod target;

use std::collections::BTreeSet;

use sallyport_policy::{Diagnostic, Diagnostics, Duration, FieldPath, check_dns_label};

use crate::{FailureMode, TrafficPolicySpec};

/// What is wrong, or doubtful, in a policy by itself, whatever the cluster and the proxies hold.
#[must_use]
pub(crate) fn check(spec: &TrafficPolicySpec) -> Diagnostics {
    let mut findings = Diagnostics::default();
    let at = FieldPath::of("spec");

    target::check(spec, &at, &mut findings);
    syntax::check_hosts(&spec.hosts, &at.field("hosts"), &mut findings);
    if !spec.hosts.is_empty() && spec.jwt.is_some() {
        findings.push(
            Diagnostic::warning(at.field("hosts"), "requests to other hosts pass without a token").with_help(
                "a client may write any host: leave hosts out, unless another policy is about the others",
            ),
        );
    }
    if let Some(jwt) = &spec.jwt {
        jwt::check(jwt, spec, &at.field("jwt"), &mut findings);
        if spec.failure_mode == FailureMode::Open && !jwt.allow_unprotected {
            findings.error(
                at.field("failureMode"),
                "Open would let requests pass without the token that jwt requires: write Closed, or accept it with \
                 jwt.allowUnprotected: true",
            );
        }
    }
    if let Some(service) = &spec.rate_limit_service {
        rate_limit_service::check(service, spec, &at.field("rateLimitService"), &mut findings);
    }
    rate_limit::check(spec, &at.field("rateLimits"), &mut findings);
    if let Some(headers) = &spec.headers {
        headers::check(headers, spec, &at.field("headers"), &mut findings);
    }
    made_headers::check(spec, &at, &mut findings);
    findings
}

/// Whether the names of a list's entries are DNS labels and no two are the same.
fn check_entry_names<'a>(names: impl Iterator<Item = &'a str>, at: &FieldPath, findings: &mut Diagnostics) {
    let mut seen = BTreeSet::new();
    for name in names {
        if let Err(error) = check_dns_label(name) {
            findings.error(at.named(name).field("name"), error.to_string());
        }
        if !seen.insert(name) {
            findings.error(
                at.named(name),
                format!("{name:?} is the name of more than one entry: names must differ"),
            );
        }
    }
}

/// Whether some time passes.
fn check_positive(duration: Duration, at: FieldPath, findings: &mut Diagnostics) {
    if duration.is_zero() {
        findings.error(at, format!("{duration} is no time: write at least 1ms"));
    }
}
