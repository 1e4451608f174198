//! Generated pods, valid as far as `validity` can tell.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::{Map, Value, json};

use crate::validity;

/// A pod that the API server would accept, as static defaulting and the admission before webhooks leave it.
pub(crate) fn pods() -> impl Strategy<Value = Value> {
    (spec(), metadata())
        .prop_map(
            |(spec, metadata)| json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}),
        )
        .prop_filter("a valid pod", |pod| validity::problems(pod).is_empty())
}

fn some_of(fields: Vec<(&'static str, Value)>) -> impl Strategy<Value = Value> {
    let most = fields.len();
    subsequence(fields, 0..=most).prop_map(|fields| {
        Value::Object(fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect())
    })
}

fn metadata() -> impl Strategy<Value = Value> {
    let labels = option::of(some_of(vec![
        ("app", json!("api")),
        ("tier", json!("back")),
        ("example.com/owner", json!("theirs")),
        ("x", json!("one")),
        ("empty", Value::Null),
    ]));
    let ranged = "LimitRanger plugin set: cpu, memory request for container a; cpu limit for container a; \
                  cpu request for init container i";
    let annotations = option::of(some_of(vec![
        ("kubernetes.io/limit-ranger", json!(ranged)),
        ("container.apparmor.security.beta.kubernetes.io/a", json!("runtime/default")),
        ("seccomp.security.alpha.kubernetes.io/pod", json!("localhost/own.json")),
        ("container.seccomp.security.alpha.kubernetes.io/a", json!("localhost/own.json")),
        ("note", json!("theirs")),
        ("gone", json!("1")),
    ]));
    (labels, annotations).prop_map(|(labels, annotations)| {
        let mut metadata = json!({"name": "api", "namespace": "shop", "futureMetadata": [1, {"a": null}]});
        metadata["labels"] = labels.unwrap_or(Value::Null);
        if let Some(annotations) = annotations {
            metadata["annotations"] = annotations;
        }
        metadata
    })
}

pub(crate) const NOT_READY: &str = "node.kubernetes.io/not-ready";
const NAMES: [&str; 5] = ["a", "b", "c", "side", "istio-proxy"];
const INIT_NAMES: [&str; 6] = ["i", "j", "native", "shipper", "istio-init", "linkerd-init"];

fn spec() -> impl Strategy<Value = Value> {
    let system = select(vec![None, None, Some("linux"), Some("windows")]);
    let containers = subsequence(NAMES.to_vec(), 1..=4).prop_flat_map(|names| {
        let each: Vec<_> = names.into_iter().map(|name| container_or_proxy(name).boxed()).collect();
        each
    });
    let init = subsequence(INIT_NAMES.to_vec(), 0..=3).prop_flat_map(|names| {
        let each: Vec<_> = names.into_iter().map(|name| container(name, false)).collect();
        each
    });
    let rest = some_of(vec![
        ("hostNetwork", json!(true)),
        ("hostUsers", json!(false)),
        ("nodeName", json!("node-1")),
        ("nodeSelector", json!({"workload": "batch"})),
        ("priorityClassName", json!("batch")),
        ("priority", json!(10)),
        ("preemptionPolicy", json!("PreemptLowerPriority")),
        (
            "affinity",
            json!({"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}, "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchFields": [
                {"key": "metadata.name", "operator": "In", "values": ["node-1"]}]}]}}}),
        ),
        (
            "tolerations",
            json!([
                {"key": "web", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 9},
                {"key": NOT_READY, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
            ]),
        ),
        (
            "topologySpreadConstraints",
            json!([{"topologyKey": "zone", "maxSkew": 5, "whenUnsatisfiable": "DoNotSchedule"}]),
        ),
        ("automountServiceAccountToken", json!(true)),
        ("terminationGracePeriodSeconds", json!(30)),
        ("futurePolicy", json!({"mode": "New"})),
        ("resources", json!({"requests": {"cpu": "3"}, "limits": {"cpu": "4"}})),
    ]);
    (system, security_context(true), containers, init, rest).prop_map(
        |(os, context, containers, init, rest)| {
            let mut spec: Map<String, Value> = rest.as_object().cloned().unwrap_or_default();
            spec.insert("containers".to_owned(), containers.into());
            if !init.is_empty() {
                spec.insert("initContainers".to_owned(), init.into());
            }
            spec.insert("securityContext".to_owned(), context);
            spec.insert("volumes".to_owned(), volumes());
            if let Some(os) = os {
                spec.insert("os".to_owned(), json!({"name": os}));
            }
            let mut spec = Value::Object(spec);
            fit_system(&mut spec);
            spec
        },
    )
}

/// Takes away what the pod's system does not have, so that Windows pods are not all filtered out.
fn fit_system(spec: &mut Value) {
    let windows = spec["os"]["name"] == "windows";
    let linux = spec["os"]["name"] == "linux";
    let fit = |context: &mut Value| {
        if let Some(context) = context.as_object_mut() {
            context.retain(|field, _| match field.as_str() {
                "windowsOptions" => !linux,
                "runAsNonRoot" | "futureContext" => true,
                _ => !windows,
            });
        }
    };
    fit(&mut spec["securityContext"]);
    for field in ["initContainers", "containers"] {
        for container in spec.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(context) = container.get_mut("securityContext") {
                fit(context);
            }
        }
    }
}

fn volumes() -> Value {
    json!([
        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "config", "configMap": {"name": "config"}},
        {"name": "writable-run", "emptyDir": {"medium": "Memory"}},
        {"name": "taken", "secret": {"secretName": "taken"}},
        {"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}},
        {"name": "kube-api-access-x7f2p", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
    ])
}

fn security_context(of_pod: bool) -> impl Strategy<Value = Value> {
    let user = select(vec![json!(0), json!(999), json!(1001), Value::Null]);
    let fields = if of_pod {
        vec![
            ("runAsNonRoot", json!(true)),
            ("runAsGroup", json!(999)),
            ("fsGroup", json!(999)),
            ("seccompProfile", json!({"type": "Unconfined"})),
            ("windowsOptions", json!({"runAsUserName": "ContainerUser"})),
            ("futureContext", json!(true)),
        ]
    } else {
        vec![
            ("runAsNonRoot", json!(true)),
            ("privileged", json!(true)),
            ("allowPrivilegeEscalation", json!(false)),
            ("readOnlyRootFilesystem", json!(false)),
            ("capabilities", json!({"add": ["SYS_ADMIN"]})),
            ("seccompProfile", Value::Null),
            ("futureContext", json!(true)),
        ]
    };
    (option::of(user), some_of(fields)).prop_map(|(user, mut context)| {
        if let Some(user) = user {
            context["runAsUser"] = user;
        }
        let escalates = context["privileged"] == true || context["capabilities"].is_object();
        if escalates && context["allowPrivilegeEscalation"] == false {
            context["allowPrivilegeEscalation"] = json!(true);
        }
        if context["runAsUser"] == 0 {
            context["runAsNonRoot"] = json!(false);
        }
        context
    })
}

/// Istio's proxy as its injector adds it, now and then, where that is the name.
fn container_or_proxy(name: &'static str) -> impl Strategy<Value = Value> {
    let env = subsequence(
        vec![
            json!({"name": "TRUST_DOMAIN", "value": "cluster.local"}),
            json!({"name": "SALLYPORT_KEY_shop__keys__one", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "one"}}}),
            json!({"name": "SALLYPORT_KEY_shop__keys__two", "valueFrom": {"secretKeyRef": {"name": "own", "key": "two"}}}),
        ],
        0..=3,
    );
    let proxy = option::of(env).prop_map(move |env| {
        json!({"name": name, "image": "docker.io/istio/proxyv2:1.30.0", "imagePullPolicy": "IfNotPresent",
            "args": ["proxy", "sidecar"], "env": env})
    });
    let weight = if name == "istio-proxy" { 3 } else { 0 };
    prop_oneof![1 => container(name, true), weight => proxy]
}

fn container(name: &'static str, main: bool) -> impl Strategy<Value = Value> {
    let resources = select(vec![
        Value::Null,
        json!({}),
        json!({"requests": {"cpu": "100m"}}),
        json!({"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}),
        json!({"limits": {"memory": "64Mi"}}),
        json!({"requests": {"hugepages-2Mi": "64Mi"}, "limits": {"hugepages-2Mi": "64Mi"}}),
    ]);
    let mounts = vec![
        json!({"name": "data", "mountPath": "/data"}),
        json!({"name": "data", "mountPath": "/tmp/", "subPath": "tmp"}),
        json!({"name": "config", "mountPath": "/var", "readOnly": true}),
        json!({"name": "kube-api-access-x7f2p", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}),
    ];
    let env = vec![
        json!({"name": "ZONE", "value": "theirs"}),
        json!({"name": "OWN", "value": "1"}),
        json!({"name": "NODE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}}),
    ];
    let rest = some_of(vec![
        ("env", Value::Null),
        ("futureField", json!(["x", null])),
        ("livenessProbe", json!({"exec": {"command": ["true"]}, "periodSeconds": 10})),
        ("restartPolicy", json!("Always")),
        ("ports", json!([{"name": "http", "containerPort": 8080}])),
        ("volumeDevices", json!([{"name": "disk", "devicePath": "/tmp"}])),
    ]);
    let some = |list: Vec<Value>| {
        let most = list.len();
        subsequence(list, 0..=most)
    };
    let context = option::of(security_context(false));
    (context, resources, some(mounts), some(env), rest, any::<Index>(), vec(any::<bool>(), 2)).prop_map(
        move |(context, resources, mounts, env, rest, policy, given)| {
            let mut container = rest;
            container["name"] = json!(name);
            container["image"] = json!(format!("registry.example.com/{name}:1"));
            container["imagePullPolicy"] = json!(*policy.get(&["Always", "IfNotPresent", "Never"]));
            if main {
                container.as_object_mut().map(|fields| fields.remove("restartPolicy"));
            } else if container["restartPolicy"] != "Always" {
                container.as_object_mut().map(|fields| fields.remove("livenessProbe"));
            }
            container["resources"] = resources;
            if let Some(context) = context {
                container["securityContext"] = context;
            }
            if given[0] {
                container["volumeMounts"] = mounts.into();
            }
            if given[1] {
                container["env"] = env.into();
            }
            // Not one null more than were chosen.
            if let Some(fields) = container.as_object_mut() {
                fields.retain(|field, value| field == "env" || !value.is_null());
            }
            container
        },
    )
}
