//! The profiles of a security context: `seccompProfile` (KEP-135) and `appArmorProfile` (KEP-24).

use serde_json::Value;

use super::fields::{At, Read};
use super::findings::{Findings, Shown};

/// What a profile's `type` must be.
pub(super) const TYPES: [&str; 2] = ["RuntimeDefault", "Localhost"];

/// Whether `spec` or a container sets this profile in its security context. A type that isn't allowed is reported.
pub(super) fn sets_profile(at: &At<'_>, profile: &str, findings: &mut Findings<'_>) -> bool {
    let path = ["securityContext", profile, "type"];
    match at.read_object(&["securityContext", profile], findings) {
        Read::Unset => return false,
        Read::Unreadable => {}
        Read::Is(fields) => match fields.get("type").unwrap_or(&Value::Null) {
            Value::String(text) if TYPES.contains(&text.as_str()) => {}
            other => findings.violation(at.path(&path), Shown(other), "be RuntimeDefault or Localhost"),
        },
    }
    true
}
