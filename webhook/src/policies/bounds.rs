//! How much the API server takes: a policy that is longer than its schema allows is right in a file, and refused in a
//! cluster.
//!
//! Only bounds are looked at here. That a field has the right type and a name that is known, reading says; what a value
//! must be, the checks do.

use std::collections::HashSet;
use std::sync::LazyLock;

use sallyport_admission::element;
use sallyport_policy::{Diagnostic, FieldPath};
use serde_json::Value;

use crate::crds;

/// What of a TrafficPolicy's `spec` is beyond the bounds of its schema.
pub(super) fn check(policy: &Value) -> Vec<Diagnostic> {
    static SCHEMA: LazyLock<Value> = LazyLock::new(crds::traffic_policy);
    let mut found = Vec::new();
    if let Some(spec) = policy.get("spec") {
        walk(&SCHEMA, spec, &FieldPath::of("spec"), "spec", &mut found);
    }
    found
}

/// `list` is the field that the value stands in: elements of lists are named by it.
fn walk(schema: &Value, value: &Value, at: &FieldPath, list: &str, found: &mut Vec<Diagnostic>) {
    let mut bound = |size: Option<u64>, least: &str, most: &str, what: &str| {
        let Some(size) = size else { return };
        let limit = |name: &str| schema.get(name).and_then(Value::as_u64);
        let message = match (limit(least), limit(most)) {
            (_, Some(most)) if size > most => {
                format!("the API server takes at most {most}{what}, found {size}")
            }
            (Some(least), _) if size < least => {
                format!("the API server takes at least {least}{what}, found {size}")
            }
            _ => return,
        };
        found.push(Diagnostic::error(at.clone(), message));
    };
    let count = |length: usize| u64::try_from(length).ok();
    match value {
        Value::Number(number) => bound(number.as_u64(), "minimum", "maximum", ""),
        Value::String(text) => {
            bound(count(text.chars().count()), "minLength", "maxLength", " characters");
        }
        Value::Array(elements) => {
            bound(count(elements.len()), "minItems", "maxItems", " entries");
            let is_set = schema.get("x-kubernetes-list-type").is_some_and(|kind| kind == "set");
            let mut seen = HashSet::new();
            for (i, inner) in elements.iter().enumerate() {
                let at = at.then(element::segment(list, elements, i));
                if is_set && !seen.insert(inner) {
                    found.push(Diagnostic::error(
                        at.clone(),
                        "stands here twice, which the API server refuses",
                    ));
                }
                if let Some(schema) = schema.get("items") {
                    walk(schema, inner, &at, "", found);
                }
            }
        }
        Value::Object(members) => {
            bound(count(members.len()), "minProperties", "maxProperties", " entries");
            for (name, inner) in members {
                if let Some(schema) = schema.get("properties").and_then(|fields| fields.get(name)) {
                    walk(schema, inner, &at.field(name.clone()), name, found);
                } else if let Some(schema) = schema.get("additionalProperties").filter(|any| any.is_object())
                {
                    walk(schema, inner, &at.key(name.clone()), name, found);
                }
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_api_server_refuses_for_its_length_is_found() {
        let set: Vec<Value> = (0..71).map(|i| json!({"name": format!("x-{i}"), "value": ""})).collect();
        let limits: Vec<Value> = (0..33)
            .map(|i| json!({"name": format!("a{i}"), "limit": {"requests": 1, "period": "1s"}}))
            .collect();
        for (spec, wanted) in [
            (json!({"trustedHops": 16}), ""),
            (json!({"trustedHops": 17}), "spec.trustedHops: the API server takes at most 16, found 17"),
            (
                json!({"rateLimits": [{"name": "a", "key": [{"path": {"segments": 33}}], "cost": 0}]}),
                "spec.rateLimits[a].cost: the API server takes at least 1, found 0\n\
                 spec.rateLimits[a].key[0].path.segments: the API server takes at most 32, found 33",
            ),
            (
                json!({"rateLimits": limits}),
                "spec.rateLimits: the API server takes at most 32 entries, found 33",
            ),
            (
                json!({"headers": {"request": {"set": set}}}),
                "spec.headers.request.set: the API server takes at most 64 entries, found 71",
            ),
            (
                json!({"jwt": {"providers": [{"name": "p", "claimsToHeaders": [{"claim": vec!["a"; 9]}]}]}}),
                "spec.jwt.providers[p].claimsToHeaders[0].claim: the API server takes at most 8 entries, found 9",
            ),
            (
                json!({"hosts": ["a.example", "a.example", "é".repeat(253), "a".repeat(254)]}),
                "spec.hosts[1]: stands here twice, which the API server refuses\n\
                 spec.hosts[3]: the API server takes at most 253 characters, found 254",
            ),
        ] {
            let mut found: Vec<String> =
                check(&json!({"spec": spec})).iter().map(ToString::to_string).collect();
            found.sort();
            assert_eq!(found.join("\n"), wanted);
        }
    }
}
