//! The defaults of probes and lifecycle hooks.

use super::{object, set_missing, set_zero};
use crate::object::Fields;

/// What a probe gets.
pub(super) fn probe(probe: &mut Fields) {
    set_zero(probe, "timeoutSeconds", 1);
    set_zero(probe, "periodSeconds", 10);
    set_zero(probe, "successThreshold", 1);
    set_zero(probe, "failureThreshold", 3);
    http_get(probe);
    if let Some(grpc) = object(probe, "grpc") {
        set_missing(grpc, "service", "");
    }
}

/// What the `httpGet` of a probe or hook gets.
pub(super) fn http_get(handler: &mut Fields) {
    if let Some(request) = object(handler, "httpGet") {
        set_zero(request, "path", "/");
        set_zero(request, "scheme", "HTTP");
    }
}
