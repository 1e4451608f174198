//! What deciding about an object costs, beside what parsing it into a tree costs.

#![allow(missing_docs, reason = "criterion's macro makes an undocumented function")]

use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use sallyport_admission::{Context, PolicySet, Request, mutate, validate};
use serde_json::{Value, json};

#[path = "../tests/reading/mod.rs"]
mod reading;

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

criterion_group!(engine, realistic, thousand_policies, many_variables, mebibyte, pod_security);
criterion_main!(engine);

/// One pod of a web service, as the API server sends it, through five policies.
fn realistic(c: &mut Criterion) {
    let request = reading::creation(&pod());
    let set = reading::policy_set(FIVE);
    let changed = mutate(&set, &request, &Context::default());
    assert!(changed.changes.len() > 15, "{}", changed.changes.len());
    let text = request.object.to_string();
    let mut group = c.benchmark_group("realistic");
    group.bench_function("decide", |b| b.iter(|| mutate(&set, black_box(&request), &Context::default())));
    let result = Request { object: changed.mutated.expect("the pod is changed"), ..request };
    group.bench_function("decide about the result", |b| {
        b.iter(|| mutate(&set, black_box(&result), &Context::default()));
    });
    group.bench_function(format!("parse {} bytes", text.len()), |b| b.iter(|| parse(black_box(&text))));
    group.finish();
}

/// A thousand policies, ten of which are about the request's namespace.
fn thousand_policies(c: &mut Criterion) {
    let of = |total: usize| {
        let policies = (0..total).map(|number| {
            let namespace = if number < 10 { "shop".to_owned() } else { format!("other-{number}") };
            let label = format!("p{number}");
            reading::policy(&json!({
                "metadata": {"name": format!("p{number}")},
                "spec": {
                    "match": {"kinds": ["Pod"], "namespaces": [namespace]},
                    "mutate": [{"name": "mark", "metadata": {"labels": {label: "yes"}}}]
                }
            }))
        });
        PolicySet::new(policies.collect())
    };
    let request = reading::creation(&pod());
    let mut group = c.benchmark_group("ten policies match");
    for total in [10, 1000] {
        let set = of(total);
        group.bench_function(format!("of {total}"), |b| {
            b.iter(|| mutate(&set, black_box(&request), &Context::default()));
        });
    }
    group.finish();
}

/// A container of 1,500 environment variables that is given ten more.
fn many_variables(c: &mut Criterion) {
    let mut pod = pod();
    let variables = |start: usize, end: usize| -> Vec<Value> {
        (start..end)
            .map(|n| json!({"name": format!("VARIABLE_{n}"), "value": format!("value {n}")}))
            .collect()
    };
    pod["spec"]["containers"][0]["env"] = variables(0, 1500).into();
    let request = reading::creation(&pod);
    let set = PolicySet::new(vec![reading::policy(&json!({
        "metadata": {"name": "shop"},
        "spec": {"match": {"kinds": ["Pod"]}, "mutate": [{"name": "ten", "env": variables(2000, 2010)}]}
    }))]);
    let text = request.object.to_string();
    let mut group = c.benchmark_group("1500 variables");
    group.bench_function("decide", |b| b.iter(|| mutate(&set, black_box(&request), &Context::default())));
    group.bench_function(format!("parse {} bytes", text.len()), |b| b.iter(|| parse(black_box(&text))));
    group.finish();
}

/// A pod of a mebibyte, most of it in arguments.
fn mebibyte(c: &mut Criterion) {
    let mut pod = pod();
    let arguments: Vec<Value> = (0..16_384).map(|n| json!(format!("--argument-{n:06}={:040}", n))).collect();
    pod["spec"]["containers"][0]["args"] = arguments.into();
    let request = reading::creation(&pod);
    let set = reading::policy_set(FIVE);
    let text = request.object.to_string();
    let mut group = c.benchmark_group("mebibyte");
    group.sample_size(20);
    group.bench_function("decide", |b| b.iter(|| mutate(&set, black_box(&request), &Context::default())));
    group.bench_function(format!("parse {} bytes", text.len()), |b| b.iter(|| parse(black_box(&text))));
    group.finish();
}

/// The pod of a web service as the five policies harden it, by the levels of the Pod Security Standards. What it takes
/// to find the policy is what privileged takes, which refuses nothing.
fn pod_security(c: &mut Criterion) {
    let request = reading::creation(&pod());
    let changed = mutate(&reading::policy_set(FIVE), &request, &Context::default());
    let hardened = Request { object: changed.mutated.expect("the pod is changed"), ..request };
    let of = |rule: Value| {
        PolicySet::new(vec![reading::policy(&json!({
            "metadata": {"name": "standards"},
            "spec": {"match": {"kinds": ["Pod"]}, "validate": [{"name": "level", "podSecurity": rule}]}
        }))])
    };
    let mut group = c.benchmark_group("pod security");
    for level in ["privileged", "baseline", "restricted"] {
        let set = of(json!({"level": level}));
        let decision = validate(&set, &hardened, &Context::default());
        assert!(decision.allowed, "{:?}", decision.violations);
        group.bench_function(level, |b| {
            b.iter(|| validate(&set, black_box(&hardened), &Context::default()));
        });
    }
    let refused = reading::creation(&pod());
    let set = of(json!({"level": "restricted"}));
    assert!(validate(&set, &refused, &Context::default()).violations.len() > 5);
    group.bench_function("restricted, refused", |b| {
        b.iter(|| validate(&set, black_box(&refused), &Context::default()));
    });
    group.finish();
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("this is JSON")
}

/// The pod of a web service: two containers, a migration, what static defaulting and ServiceAccount admission add.
fn pod() -> Value {
    let mut env = String::new();
    for n in 0..12 {
        let _ = writeln!(env, "        - {{name: SETTING_{n}, value: a-value-of-some-length-{n}}}");
    }
    let text = POD.replace("        # more variables\n", &env);
    reading::documents(&text).remove(0)
}

const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata:
  generateName: shop-api-6f9c7b5d4-
  namespace: shop
  labels: {app: shop-api, version: v1, pod-template-hash: 6f9c7b5d4}
  annotations: {prometheus.io/scrape: "true", prometheus.io/port: "8000", prometheus.io/path: /metrics}
  ownerReferences:
    - {apiVersion: apps/v1, kind: ReplicaSet, name: shop-api-6f9c7b5d4, uid: 1b4e28ba-2fa1-11d2-883f-0016d3cca427, controller: true, blockOwnerDeletion: true}
spec:
  serviceAccountName: shop-api
  serviceAccount: shop-api
  restartPolicy: Always
  dnsPolicy: ClusterFirst
  schedulerName: default-scheduler
  terminationGracePeriodSeconds: 60
  enableServiceLinks: true
  preemptionPolicy: PreemptLowerPriority
  priority: 0
  securityContext: {}
  tolerations:
    - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
    - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 300}
  initContainers:
    - name: migrate
      image: registry.example.com/shop/api@sha256:ef9d9a1b219208dccf919f45fbb13fd17fdd7b73d2cee3dbca5d81d982063b3e
      imagePullPolicy: IfNotPresent
      command: [migrate, up]
      resources: {}
      terminationMessagePath: /dev/termination-log
      terminationMessagePolicy: File
      volumeMounts: [{name: kube-api-access-x7f2p, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}]
  containers:
    - name: api
      image: registry.example.com/shop/api@sha256:ef9d9a1b219208dccf919f45fbb13fd17fdd7b73d2cee3dbca5d81d982063b3e
      imagePullPolicy: IfNotPresent
      ports: [{name: http, containerPort: 8000, protocol: TCP}]
      env:
        - {name: DATABASE_URL, valueFrom: {secretKeyRef: {name: database, key: url}}}
        - {name: TOKEN, valueFrom: {secretKeyRef: {name: token, key: token}}}
        # more variables
      livenessProbe: {httpGet: {path: /health, port: http, scheme: HTTP}, periodSeconds: 30, timeoutSeconds: 10, successThreshold: 1, failureThreshold: 3}
      resources: {}
      terminationMessagePath: /dev/termination-log
      terminationMessagePolicy: File
      volumeMounts:
        - {name: config, mountPath: /etc/shop}
        - {name: kube-api-access-x7f2p, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
    - name: metrics
      image: registry.example.com/shop/metrics@sha256:f3ff1db3309cc8e07aa0a3a0c6dac27ea33a4c51982fc27d3a48d2859bae7620
      imagePullPolicy: IfNotPresent
      resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: 32Mi}}
      terminationMessagePath: /dev/termination-log
      terminationMessagePolicy: File
      volumeMounts: [{name: kube-api-access-x7f2p, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}]
  volumes:
    - {name: config, configMap: {name: shop-api, defaultMode: 420}}
    - name: kube-api-access-x7f2p
      projected:
        defaultMode: 420
        sources:
          - {serviceAccountToken: {expirationSeconds: 3607, path: token}}
          - {configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}}
          - {downwardAPI: {items: [{path: namespace, fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}]}}
"#;

const FIVE: &str = r#"
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: hardening}
spec:
  match: {namespaces: [shop], kinds: [Pod]}
  mutate:
    - name: restricted
      securityContext:
        pod: {runAsNonRoot: true, runAsUser: 1001, runAsGroup: 1001, fsGroup: 1001, seccompProfile: {type: RuntimeDefault}}
        container: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
    - {name: writable, writablePaths: [{path: /tmp, sizeLimit: 256Mi}, {path: /var/log/app, sizeLimit: 1Gi, volume: app-logs}]}
---
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: labels}
spec:
  match: {kinds: [Pod]}
  mutate:
    - {name: owner, metadata: {labels: {app.kubernetes.io/part-of: shop}, annotations: {example.com/owner: team-shop}}}
---
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: sidecars}
spec:
  match: {namespaces: [shop], kinds: [Pod], objectSelector: {matchLabels: {app: shop-api}}}
  mutate:
    - name: log-shipper
      sidecar:
        position: First
        container:
          name: log-shipper
          image: registry.example.com/log-shipper@sha256:1111111111111111111111111111111111111111111111111111111111111111
          resources: {requests: {cpu: 50m, memory: 64Mi}, limits: {cpu: 100m, memory: 128Mi}}
          volumeMounts: [{name: app-logs, mountPath: /var/log/app, readOnly: true}]
---
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: sizes}
spec:
  match: {kinds: [Pod]}
  mutate:
    - {name: api, containers: {names: [api, migrate]}, resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {cpu: "2", memory: 4Gi}}}
    - {name: zone, env: [{name: ZONE, value: a}]}
---
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: placement}
spec:
  match: {kinds: [Pod]}
  mutate:
    - {name: apart, podAntiAffinity: {type: Preferred, topologyKey: kubernetes.io/hostname, labelsFromPod: [app]}}
    - {name: spread, topologySpread: [{topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: ScheduleAnyway, labelsFromPod: [app]}]}
"#;
