//! Which headers come and go.

use std::collections::BTreeSet;

use sallyport_policy::{Diagnostics, FieldPath};

use super::{jwt, security_headers, syntax};
use crate::edit::Variable;
use crate::{Correlation, ExistingHeader, Headers, Jwt, ResponseHeaders, SetHeader, TrafficPolicySpec};

pub(super) fn check(headers: &Headers, spec: &TrafficPolicySpec, at: &FieldPath, findings: &mut Diagnostics) {
    if let Some(correlation) = &headers.correlation {
        let at = at.field("correlation").field("header");
        syntax::check_changeable_header(&correlation.header, at.clone(), findings);
        if correlation.header.eq_ignore_ascii_case("traceparent") {
            findings.error(
                at,
                "traceparent holds more than an identifier, and is never changed: name another header",
            );
        }
    }
    let correlated = headers.correlation.is_some();
    if let Some(request) = &headers.request {
        let at = at.field("request");
        check_names(&request.set, &request.remove, &at, findings);
        let at = at.field("set");
        for header in &request.set {
            let claims = Claims::Of(spec.jwt.as_ref());
            check_value(header, claims, correlated, &at.named(&header.name).field("value"), findings);
        }
    }
    if let Some(response) = &headers.response {
        check_response(response, headers.correlation.as_ref(), &at.field("response"), findings);
    }
}

fn check_response(
    response: &ResponseHeaders,
    correlation: Option<&Correlation>,
    at: &FieldPath,
    findings: &mut Diagnostics,
) {
    check_names(&response.set, &response.remove, at, findings);
    let mut seen = BTreeSet::new();
    for header in &response.set {
        let at = at.field("set").named(&header.name);
        if !seen.insert(header.name.to_ascii_lowercase()) {
            findings.error(at.clone(), format!("{:?} is set twice", header.name));
        }
        if correlation.is_some_and(|correlation| {
            correlation.respond && correlation.header.eq_ignore_ascii_case(&header.name)
        }) {
            findings.error(at.clone(), "correlation sets this header already");
        }
        for (name, field) in security_headers::named(response) {
            if header.name.eq_ignore_ascii_case(name) {
                findings.error(at.clone(), format!("{field} sets this header already"));
            }
        }
        check_value(header, Claims::Gone, correlation.is_some(), &at.field("value"), findings);
    }
    security_headers::check(response, at, findings);
}

/// Whose claims a value may name.
#[derive(Clone, Copy)]
enum Claims<'a> {
    Of(Option<&'a Jwt>),
    Gone,
}

fn check_value(
    header: &SetHeader,
    claims: Claims<'_>,
    correlated: bool,
    at: &FieldPath,
    findings: &mut Diagnostics,
) {
    for variable in syntax::check_variables(&header.value, at.clone(), findings) {
        match (variable, claims) {
            (Variable::Claim { provider, .. }, Claims::Of(given)) => {
                jwt::check_provider(&provider, given, at.clone(), findings);
                if header.existing != ExistingHeader::Replace {
                    findings.warn(
                        at.clone(),
                        "what the client sends in this header is always removed, since a claim is set in it",
                    );
                }
            }
            (Variable::Claim { .. }, Claims::Gone) => {
                findings.error(at.clone(), "claims are the application's to know: a response holds none");
            }
            (Variable::CorrelationId, _) if !correlated => {
                findings.error(at.clone(), "there is no correlation identifier: write headers.correlation");
            }
            _ => {}
        }
    }
}

/// Whether all that is set or removed may be.
fn check_names(set: &[SetHeader], remove: &[String], at: &FieldPath, findings: &mut Diagnostics) {
    for header in set {
        let at = at.field("set").named(&header.name);
        syntax::check_changeable_header(&header.name, at.field("name"), findings);
        syntax::check_header_value(&header.value, at.field("value"), findings);
    }
    for (i, name) in remove.iter().enumerate() {
        syntax::check_changeable_header(name, at.field("remove").index(i), findings);
    }
}
