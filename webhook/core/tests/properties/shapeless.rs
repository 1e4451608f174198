//! Any JSON where a pod should be: rules judge it without a panic, the same each time, and repeat no secret.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sallyport_admission::{Context, Decision, PolicySet, validate};
use serde_json::{Map, Value, json};

use crate::reading;

/// What no message may repeat.
const SECRET: &str = "hunter2-and-more";

/// The names of fields that rules read, wherever they stand.
const FIELDS: [&str; 58] = [
    "metadata",
    "labels",
    "annotations",
    "spec",
    "containers",
    "initContainers",
    "ephemeralContainers",
    "name",
    "image",
    "volumes",
    "reference",
    "restartPolicy",
    "startupProbe",
    "livenessProbe",
    "readinessProbe",
    "httpGet",
    "exec",
    "path",
    "port",
    "resources",
    "requests",
    "limits",
    "cpu",
    "memory",
    "ephemeral-storage",
    "nvidia.com/gpu",
    "env",
    "value",
    "valueFrom",
    "serviceAccountName",
    "serviceAccount",
    "affinity",
    "podAntiAffinity",
    "requiredDuringSchedulingIgnoredDuringExecution",
    "topologySpreadConstraints",
    "hostNetwork",
    "securityContext",
    "privileged",
    "capabilities",
    "add",
    "drop",
    "command",
    "team",
    "app",
    "sidecar.istio.io/inject",
    "traffic.sidecar.istio.io/excludeInboundPorts",
    "proxy.istio.io/config",
    "sidecar.istio.io/proxyImage",
    "inject.istio.io/templates",
    "sidecar.istio.io/interceptionMode",
    "namespace",
    "ownerReferences",
    "controller",
    "deletionTimestamp",
    "status",
    "emptyDir",
    "os",
    "x",
];

fn texts() -> impl Strategy<Value = String> {
    let known = select(vec![
        "",
        "api",
        "istio-proxy",
        "Always",
        "nginx",
        "registry.example.com/a:1",
        "docker.io/istio/proxyv2:1.30.0",
        "a@b",
        "[::1]:5/x",
        "/health",
        "?",
        "1",
        "500m",
        "1e999",
        "-1Gi",
        "true",
        "NET_ADMIN",
        "DB_PASSWORD",
        "apiKey",
        "::",
        "$(",
        "$(X)",
        "://:@",
        "4111 1111 1111 1111 1111 1111",
        "eyJ.eyJ.",
        "-----BEGIN ",
        "{\"a\":",
        "concurrency: 2",
        SECRET,
        "default",
        "CAP_É",
        "é",
        "\u{0}",
        "\u{2028}",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => "\\PC{0,40}", 1 => "[-_@:/.$( )A-Za-z0-9]{0,60}"]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        texts().prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 96, 6, |inner| {
        let object = |inner| {
            vec((select(FIELDS.to_vec()), inner), 0..6)
                .prop_map(|fields| fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Map<_, _>>())
        };
        prop_oneof![vec(inner.clone(), 0..5).prop_map(Value::from), object(inner).prop_map(Value::from)]
    })
}

/// A container of which any part may be anything.
fn container() -> impl Strategy<Value = Value> {
    let env = vec((texts(), json()), 0..4).prop_map(|env| {
        env.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect::<Vec<_>>()
    });
    let fields = vec((select(FIELDS.to_vec()), json()), 0..5);
    (texts(), env, fields).prop_map(|(name, env, fields)| {
        let mut container = json!({"name": name, "env": env});
        for (field, value) in fields {
            container[field] = value;
        }
        container
    })
}

fn pods() -> impl Strategy<Value = Value> {
    let lists = [vec(container(), 0..3), vec(container(), 0..3), vec(container(), 0..2)];
    let rest = vec((select(FIELDS.to_vec()), json()), 0..5);
    (lists, rest, json()).prop_map(|([containers, init, ephemeral], rest, metadata)| {
        let mut spec =
            json!({"containers": containers, "initContainers": init, "ephemeralContainers": ephemeral});
        for (field, value) in rest {
            spec[field] = value;
        }
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    })
}

fn every_rule() -> PolicySet {
    reading::policy_set(
        r#"
metadata: {name: shop}
spec:
  match: {kinds: [Pod]}
  validate:
    - {name: images, images: {registries: [registry.example.com], digest: Required, tags: {forbidden: [latest]}}}
    - {name: metadata, metadata: {requiredLabels: [team], requiredAnnotations: [x]}}
    - {name: probes, probes: {required: [startup, liveness, readiness], httpPaths: [/health]}}
    - {name: resources, resources: {required: {requests: [cpu], limits: [memory]}, min: {cpu: 1}, max: {cpu: 2, nvidia.com/gpu: 1, ephemeral-storage: 1Gi}}}
    - {name: secrets, secretsInEnv: Forbidden}
    - {name: account, serviceAccount: {named: true}}
    - {name: spread, spread: Required}
    - {name: traffic, requireTraffic: {rateLimits: true, jwt: true}}
"#,
    )
}

fn judge(set: &PolicySet, pod: &Value) -> Decision {
    let mut request = reading::creation(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}}));
    request.object = pod.clone();
    validate(set, &request, &Context::default())
}

#[track_caller]
fn hold(pod: &Value) {
    let set = every_rule();
    let decision = judge(&set, pod);
    let again = judge(&set, pod);
    assert_eq!(decision.violations, again.violations);
    assert_eq!(decision.warnings, again.warnings);
    assert_eq!(decision.allowed, decision.violations.is_empty());
    for violation in decision.violations.iter().filter(|violation| *violation.source.entry == *"secrets") {
        assert!(!violation.message.contains(SECRET), "{}", violation.message);
    }
    let unreadable = |list: &str| match &pod["spec"][list] {
        Value::Null => false,
        Value::Array(list) => list.iter().any(|container| !container.is_object()),
        _ => true,
    };
    if !pod["spec"].is_object()
        || ["containers", "initContainers", "ephemeralContainers"].iter().any(|list| unreadable(list))
    {
        for entry in ["images", "probes", "resources", "secrets", "account", "spread", "traffic"] {
            let refused = decision.violations.iter().any(|violation| *violation.source.entry == *entry);
            assert!(refused, "{entry} lets pass {pod:#}");
        }
        assert!(!decision.allowed);
    }
}

proptest! {
    #[test]
    fn a_pod_of_which_any_part_is_anything_is_judged(pod in pods()) {
        hold(&pod);
    }

    #[test]
    fn anything_at_all_is_judged(spec in json(), metadata in json()) {
        hold(&json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}));
    }

    #[test]
    fn anything_is_an_image_or_none(image in "\\PC{0,80}", host in "[a-zA-Z0-9.:\\[\\]_-]{0,20}", path in "[a-z0-9./_:@-]{0,40}") {
        for image in [image, format!("{host}/{path}")] {
            hold(&json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "a", "image": image}]}}));
        }
    }
}
