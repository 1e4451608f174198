use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::*;

/// Everything that a policy can say, all of it right.
fn every_field() -> Value {
    let manifest: Value =
        serde_saphyr::from_str(include_str!("../../tests/data/pass/every-field.yaml")).unwrap();
    manifest["spec"].clone()
}

/// All places in a value, as JSON pointers (RFC 6901); the value itself is none.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut add = |name: &str, inner: &Value| {
        let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        places(inner, &at, found);
        found.push(at);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, inner)| add(name, inner)),
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(i, inner)| add(&i.to_string(), inner));
        }
        _ => {}
    }
}

/// Another value at a place: nothing, something that may be wrong there, or what stands elsewhere.
fn change(spec: &mut Value, at: Index, from: Index, what: usize) {
    let mut found = Vec::new();
    places(spec, "", &mut found);
    if found.is_empty() {
        return;
    }
    let odd =
        ["", "/", "x", "/{a", "/{a=**}/b", "(", "0s", "7d", "%{", "%{claim(given, a)}", "http://a", "{}"];
    let elsewhere = spec.pointer(&found[from.index(found.len())]).cloned();
    let place = &found[at.index(found.len())];
    let (parent, name) = place.rsplit_once('/').unwrap();
    let new = match what {
        0 => None,
        1 => Some(json!(0)),
        2 => Some(json!([])),
        3 => Some(json!({})),
        4 => elsewhere,
        other => Some(json!(odd[other % odd.len()])),
    };
    match (new, spec.pointer_mut(parent)) {
        (None, Some(Value::Object(members))) => {
            members.remove(&name.replace("~1", "/").replace("~0", "~"));
        }
        (None, Some(Value::Array(elements))) => {
            elements.remove(name.parse().unwrap());
        }
        (Some(new), _) => *spec.pointer_mut(place).unwrap() = new,
        (None, _) => {}
    }
}

/// As far as it can be read: what the checks say, and what compiling does.
fn both(spec: &Value) -> Option<(Diagnostics, Result<Program, &'static str>)> {
    let spec: TrafficPolicySpec = serde_json::from_value(spec.clone()).ok()?;
    let configuration = Configuration {
        policy: PolicyName::default(),
        spec,
        clusters: Clusters::default(),
        forwarded_for: ForwardedFor::default(),
        verification: Verification::default(),
        set_before: Vec::new(),
        logs_paths: false,
    };
    Some((checks::check(&configuration.spec), Program::compile(&configuration)))
}

#[test]
fn all_that_is_right_compiles_whole() {
    let (findings, program) = both(&every_field()).unwrap();
    assert!(!findings.has_errors());
    let program = program.unwrap();
    let jwt = program.jwt.unwrap();
    assert_eq!((jwt.providers.len(), jwt.rules.len(), program.limits.len()), (3, 6, 3));
    assert!(jwt.rules.iter().all(|rule| !rule.routes.is_empty()));
}

/// A part that does not compile is never left out: without its requests a rule would be about all of them.
#[test]
fn what_does_not_compile_fails_as_a_whole() {
    for (place, wrong) in [
        ("/jwt/rules/0/match/0/headers/0", json!({"name": "x-probe"})),
        ("/jwt/rules/2/match/0/path", json!({"template": "{"})),
        ("/jwt/rules/3/match/0/path", json!({"regex": "("})),
        ("/jwt/rules/1/require", json!({"allOf": ["fetched", "nobody"]})),
        ("/jwt/rules/1/claims/2/provider", json!("nobody")),
        ("/jwt/providers/0/jwks", json!({})),
        ("/jwt/providers/0/jwks", json!({"uri": "http://issuer.example"})),
        ("/jwt/providers/2/jwks/inline", json!("{}")),
        ("/rateLimits/0/match/0/path", json!({"template": "{"})),
        ("/rateLimits/0/key/5/path/templates/0", json!("{")),
        ("/rateLimits/0/limit/requests", json!(0)),
        ("/rateLimits/2/limit/period", json!("7d")),
        ("/headers/request/set/0/value", json!("%{")),
        ("/headers/response/set/0/value", json!("%{")),
    ] {
        let mut spec = every_field();
        *spec.pointer_mut(place).unwrap() = wrong;
        let (findings, program) = both(&spec).unwrap_or_else(|| panic!("{place} can't be read"));
        assert!(findings.has_errors(), "{place}: the checks pass it");
        let part = program.err().unwrap_or_else(|| panic!("{place}: it compiles"));
        assert!(format!("spec{}", place.replace('/', ".")).starts_with(part), "{place}: {part}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_the_checks_pass_compiles(
        changes in prop::collection::vec((any::<Index>(), any::<Index>(), 0..20_usize), 1..4),
    ) {
        let mut spec = every_field();
        for (at, from, what) in changes {
            change(&mut spec, at, from, what);
        }
        if let Some((findings, program)) = both(&spec) {
            let part = program.err();
            prop_assert!(findings.has_errors() || part.is_none(), "{:?} {}", part, spec);
        }
    }
}
