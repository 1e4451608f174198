//! Who must sign in.

use std::collections::BTreeSet;

use sallyport_policy::{Diagnostics, FieldPath};

use super::{check_entry_names, provider, route_match, syntax};
use crate::{ClaimRule, Jwt, JwtRule, KeySource, Require, RouteMatch, TrafficPolicySpec};

pub(super) fn check(jwt: &Jwt, spec: &TrafficPolicySpec, at: &FieldPath, findings: &mut Diagnostics) {
    let providers = at.field("providers");
    if jwt.providers.is_empty() {
        findings.error(providers.clone(), "no provider is given: write who issues the tokens");
    }
    check_entry_names(jwt.providers.iter().map(|provider| provider.name.as_str()), &providers, findings);
    for provider in &jwt.providers {
        let at = providers.named(&provider.name);
        provider::check(provider, &at, findings);
        if !is_used(&provider.name, jwt, spec) {
            findings.warn(at, "no rule requires a token of this provider, and no limit counts by one");
        }
    }

    let rules = at.field("rules");
    if jwt.rules.is_empty() {
        findings.error(rules.clone(), "no rule is given, so every request would be answered with 401");
    }
    check_entry_names(jwt.rules.iter().map(|rule| rule.name.as_str()), &rules, findings);
    let mut fits_all = None;
    for rule in &jwt.rules {
        let at = rules.named(&rule.name);
        check_rule(rule, jwt, &at, findings);
        if let Some(before) = fits_all {
            findings
                .warn(at, format!("the rule is never reached: {before:?} before it matches every request"));
        } else if rule.matches.iter().any(RouteMatch::fits_all) && rule.require != Require::None {
            fits_all = Some(&rule.name);
        }
    }
}

/// Whether `provider` is one of the policy's.
pub(super) fn check_provider(provider: &str, jwt: Option<&Jwt>, at: FieldPath, findings: &mut Diagnostics) {
    let names: Vec<_> = jwt.into_iter().flat_map(|jwt| &jwt.providers).map(|p| p.name.as_str()).collect();
    if names.is_empty() {
        findings.error(at, format!("there is no provider {provider:?}: jwt.providers names none"));
    } else if !names.contains(&provider) {
        findings
            .error(at, format!("there is no provider {provider:?}: jwt.providers has {}", names.join(", ")));
    }
}

fn check_rule(rule: &JwtRule, jwt: &Jwt, at: &FieldPath, findings: &mut Diagnostics) {
    if rule.matches.is_empty() {
        findings
            .error(at.field("match"), "no request matches: write at least one entry; {} is every request");
    }
    route_match::check(&rule.matches, &at.field("match"), findings);

    let (field, providers) = match &rule.require {
        Require::None => {
            if !rule.claims.is_empty() {
                findings.error(at.field("claims"), "there is no token to look at, since require is None");
            }
            if rule.matches.iter().any(RouteMatch::fits_all) {
                findings.warn(at.clone(), "every request that comes to this rule passes without a token");
            }
            return;
        }
        Require::AnyOf(providers) => ("anyOf", providers),
        Require::AllOf(providers) => ("allOf", providers),
        Require::Optional(providers) => ("optional", providers),
    };
    let required = at.field("require").field(field);
    if providers.is_empty() {
        findings.error(required.clone(), "no provider is named: write at least one, or require: None");
    }
    let mut seen = BTreeSet::new();
    for (i, provider) in providers.iter().enumerate() {
        check_provider(provider, Some(jwt), required.index(i), findings);
        if !seen.insert(provider) {
            findings.error(required.index(i), format!("{provider:?} is named twice"));
        }
    }
    for (i, claim) in rule.claims.iter().enumerate() {
        check_claim(claim, providers, &at.field("claims").index(i), findings);
    }
}

fn check_claim(rule: &ClaimRule, required: &[String], at: &FieldPath, findings: &mut Diagnostics) {
    syntax::check_claim_path(&rule.claim, &at.field("claim"), findings);
    if rule.test().is_none() {
        findings.error(at.clone(), "exactly one of present, equals, oneOf, contains and matches is needed");
    }
    if rule.one_of.as_ref().is_some_and(Vec::is_empty) {
        findings.error(at.field("oneOf"), "no value is accepted: write at least one");
    }
    if let Some(provider) = &rule.provider
        && !required.contains(provider)
    {
        findings.error(
            at.field("provider"),
            format!("the rule requires no token of {provider:?}: require has {}", required.join(", ")),
        );
    }
}

fn is_used(provider: &str, jwt: &Jwt, spec: &TrafficPolicySpec) -> bool {
    let required = jwt.rules.iter().flat_map(|rule| rule.require.providers()).any(|name| name == provider);
    let counted = spec
        .rate_limits
        .iter()
        .flat_map(|limit| &limit.key)
        .any(|key| matches!(key, KeySource::Claim(claim) if claim.provider == provider));
    required || counted
}
