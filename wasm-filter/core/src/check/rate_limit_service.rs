//! Who counts for all proxies together.

use sallyport_policy::{Diagnostics, FieldPath, check_dns_label};

use super::check_positive;
use crate::{LimitScope, RateLimitService, TrafficPolicySpec};

pub(super) fn check(
    service: &RateLimitService,
    spec: &TrafficPolicySpec,
    at: &FieldPath,
    findings: &mut Diagnostics,
) {
    for (field, name) in [("service", Some(&service.service)), ("namespace", service.namespace.as_ref())] {
        if let Some(Err(error)) = name.map(|name| check_dns_label(name)) {
            findings.error(at.field(field), error.to_string());
        }
    }
    if service.port == 0 {
        findings.error(at.field("port"), "0 is not a port: write 1 to 65535");
    }
    check_positive(service.timeout, at.field("timeout"), findings);
    if spec.rate_limits.iter().all(|limit| limit.scope != LimitScope::Global) {
        findings.warn(at.clone(), "the service is never asked: no limit has scope: Global");
    }
}
