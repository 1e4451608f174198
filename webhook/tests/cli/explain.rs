//! `sallyport explain`.

use std::fs;

use serde_json::{Value, json};

use super::desk::{Desk, check};

#[test]
fn explain_names_the_line_of_the_policy_behind_each_field() {
    check(
        "explain -p policies objects",
        0,
        &[
            "Pod of Deployment shop/api  objects/deployment.yaml:2\n",
            "  + spec.securityContext.runAsNonRoot = true\n      hardening/restricted policies/hardening.yaml:7\n",
            "  + spec.automountServiceAccountToken = false\n      hardening/token policies/hardening.yaml:10\n",
            "  · spec.securityContext.runAsNonRoot left alone: container root sets runAsUser: 0\n",
        ],
        &[],
    );
}

const TRAFFIC: &str = "\
apiVersion: sallyport.dev/v1alpha1
kind: TrafficPolicy
metadata:
  name: tokens
  namespace: shop
spec:
  selector: {}
  jwt:
    providers: [{name: a, issuer: a, audiences: [a], algorithms: [RS256], jwks: {secretRef: {name: keys, key: k}}}]
    rules: [{name: all, match: [{}], require: {anyOf: [a]}}]
";

const PROXIED: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop}
spec:
  containers:
    - {name: api, image: 'registry.example.com/api:1'}
    - {name: istio-proxy, image: 'docker.io/istio/proxyv2:1.30.0'}
";

#[test]
fn explain_names_the_traffic_policy_behind_the_key_of_a_proxy() {
    let desk = Desk::new();
    fs::write(desk.path("traffic.yaml"), TRAFFIC).unwrap();
    fs::write(desk.path("proxied.yaml"), PROXIED).unwrap();
    desk.check(
        "explain -p traffic.yaml proxied.yaml",
        0,
        &[
            "  + spec.containers[istio-proxy].env[SALLYPORT_KEY_shop__keys__k]",
            "      TrafficPolicy shop/tokens traffic.yaml:4\n",
        ],
        &[],
    );
    desk.check("admit -p traffic.yaml proxied.yaml", 0, &["SALLYPORT_KEY_shop__keys__k"], &[]);
}

#[test]
fn explain_lists_who_set_each_field_on_request() {
    check(
        "explain --all -p policies objects",
        0,
        &[
            "    spec.containers[api].image = registry.example.com/api:1  author objects/deployment.yaml:10\n",
            "    spec.containers[api].imagePullPolicy = IfNotPresent  default (API server)\n",
            "    metadata.generateName = api-0000000000-  controller\n",
        ],
        &[],
    );
}

#[test]
fn explain_gives_programs_the_line_behind_everything() {
    let desk = Desk::new();
    let policy = "\
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: users}
spec:
  exceptions: {namespaces: [shop], maxDuration: 87600h}
  match: {namespaces: [shop], kinds: [Pod]}
  mutate:
    - {name: no-root, priorityClassName: low}
  validate:
    - name: no-root
      mode: Warn
      cel: {expression: 'false', message: found root}
    - name: excepted
      cel: {expression: 'false', message: found root}
---
apiVersion: sallyport.dev/v1alpha1
kind: PolicyException
metadata: {name: root, namespace: shop}
spec:
  policies: [{name: users, entries: [excepted]}]
  match: {names: [root]}
  expires: 2031-01-01T00:00:00Z
  reason: a test
";
    fs::write(desk.path("users.yaml"), policy).unwrap();
    let output = desk.run("explain --all -o json -p users.yaml objects/root.yaml", "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    let at = |list: &str| json!([line[list][0]["entry"], line[list][0]["file"], line[list][0]["line"]]);
    assert_eq!(at("changes"), json!(["no-root", "users.yaml", 8]));
    // A mutation and a validation may share a name.
    assert_eq!(at("warnings"), json!(["no-root", "users.yaml", 10]));
    assert_eq!(at("excepted"), json!(["excepted", "users.yaml", 13]));
    let field = |path: &str| {
        let fields = line["unchanged"].as_array().unwrap();
        fields.iter().find(|field| field["path"] == path).map(|field| json!([field["from"], field["line"]]))
    };
    assert_eq!(field("spec.containers[root].securityContext.runAsUser"), Some(json!(["author", 5])));
    assert_eq!(field("spec.dnsPolicy"), Some(json!(["default", null])));
    assert_eq!(field("spec.priorityClassName"), None);
    desk.check(
        "explain -p users.yaml objects/root.yaml",
        0,
        &[
            "  ! the object found root (only told: mode Warn)\n      users/no-root users.yaml:10\n",
            "  · the object excepted: let in by PolicyException shop/root: found root\n      users/excepted users.yaml:13\n",
        ],
        &[],
    );
}

#[test]
fn explain_says_of_a_controller_what_its_pod_is_refused_for_and_tells_of_no_exception() {
    let desk = Desk::new();
    let policy = "\
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: users}
spec:
  exceptions: {namespaces: [shop], maxDuration: 876000h}
  match: {namespaces: [shop], kinds: [Pod]}
  validate:
    - name: enforced
      cel: {expression: 'false', message: found none}
    - name: told
      mode: Warn
      cel: {expression: 'false', message: found none}
    - name: excepted
      cel: {expression: 'false', message: found none}
---
apiVersion: sallyport.dev/v1alpha1
kind: PolicyException
metadata: {name: api, namespace: shop}
spec:
  policies: [{name: users, entries: [excepted]}]
  match: {objectSelector: {matchLabels: {app: api}}}
  expires: 2090-01-01T00:00:00Z
  reason: a test
";
    fs::write(desk.path("users.yaml"), policy).unwrap();
    desk.check(
        "explain -p users.yaml objects/deployment.yaml",
        1,
        &[
            "  ! spec.template found none (only told: controllers: Warn; its pod is refused)\n      users/enforced ",
            "  ! spec.template found none (only told: mode Warn)\n      users/told ",
            "let in by PolicyException shop/api: found none\n",
            "  ✗ the object found none\n      users/enforced ",
        ],
        &[],
    );
}
