//! How often one may ask.

use sallyport_policy::{Diagnostics, Duration, FieldPath};

use super::{check_entry_names, check_positive, jwt, route_match, syntax};
use crate::limit::gcra::{Gcra, GcraError};
use crate::{KeySource, Limit, LimitScope, RateLimit, RouteMatch, TrafficPolicySpec};

/// The periods that the rate limit protocol has: second, minute, hour and day.
const GLOBAL_PERIODS: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(60),
    Duration::from_secs(60 * 60),
    Duration::from_secs(24 * 60 * 60),
];

pub(super) fn check(spec: &TrafficPolicySpec, at: &FieldPath, findings: &mut Diagnostics) {
    check_entry_names(spec.rate_limits.iter().map(|limit| limit.name.as_str()), at, findings);
    for limit in &spec.rate_limits {
        let at = at.named(&limit.name);
        route_match::check(&limit.matches, &at.field("match"), findings);
        route_match::check(&limit.exempt, &at.field("exempt"), findings);
        if let Some(all) = limit.exempt.iter().position(RouteMatch::fits_all) {
            findings.warn(
                at.field("exempt").index(all),
                "every request is exempt: only those count whose path or host may mean several things",
            );
        }
        for (i, key) in limit.key.iter().enumerate() {
            check_key(key, spec, &at.field("key").index(i), findings);
        }
        check_limit(&limit.limit, &at.field("limit"), findings);
        check_cost(limit, &at.field("cost"), findings);
        match limit.scope {
            LimitScope::Local => check_local(limit, &at, findings),
            LimitScope::Global => check_global(limit, spec, &at, findings),
        }
    }
}

fn check_limit(limit: &Limit, at: &FieldPath, findings: &mut Diagnostics) {
    check_positive(limit.period, at.field("period"), findings);
    if limit.requests == 0 {
        findings.error(at.field("requests"), "0 would refuse every request: write at least 1");
    }
    if limit.burst == Some(0) {
        findings.error(at.field("burst"), "0 would refuse every request: write at least 1");
    }
    if Gcra::new(limit) == Err(GcraError::TooLong) {
        findings.error(
            at.clone(),
            "a burst would take more than 73 years to come back: write a smaller burst or a shorter period",
        );
    }
    // Time is counted in nanoseconds.
    let nanos = u128::from(limit.period.as_millis()) * 1_000_000;
    if !limit.period.is_zero() && u128::from(limit.requests) > nanos {
        findings.error(
            at.field("requests"),
            format!(
                "{} in {} is more than one a nanosecond, which can't be counted",
                limit.requests, limit.period
            ),
        );
    }
}

fn check_cost(limit: &RateLimit, at: &FieldPath, findings: &mut Diagnostics) {
    let most = limit.limit.burst();
    if limit.cost == Some(0) {
        findings.error(at.clone(), "0 would count nothing: write at least 1");
    } else if limit.cost() > most && most > 0 {
        findings.error(
            at.clone(),
            format!(
                "{} is more than the {most} that are admitted at once: every request would be refused",
                limit.cost()
            ),
        );
    }
}

fn check_local(limit: &RateLimit, at: &FieldPath, findings: &mut Diagnostics) {
    if limit.lease.is_some() {
        findings.error(at.field("lease"), "goes with scope: Global: a Local limit asks no service");
    }
}

fn check_global(limit: &RateLimit, spec: &TrafficPolicySpec, at: &FieldPath, findings: &mut Diagnostics) {
    if spec.rate_limit_service.is_none() {
        findings.error(
            at.field("scope"),
            "Global needs a service that counts: write rateLimitService, or scope: Local",
        );
    }
    let period = limit.limit.period;
    if !period.is_zero() && !GLOBAL_PERIODS.contains(&period) {
        findings.error(
            at.field("limit").field("period"),
            format!("{period} is no period of a Global limit: write 1s, 1m, 1h or 1d"),
        );
    }
    if limit.limit.burst.is_some() {
        findings.error(
            at.field("limit").field("burst"),
            "goes with scope: Local: the service counts in fixed windows, without bursts",
        );
    }
    match limit.lease {
        Some(0) => findings.error(at.field("lease"), "0 would admit no request: write at least 1"),
        Some(lease) if lease > limit.limit.requests => findings.error(
            at.field("lease"),
            format!(
                "{lease} is more than the limit's {} requests: the service would always refuse",
                limit.limit.requests
            ),
        ),
        Some(lease) if lease > 1 && period == GLOBAL_PERIODS[0] => findings.warn(
            at.field("lease"),
            "has no effect on a period of 1s: what is leased is valid for up to a second less than the period",
        ),
        _ => {}
    }
}

fn check_key(key: &KeySource, spec: &TrafficPolicySpec, at: &FieldPath, findings: &mut Diagnostics) {
    match key {
        KeySource::Claim(claim) => {
            let at = at.field("claim");
            jwt::check_provider(&claim.provider, spec.jwt.as_ref(), at.field("provider"), findings);
            syntax::check_claim_path(&claim.path, &at.field("path"), findings);
        }
        KeySource::Header(header) => {
            let at = at.field("header");
            syntax::check_header_name(&header.name, at.field("name"), findings);
            if header.from_peers.is_empty() {
                findings.push(
                    sallyport_policy::Diagnostic::warning(
                        at.field("fromPeers"),
                        format!(
                            "whoever changes {:?} gets another limit, since it is believed from anyone",
                            header.name
                        ),
                    )
                    .with_help("name the identities that may set it, such as the gateway's"),
                );
            }
            for (i, peer) in header.from_peers.iter().enumerate() {
                if peer.is_empty() || peer.contains("://") {
                    findings.error(
                        at.field("fromPeers").index(i),
                        format!(
                            "{peer:?} is not an identity: write one such as cluster.local/ns/shop/sa/cart, without spiffe://"
                        ),
                    );
                }
            }
        }
        KeySource::ClientAddress(address) => {
            let at = at.field("clientAddress");
            for (field, bits, max) in
                [("ipv4Prefix", address.ipv4_prefix(), 32), ("ipv6Prefix", address.ipv6_prefix(), 128)]
            {
                if bits == 0 || bits > max {
                    findings.error(
                        at.field(field),
                        format!("{bits} is not a number of leading bits: write 1 to {max}"),
                    );
                }
            }
        }
        KeySource::Cookie(cookie) => {
            let at = at.field("cookie");
            syntax::check_token("a cookie's name", &cookie.name, at.field("name"), findings);
            warn_of_choice(&cookie.name, &at, findings);
        }
        KeySource::Query(query) => {
            let at = at.field("query");
            if query.name.is_empty() {
                findings.error(at.field("name"), "the parameter's name is empty");
            }
            warn_of_choice(&query.name, &at, findings);
        }
        KeySource::Constant(constant) => {
            if constant.value.is_empty() {
                findings.error(at.field("constant").field("value"), "the text is empty");
            }
        }
        KeySource::Path(path) => {
            let at = at.field("path").field("templates");
            for (i, template) in path.templates.iter().enumerate() {
                route_match::check_template(template, at.index(i), findings);
            }
        }
        KeySource::Host(_) | KeySource::Method(_) | KeySource::Peer(_) => {}
    }
}

/// Nobody vouches for what a client chooses.
fn warn_of_choice(name: &str, at: &FieldPath, findings: &mut Diagnostics) {
    findings.push(
        sallyport_policy::Diagnostic::warning(
            at.clone(),
            format!("whoever changes {name:?} gets another limit, since any client can"),
        )
        .with_help("count by clientAddress or by a claim, or have a second limit that does"),
    );
}
