//! Generated policies: every action, both strategies, selections and conditions.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use sallyport_admission::{PolicySet, TrafficSelector};
use serde_json::{Value, json};

use crate::pods::NOT_READY;
use crate::reading;

/// Actions that can fill in what is not set.
pub(crate) fn actions() -> Vec<Value> {
    vec![
        json!({"securityContext": {
            "pod": {"runAsNonRoot": true, "runAsUser": 1001, "runAsGroup": 1001, "fsGroup": 1001, "seccompProfile": {"type": "RuntimeDefault"}},
            "container": {"readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}
        }}),
        json!({"securityContext": {"container": {"runAsUser": 1001, "runAsGroup": 1001, "runAsNonRoot": true, "appArmorProfile": {"type": "RuntimeDefault"}}}}),
        json!({"securityContext": {"pod": {"runAsUser": 0, "supplementalGroups": [7]}, "container": {"runAsUser": 0}}}),
        json!({"securityContext": {"container": {"privileged": true, "procMount": "Unmasked"}}}),
        json!({"securityContext": {"container": {"capabilities": {"add": ["SYS_ADMIN"]}}}}),
        json!({"securityContext": {"pod": {"windowsOptions": {"runAsUserName": "ContainerAdministrator"}}}}),
        json!({"writablePaths": [{"path": "/tmp", "sizeLimit": "256Mi"}, {"path": "/var/log/app", "volume": "app-logs"}]}),
        json!({"writablePaths": [{"path": "/run"}, {"path": "/data/cache", "volume": "taken"}, {"path": "/var/cache"}]}),
        json!({"metadata": {"labels": {"app": "shop", "tier": "web", "example.com/owner": "ours"}, "annotations": {"note": "ours"}}}),
        json!({"metadata": {"labels": {"x": "two", "y": "1"}}}),
        json!({"metadata": {"labels": {"x": "three"}}}),
        json!({"env": [{"name": "ZONE", "value": "ours"}, {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]}),
        json!({"env": [{"name": "OWN", "value": "ours"}, {"name": "ZONE", "value": "others"}]}),
        json!({"sidecar": {
            "container": {"name": "shipper", "image": "registry.example.com/shipper:2", "volumeMounts": [{"name": "app-logs", "mountPath": "/var/log/app", "readOnly": true}],
                "resources": {"requests": {"cpu": "50m"}, "limits": {"cpu": "100m"}}}
        }}),
        json!({"sidecar": {
            "position": "First",
            "container": {"name": "native", "image": "registry.example.com/native:2", "securityContext": {"runAsUser": 1001}, "env": [{"name": "ZONE", "value": "ours"}], "volumeMounts": [{"name": "own", "mountPath": "/own"}]},
            "volumes": [{"name": "own", "emptyDir": {}}]
        }}),
        json!({"sidecar": {"type": "Classic", "container": {"name": "side", "image": "registry.example.com/side:2"}}}),
        json!({"sidecar": {"type": "Classic", "container": {"name": "metrics", "image": "registry.example.com/metrics:2", "ports": [{"name": "metrics", "containerPort": 8080, "hostPort": 8080}]}}}),
        json!({"sidecar": {
            "position": "First",
            "container": {"name": "i", "image": "registry.example.com/i:2", "ports": [{"name": "http", "containerPort": 8081}], "volumeMounts": [{"name": "config", "mountPath": "/tmp"}]},
            "volumes": [{"name": "config", "configMap": {"name": "config"}}]
        }}),
        json!({"sidecar": {
            "container": {"name": "keys", "image": "registry.example.com/keys:2", "volumeMounts": [{"name": "taken", "mountPath": "/keys"}]},
            "volumes": [{"name": "taken", "secret": {"secretName": "ours"}}]
        }}),
        json!({"initContainer": {"position": {"before": "j"}, "container": {"name": "prepare", "image": "registry.example.com/prepare:1"}}}),
        json!({"initContainer": {"position": {"after": "shipper"}, "container": {"name": "i", "image": "registry.example.com/i:2"}}}),
        json!({"resources": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"cpu": "2", "memory": "2Gi"}}}),
        json!({"resources": {"requests": {"cpu": "2"}}}),
        json!({"resources": {"limits": {"cpu": "200m"}}}),
        json!({"resources": {"requests": {"hugepages-2Mi": "32Mi"}, "limits": {"hugepages-2Mi": "32Mi"}}}),
        json!({"probes": {"liveness": {"httpGet": {"path": "/health", "port": 8080}}, "readiness": {"tcpSocket": {"port": 8080}}}}),
        json!({"scheduling": {"nodeSelector": {"workload": "db"}, "tolerations": [{"key": NOT_READY, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}],
            "affinity": {"nodeAffinity": {}}}}),
        json!({"writablePaths": [{"path": "/disk", "volume": "disk"}]}),
        json!({"scheduling": {"nodeSelector": {"workload": "web", "rack": "a"}, "tolerations": [{"key": "web", "operator": "Exists", "effect": "NoSchedule"}],
            "affinity": {"podAntiAffinity": {}}}}),
        json!({"podAntiAffinity": {"type": "Preferred", "topologyKey": "kubernetes.io/hostname", "labelsFromPod": ["app"]}}),
        json!({"topologySpread": [{"topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelsFromPod": ["app"]},
            {"topologyKey": "rack", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {"matchLabels": {"app": "api"}}}]}),
        json!({"automountServiceAccountToken": false}),
        json!({"priorityClassName": "critical"}),
    ]
}

/// Actions that change what is set, whatever their strategy.
pub(crate) fn changing_actions() -> Vec<Value> {
    vec![
        json!({"strategy": "Override", "imagePullPolicy": "Always"}),
        json!({"patch": [{"op": "add", "path": "/metadata/annotations/example.com~1patched", "value": "yes"}]}),
        json!({"patch": [{"op": "replace", "path": "/spec/containers/0/image", "value": "registry.example.com/patched:1"}]}),
        json!({"patch": [{"op": "remove", "path": "/metadata/annotations/gone"}]}),
        json!({"patch": [{"op": "move", "from": "/metadata/labels/tier", "path": "/metadata/labels/moved"}]}),
        json!({"patch": [{"op": "copy", "from": "/metadata/name", "path": "/metadata/labels/name"}]}),
        json!({"when": "true", "patch": [{"op": "add", "path": "/spec/tolerations/-", "value": {"key": "again", "operator": "Exists"}}]}),
        json!({"when": "!object.spec.?tolerations.orValue([]).exists(t, t.?key.orValue('') == 'once')",
            "patch": [{"op": "add", "path": "/spec/tolerations/-", "value": {"key": "once", "operator": "Exists"}}]}),
        json!({"when": "object.spec.containers.exists(c, c.name == 'istio-proxy' && c.?env.orValue([]).size() > 2)",
            "patch": [{"op": "add", "path": "/metadata/annotations/example.com~1keys", "value": "seen"}]}),
        json!({"when": "has(object.metadata.labels) && 'x' in object.metadata.labels && object.metadata.labels.x == 'one'",
            "patch": [{"op": "replace", "path": "/metadata/labels/x", "value": "two"}]}),
        json!({"when": "has(object.metadata.labels) && 'x' in object.metadata.labels && object.metadata.labels.x == 'two'",
            "patch": [{"op": "replace", "path": "/metadata/labels/x", "value": "one"}]}),
    ]
}

/// Sets of policies in all of which every entry is a Default.
pub(crate) fn default_sets() -> impl Strategy<Value = PolicySet> {
    let entry = (select(actions()), Just(None), selection(), condition(), mode());
    vec(vec(entry, 1..=5), 1..=3).prop_map(set)
}

/// Sets of policies of any kind.
pub(crate) fn sets() -> impl Strategy<Value = PolicySet> {
    let strategies = select(vec![None, Some("Default"), Some("Override")]);
    let fill = (select(actions()), strategies, selection(), condition(), mode());
    let change = (select(changing_actions()), Just(None), selection(), Just(None), mode());
    vec(vec(prop_oneof![3 => fill, 1 => change], 1..=5), 1..=3).prop_map(set)
}

/// A set of these actions, one entry each.
pub(crate) fn set_of(actions: Vec<Value>, strategy: Option<&'static str>) -> PolicySet {
    set(vec![actions.into_iter().map(|action| (action, strategy, None, None, "Enforce")).collect()])
}

type Entry = (Value, Option<&'static str>, Option<Value>, Option<(&'static str, Value)>, &'static str);

/// Two TrafficPolicies with keys in Secrets, one of which they share.
fn traffic() -> Vec<TrafficSelector> {
    let policies = json!([
        {"namespace": "shop", "name": "tokens", "selector": {}, "jwt": true,
            "secrets": [{"name": "keys", "key": "one"}, {"name": "keys", "key": "two"}]},
        {"namespace": "shop", "name": "of-the-shop", "selector": {"matchLabels": {"app": "shop"}}, "jwt": true,
            "secrets": [{"name": "keys", "key": "two"}, {"name": "more", "key": "three"}]},
    ]);
    policies.as_array().into_iter().flatten().map(reading::traffic).collect()
}

fn set(policies: Vec<Vec<Entry>>) -> PolicySet {
    let policies = policies.into_iter().enumerate().map(|(number, entries)| {
        let entries: Vec<Value> = entries
            .into_iter()
            .enumerate()
            .map(|(number, (mut entry, strategy, selection, condition, mode))| {
                entry["name"] = json!(format!("e{number}"));
                entry["mode"] = json!(mode);
                if let Some(strategy) = strategy {
                    entry["strategy"] = json!(strategy);
                }
                if let Some(selection) = selection {
                    entry["containers"] = selection;
                }
                if let Some((field, condition)) = condition {
                    entry[field] = condition;
                }
                entry
            })
            .collect();
        reading::policy(&json!({
            "metadata": {"name": format!("p{number}")},
            "spec": {"match": {"kinds": ["Pod"]}, "mutate": entries}
        }))
    });
    PolicySet::new(policies.collect()).knowing(traffic())
}

fn selection() -> impl Strategy<Value = Option<Value>> {
    option::of(select(vec![
        json!({"names": ["a"]}),
        json!({"names": ["i*", "s*"]}),
        json!({"types": ["container"]}),
        json!({"types": ["init", "sidecar", "ephemeral"]}),
    ]))
}

fn condition() -> impl Strategy<Value = Option<(&'static str, Value)>> {
    option::weighted(
        0.3,
        select(vec![
            ("labels", json!({"app": "shop"})),
            ("labels", json!({"x": "two"})),
            ("when", json!("has(object.metadata.labels) && 'y' in object.metadata.labels")),
            ("when", json!("object.spec.containers.exists(c, c.name == 'a')")),
            ("when", json!("object.spec.missing == 1")),
        ]),
    )
}

fn mode() -> impl Strategy<Value = &'static str> {
    select(vec!["Enforce", "Enforce", "Enforce", "Warn", "Audit"])
}
