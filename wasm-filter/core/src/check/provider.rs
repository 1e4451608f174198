//! Who issues tokens.

use sallyport_policy::{Diagnostics, FieldPath};

use super::{check_positive, jwks, syntax};
use crate::{Provider, TokenLocation, TokenSource};

pub(super) fn check(provider: &Provider, at: &FieldPath, findings: &mut Diagnostics) {
    if provider.issuer.is_empty() {
        findings.error(at.field("issuer"), "the issuer is empty: write what the token's iss claim must be");
    }
    if provider.audiences.is_empty() {
        findings.push(
            sallyport_policy::Diagnostic::warning(
                at.field("audiences"),
                "whom a token is meant for is not checked",
            )
            .with_help(
                "a token that the issuer made for another application is accepted: name this one's audience",
            ),
        );
    }
    if provider.algorithms.is_empty() {
        findings.error(at.field("algorithms"), "no algorithm is accepted: write at least one, such as RS256");
    }
    jwks::check(&provider.jwks, &provider.algorithms, &at.field("jwks"), findings);
    for (i, source) in provider.token_from.iter().enumerate() {
        check_source(source, &at.field("tokenFrom").index(i), findings);
    }
    if let Some(lifetime) = provider.max_lifetime {
        check_positive(lifetime, at.field("maxLifetime"), findings);
        if provider.allow_no_expiry {
            let message = "tokens without exp live for ever, which maxLifetime forbids: write one of the two";
            findings.error(at.field("allowNoExpiry"), message);
        }
    }
    for (i, to_header) in provider.claims_to_headers.iter().enumerate() {
        let at = at.field("claimsToHeaders").index(i);
        syntax::check_claim_path(&to_header.claim, &at.field("claim"), findings);
        syntax::check_changeable_header(&to_header.header, at.field("header"), findings);
    }
    if let Some(header) = &provider.payload_to_header {
        syntax::check_changeable_header(header, at.field("payloadToHeader"), findings);
    }
}

fn check_source(source: &TokenSource, at: &FieldPath, findings: &mut Diagnostics) {
    match source.location() {
        None => findings.error(at.clone(), "exactly one of header, cookie and queryParameter is needed"),
        Some(TokenLocation::Header { name, scheme }) => {
            syntax::check_header_name(name, at.field("header"), findings);
            if let Some(scheme) = scheme {
                syntax::check_token("an authentication scheme", scheme, at.field("scheme"), findings);
            }
        }
        Some(TokenLocation::Cookie(name)) => {
            syntax::check_token("a cookie's name", name, at.field("cookie"), findings);
        }
        Some(TokenLocation::QueryParameter(name)) => {
            if name.is_empty() {
                findings.error(at.field("queryParameter"), "the parameter's name is empty");
            }
        }
    }
    if source.scheme.is_some() && source.header.is_none() {
        findings.error(at.field("scheme"), "goes with header: other places hold the token alone");
    }
}
