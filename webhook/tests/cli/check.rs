//! `sallyport check`.

use std::fs;

use serde_json::{Value, json};

use super::desk::{Desk, POLICY, ROOT_POD, VALIDATION, check, check_with};

#[test]
fn check_says_what_is_right_and_where_it_is_wrong() {
    check("check policies", 0, &["✓ 1 WorkloadPolicy is right: 2 mutations, 0 validations"], &[]);
    check("check misspelt.yaml", 2, &["error: misspelt.yaml:6:3 spec.mutat", "did you mean mutate?"], &[]);
    check("check validation.yaml", 0, &["✓ 1 WorkloadPolicy is right: 0 mutations, 1 validation\n"], &[]);
    check_with("check -", POLICY, 0, &["✓ 1 WorkloadPolicy is right"], &[]);
    let output = Desk::new().run("check -o json policies misspelt.yaml", "");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        serde_json::from_slice::<Value>(&output.stdout).unwrap(),
        json!({
            "file": "misspelt.yaml", "line": 6, "column": 3, "path": "spec.mutat", "severity": "error",
            "message": "unknown field mutat", "help": "did you mean mutate?",
        })
    );
}

#[test]
fn a_wrong_policy_admits_nothing() {
    check("admit -p policies -p misspelt.yaml objects", 2, &[], &["error: misspelt.yaml:6:3 spec.mutat"]);
    check("explain -p misspelt.yaml objects", 2, &[], &["error: misspelt.yaml:6:3 spec.mutat"]);
    check("serve --standalone -p misspelt.yaml", 2, &[], &["error: misspelt.yaml:6:3 spec.mutat"]);
}

const EXCEPTION: &str = "\
apiVersion: sallyport.dev/v1alpha1
kind: PolicyException
metadata: {name: root, namespace: NAMESPACE}
spec:
  policies: [{name: POLICY, entries: [ENTRY]}]
  match: {names: [root]}
  expires: EXPIRES
  reason: a test
";

#[test]
fn check_warns_of_exceptions_that_no_policy_honours() {
    let desk = Desk::new();
    let policy = "    - {name: b, priorityClassName: low}\n";
    let policy = POLICY
        .replace("spec:\n", "spec:\n  exceptions: {namespaces: [shop], maxDuration: 876000h}\n")
        + policy;
    fs::write(desk.path("honours.yaml"), policy).unwrap();
    for ([namespace, policy, entry, expires], wanted) in [
        (["shop", "hardening", "token", "2090-01-01T00:00:00Z"], None),
        (["shop", "hardenin", "token", "2090-01-01T00:00:00Z"], Some("did you mean hardening?")),
        (["shop", "hardening", "tokn", "2090-01-01T00:00:00Z"], Some("did you mean token?")),
        (
            ["other", "hardening", "token", "2090-01-01T00:00:00Z"],
            Some("exceptions.namespaces does not list its namespace"),
        ),
        (["shop", "hardening", "token", "2020-01-01T00:00:00Z"], Some("it has expired")),
        (["shop", "hardening", "token", "2900-01-01T00:00:00Z"], Some("it lasts longer than")),
    ] {
        let exception = EXCEPTION.replace("NAMESPACE", namespace).replace("POLICY", policy);
        let exception = exception.replace("ENTRY", entry).replace("EXPIRES", expires);
        fs::write(desk.path("exception.yaml"), exception).unwrap();
        let output = desk.run("check honours.yaml exception.yaml", "");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}");
        match wanted {
            Some(wanted) => assert!(text.contains(wanted) && text.contains("1 warning in 1 file"), "{text}"),
            None => assert!(!text.contains("warning"), "{text}"),
        }
    }
}

#[test]
fn check_warns_of_a_name_that_stands_in_both_lists() {
    let desk = Desk::new();
    let validation = "  validate:\n    - {name: token, serviceAccount: {named: true}}\n";
    let policy = POLICY.replace("spec:\n", "spec:\n  exceptions: {namespaces: [shop]}\n") + validation;
    fs::write(desk.path("both.yaml"), policy).unwrap();
    for (entry, meant) in [("token", true), ("validate/token", false), ("mutate/token", false)] {
        let exception = EXCEPTION.replace("NAMESPACE", "shop").replace("POLICY", "hardening");
        let exception = exception.replace("ENTRY", entry).replace("EXPIRES", "2090-01-01T00:00:00Z");
        fs::write(desk.path("exception.yaml"), exception).unwrap();
        let (wanted, warnings) =
            ("validate/token is meant; mutate/token stays in force", 1 + usize::from(meant));
        let output = desk.run("check both.yaml exception.yaml", "");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("an entry of mutate has this name too"), "{text}");
        assert_eq!((text.contains(wanted), text.matches("warning: ").count()), (meant, warnings), "{text}");
    }
}

#[test]
fn check_says_where_the_other_entry_of_a_conflict_is_and_both_values() {
    let other = POLICY.replace("hardening}", "other}").replace("runAsNonRoot: true", "runAsNonRoot: false");
    let both = format!("{POLICY}---\n{other}");
    check_with(
        "check -",
        &both,
        0,
        &[
            "sets pod.securityContext.runAsNonRoot to false, hardening/restricted to true",
            "hardening/restricted is <stdin>:7",
        ],
        &[],
    );
}

#[test]
fn check_says_that_a_negation_needs_quotes() {
    let policy = VALIDATION
        .replace("images: {registries: [registry.example.com]}", "cel: {expression: !has(object.x)}");
    check_with("check -", &policy, 2, &["unknown tag !has(object.x)", "needs quotes: '!…'"], &[]);
}

#[test]
fn check_names_the_first_object_that_is_no_policy_and_counts_the_others() {
    let desk = Desk::new();
    desk.check("check policies objects/root.yaml", 0, &["a Pod is no policy and is not read here\n"], &[]);
    desk.check(
        "check policies objects",
        0,
        &["objects/deployment.yaml:2:7 kind\n   a Deployment is no policy and is not read here; nor is 1 more object\n"],
        &[],
    );
    let many = format!("{ROOT_POD}---\n{ROOT_POD}---\n{ROOT_POD}");
    check_with("check - policies", &many, 0, &["nor are 2 more objects", "1 warning in 1 file"], &[]);
}

#[test]
fn check_counts_what_else_is_right_and_warns_of_a_namespace() {
    let traffic = "apiVersion: sallyport.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: t, namespace: shop}\n\
        spec: {selector: {matchLabels: {app: api}}, headers: {response: {set: [{name: X-Frame-Options, value: DENY}]}}}\n";
    let desk = Desk::new();
    fs::write(desk.path("traffic.yaml"), traffic).unwrap();
    let told = "checked here, and not in force by that: 1 TrafficPolicy. In a cluster Sallyport attaches it to the mesh's \
                proxies; `sallyport render` prints what attaches it";
    desk.check(
        "check policies traffic.yaml",
        0,
        &["; 1 TrafficPolicy is right: 0 providers, 0 rules, 0 limits\n"],
        &[told],
    );
    desk.check("check traffic.yaml", 0, &["✓ 1 TrafficPolicy is right: 0 providers"], &[told]);
    // Whoever asks about workloads asks nothing about traffic.
    for command in ["admit", "explain", "simulate"] {
        desk.check(&format!("{command} -p policies -p traffic.yaml objects"), 0, &[], &[]);
    }
    let namespaced = POLICY.replace("{name: hardening}", "{name: hardening, namespace: shop}");
    check_with(
        "check -",
        &namespaced,
        0,
        &["warning: <stdin>:3:40 metadata.namespace", "spec.match.namespaces"],
        &[],
    );
}

const TRAFFIC: &str = "\
apiVersion: sallyport.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: api, namespace: shop}
spec:
  selector: {}
  trustedHops: 1
  jwt:
    providers: [{name: a, issuer: a, audiences: [a], algorithms: [RS256], jwks: {env: {name: KEYS}}}]
    rules: [{name: all, match: [{}], require: {anyOf: [a]}}]
  rateLimits: [{name: all, limit: {requests: 10, period: 1s}, cost: 1}]
";

#[test]
fn check_counts_what_traffic_policies_say() {
    let other = TRAFFIC.replace("name: api,", "name: other,");
    check_with(
        "check -",
        TRAFFIC,
        0,
        &["✓ 1 TrafficPolicy is right: 1 provider, 1 rule, 1 limit\n"],
        &["1 TrafficPolicy."],
    );
    let two = format!("{TRAFFIC}---\n{other}");
    check_with(
        "check -",
        &two,
        0,
        &["✓ 2 TrafficPolicies are right: 2 providers, 2 rules, 2 limits\n"],
        &["2 TrafficPolicies."],
    );
}

#[test]
fn check_warns_of_keys_that_reach_no_proxy() {
    let of_secret = TRAFFIC.replace("env: {name: KEYS}", "secretRef: {name: keys, key: k}");
    let path = "spec.jwt.providers[a].jwks.secretRef\n";
    let in_root = of_secret.replace("namespace: shop", "namespace: istio-system");
    check_with(
        "check -",
        &in_root,
        0,
        &[path, "reaches the proxies of namespace istio-system only"],
        &["1 TrafficPolicy."],
    );
    let by_name = of_secret.replace("selector: {}", "targetRefs: [{kind: Deployment, name: api}]");
    check_with("check -", &by_name, 0, &[path, "reaches no proxy"], &["1 TrafficPolicy."]);
    for arriving in [of_secret, TRAFFIC.replace("namespace: shop", "namespace: istio-system")] {
        let output = Desk::new().run("check -", &arriving);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !said.contains("jwks"), "{said}");
    }
}

#[test]
fn two_traffic_policies_of_one_name_are_one_too_many() {
    let two = format!("{TRAFFIC}---\n{TRAFFIC}");
    let wanted = [
        "error: <stdin>:14:18 metadata.name",
        "another TrafficPolicy of its namespace has this name: <stdin>:3",
    ];
    check_with("check -", &two, 2, &wanted, &[]);
    let elsewhere = TRAFFIC.replace("namespace: shop", "namespace: other");
    check_with(
        "check -",
        &format!("{TRAFFIC}---\n{elsewhere}"),
        0,
        &["✓ 2 TrafficPolicies are right"],
        &["not in force by that"],
    );
}

#[test]
fn what_the_api_server_refuses_for_its_length_is_wrong_in_a_file_too() {
    let long = TRAFFIC.replace("trustedHops: 1", "trustedHops: 17");
    let wanted = ["error: <stdin>:6:16 spec.trustedHops", "the API server takes at most 16, found 17"];
    check_with("check -", &long, 2, &wanted, &[]);
    // What is wrong anyway is said once.
    let nothing = TRAFFIC.replace("cost: 1", "cost: 0");
    check_with(
        "check -",
        &nothing,
        2,
        &["0 would count nothing: write at least 1", "1 error in 1 file"],
        &[],
    );
}
