//! The Pod Security Standards: the verdict is that of the API server's own plugin, and what is wrong is said.

mod golden;
mod reading;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use sallyport_admission::{Context, Decision, PodBearing, PolicySet, Request, validate};
use serde_json::{Value, json};

fn set(kind: &str, rule: &Value) -> PolicySet {
    let spec = json!({
        "match": {"kinds": [kind]},
        "validate": [{"name": "standards", "podSecurity": rule}],
    });
    PolicySet::new(vec![reading::policy(&json!({"metadata": {"name": "pods"}, "spec": spec}))])
}

fn judged(set: &PolicySet, request: &Request) -> Decision {
    validate(set, request, &Context::default())
}

/// The identifier of the control that a message ends with; what has the wrong type is no control's.
fn control(message: &str) -> Option<&str> {
    message.rsplit_once(" (control ")?.1.strip_suffix(')')
}

fn controls(decision: &Decision) -> BTreeSet<&str> {
    decision.violations.iter().filter_map(|violation| control(&violation.message)).collect()
}

fn lines(decision: &Decision) -> String {
    decision.violations.iter().fold(String::new(), |mut lines, violation| {
        let _ = writeln!(lines, "{}: {}", violation.path, violation.message);
        lines
    })
}

/// The control that upstream's file is named after, in lower case and with a number. At the level restricted some
/// controls stand in for those of baseline.
fn is_named(file: &Path, level: &str, control: &str) -> bool {
    let name = file.file_stem().and_then(|name| name.to_str()).expect("a file has a name");
    let name = name.trim_end_matches(|digit: char| digit.is_ascii_digit());
    let stood_in_for = match control {
        "capabilities_restricted" => "capabilities_baseline",
        "procMount_restricted" => "procMount",
        "restrictedVolumes" => "hostPathVolumes",
        "seccompProfile_restricted" => "seccompProfile_baseline",
        _ => control,
    };
    name == control.to_lowercase() || (level == "restricted" && name == stood_in_for.to_lowercase())
}

#[test]
fn every_pod_of_the_corpus_is_judged_as_upstream_does() {
    let (mut versions, mut counts, mut wrong) = (BTreeSet::new(), [0, 0], Vec::new());
    for level in ["baseline", "restricted"] {
        for folder in reading::entries(&reading::corpus().join(level)) {
            let version = folder.file_name().and_then(|name| name.to_str()).expect("a version").to_owned();
            let set = set("Pod", &json!({"level": level, "version": version}));
            for (verdict, count) in ["fail", "pass"].into_iter().zip(&mut counts) {
                for file in reading::entries(&folder.join(verdict)) {
                    let pod = reading::documents(&reading::text(&file).expect("a text")).remove(0);
                    let decision = judged(&set, &reading::creation(&pod));
                    let agrees = match verdict {
                        "pass" => decision.allowed && decision.violations.is_empty(),
                        _ => {
                            !decision.allowed
                                && controls(&decision).iter().any(|id| is_named(&file, level, id))
                        }
                    };
                    if !agrees {
                        wrong.push(format!("{}:\n{}", file.display(), lines(&decision)));
                    }
                    *count += 1;
                }
            }
            versions.insert(version);
        }
    }
    assert!(wrong.is_empty(), "{} are judged otherwise:\n{}", wrong.len(), wrong.join("\n"));
    assert!(versions.len() >= 36, "only the versions {versions:?}");
    assert!(counts[0] >= 3000 && counts[1] >= 900, "only {counts:?} pods that fail and that pass");
}

/// A case is the rule and the pod, in two documents, beside a file `.want` of lines `path: message`.
#[test]
fn what_is_wrong_with_a_pod_is_said_field_by_field() {
    let mut wrong = Vec::new();
    let mut cases = BTreeSet::new();
    for case in reading::entries(&reading::data().join("pod-security")) {
        if case.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let documents = reading::documents(&reading::text(&case).expect("a text"));
        let [rule, pod] = &documents[..] else { panic!("{}: not a rule and a pod", case.display()) };
        let decision = judged(&set("Pod", &rule["podSecurity"]), &reading::creation(pod));
        wrong.extend(golden::compare(&case.with_extension("want"), &lines(&decision)));
        let name = case.file_stem().unwrap().to_str().unwrap().to_owned();
        if !name.contains("--") {
            assert_eq!(controls(&decision), BTreeSet::from([name.as_str()]), "{}", case.display());
        }
        cases.insert(name);
    }
    golden::all_right(&wrong);
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pod-security.md");
    let docs = reading::text(&docs).expect("the documentation");
    let controls = docs.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let missing: Vec<&str> = controls.filter(|id| !cases.contains(*id)).collect();
    assert!(missing.is_empty(), "controls without a case: {missing:?}");
    assert!(cases.len() >= 19, "only {cases:?}");
}

/// A pod that baseline refuses for three fields, one of them of its metadata.
fn template() -> Value {
    json!({
        "metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/api": "unconfined"}},
        "spec": {
            "hostPID": true,
            "containers": [{"name": "api", "image": "api:1", "securityContext": {"privileged": true}}],
        },
    })
}

#[test]
fn every_kind_that_makes_pods_is_refused_for_what_its_pods_would_be_refused_for() {
    for kind in PodBearing::ALL {
        let mut object = template();
        for field in kind.template().iter().rev() {
            object = json!({*field: object});
        }
        let api_version = match kind.group() {
            "" => "v1".to_owned(),
            group => format!("{group}/v1"),
        };
        object["apiVersion"] = json!(api_version);
        object["kind"] = json!(kind.kind());
        object["metadata"]["name"] = json!("api");
        let decision = judged(&set(kind.kind(), &json!({"level": "baseline"})), &reading::creation(&object));
        let paths: Vec<&str> = decision.violations.iter().map(|violation| violation.path.as_str()).collect();
        let want = [
            "metadata.annotations[container.apparmor.security.beta.kubernetes.io/api]",
            "spec.hostPID",
            "spec.containers[api].securityContext.privileged",
        ];
        let want = want.map(|path| format!("{}{path}", kind.prefix()));
        assert_eq!(paths, want, "{}", kind.kind());
        assert!(!decision.allowed, "{}", kind.kind());
    }
}

/// The request to make `new` of `old`.
fn update(sub_resource: &str, old: &Value, new: &Value) -> Request {
    let mut request = reading::creation(new);
    request.operation = serde_json::from_value(json!("UPDATE")).unwrap();
    request.old_object = old.clone();
    request.sub_resource = sub_resource.to_owned();
    request
}

fn pod(containers: Value) -> Value {
    let metadata = json!({"name": "api", "namespace": "shop"});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}})
}

#[test]
fn what_is_added_to_a_pod_that_runs_is_judged() {
    let set = set("Pod", &json!({"level": "baseline"}));
    let old = pod(json!([{"name": "api", "image": "api:1"}]));
    let mut new = old.clone();
    new["spec"]["ephemeralContainers"] =
        json!([{"name": "shell", "image": "shell:1", "securityContext": {"privileged": true}}]);
    let decision = judged(&set, &update("ephemeralcontainers", &old, &new));
    assert_eq!(
        lines(&decision),
        "spec.ephemeralContainers[shell].securityContext.privileged: found true; must be false or unset (control privileged)\n"
    );

    let old = pod(json!([{"name": "api", "image": "api:1", "securityContext": {"privileged": true}}]));
    let mut new = old.clone();
    new["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": "2"}});
    assert_eq!(controls(&judged(&set, &update("resize", &old, &new))), BTreeSet::from(["privileged"]));
    let mut running = old.clone();
    running["status"] = json!({"phase": "Running"});
    assert!(judged(&set, &update("status", &old, &running)).allowed);
}

#[test]
fn an_update_of_metadata_is_judged_where_it_changes_what_a_control_reads() {
    let old = pod(json!([{"name": "api", "image": "api:1", "securityContext": {"privileged": true}}]));
    let check = |version: &str, key: &str, judged_anew: bool| {
        let set = set("Pod", &json!({"level": "baseline", "version": version}));
        let mut new = old.clone();
        new["metadata"]["annotations"] = json!({key: "runtime/default"});
        let decision = judged(&set, &update("", &old, &new));
        assert_eq!(decision.allowed, !judged_anew, "{version} {key}");
        assert_eq!(decision.warnings.len(), usize::from(!judged_anew), "{version} {key}");
    };
    check("latest", "container.apparmor.security.beta.kubernetes.io/api", true);
    check("latest", "container.seccomp.security.alpha.kubernetes.io/api", false);
    check("latest", "example.com/owner", false);
    check("v1.18", "container.seccomp.security.alpha.kubernetes.io/api", true);
    check("v1.18", "seccomp.security.alpha.kubernetes.io/pod", true);
    check("v1.19", "seccomp.security.alpha.kubernetes.io/pod", false);
}

#[test]
fn what_has_the_wrong_type_is_refused_and_never_let_in() {
    let whole = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "api", "annotations": {"container.apparmor.security.beta.kubernetes.io/api": ""}},
        "spec": {
            "os": {"name": "linux"},
            "hostUsers": true,
            "hostNetwork": false,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"},
                "appArmorProfile": {"type": "RuntimeDefault"}, "windowsOptions": {"hostProcess": false},
                "seLinuxOptions": {"type": "container_t", "user": "", "role": ""},
                "sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "1"}],
            },
            "containers": [{
                "name": "api", "image": "api:1",
                "ports": [{"containerPort": 80, "hostPort": 0}],
                "livenessProbe": {"httpGet": {"host": "", "port": 80}},
                "lifecycle": {"preStop": {"httpGet": {"host": "", "port": 80}}},
                "securityContext": {
                    "allowPrivilegeEscalation": false, "privileged": false, "procMount": "Default",
                    "runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"},
                    "appArmorProfile": {"type": "RuntimeDefault"}, "windowsOptions": {"hostProcess": false},
                    "seLinuxOptions": {"type": "container_t", "user": "", "role": ""},
                    "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
                },
            }],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        },
    });
    // What no control reads.
    let unread =
        ["/apiVersion", "/kind", "/metadata/name", "/name", "/image", "/value", "/port", "/containerPort"];
    let unread = |at: &str| unread.iter().any(|field| at.ends_with(field)) && !at.contains("/sysctls/0/name");
    // What none is the worse for: without it, nothing is exempt.
    let exempting = ["/spec/os", "/spec/hostUsers"];
    let restricted = set("Pod", &json!({"level": "restricted"}));
    let clean = judged(&restricted, &reading::creation(&whole));
    assert!(clean.allowed, "{}", lines(&clean));
    let mut judged_fields = 0;
    for at in pointers(&whole) {
        if unread(&at) || exempting.iter().any(|field| at.starts_with(field)) {
            continue;
        }
        for nonsense in [json!(7), json!(-1.5), json!("nonsense"), json!(true), json!([[]]), json!({"": {}})]
        {
            let mut pod = whole.clone();
            let field = pod.pointer_mut(&at).unwrap();
            // Another value of the type may be right, and another object is one that sets nothing.
            let same_type = std::mem::discriminant(field) == std::mem::discriminant(&nonsense);
            if same_type && !nonsense.is_array() && nonsense != "nonsense" && nonsense != -1.5 {
                continue;
            }
            *field = nonsense.clone();
            let request = reading::creation(&whole);
            let decision = judged(&restricted, &Request { object: pod, ..request });
            assert!(!decision.allowed, "{at} = {nonsense} is let in");
            judged_fields += 1;
        }
    }
    assert!(judged_fields > 200, "only {judged_fields}");
    for at in exempting {
        for nonsense in [json!(0), json!("windows"), json!("false"), json!([]), json!({"name": ["windows"]})]
        {
            let mut pod = whole.clone();
            *pod.pointer_mut(at).unwrap() = nonsense;
            pod["spec"]["securityContext"]["runAsUser"] = json!(0);
            pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
            let request = reading::creation(&whole);
            let decision = judged(&restricted, &Request { object: pod, ..request });
            assert_eq!(controls(&decision), BTreeSet::from(["allowPrivilegeEscalation", "runAsUser"]));
        }
    }
}

/// The JSON Pointers (RFC 6901) of all that is in a value.
fn pointers(value: &Value) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.replace('/', "~1"), value)).collect(),
        Value::Array(elements) => {
            elements.iter().enumerate().map(|(i, value)| (i.to_string(), value)).collect()
        }
        _ => Vec::new(),
    };
    let mut found = Vec::new();
    for (key, value) in children {
        found.push(format!("/{key}"));
        found.extend(pointers(value).into_iter().map(|rest| format!("/{key}{rest}")));
    }
    found
}

#[test]
fn a_mesh_s_own_containers_may_redirect_traffic_and_nothing_else() {
    let restricted = set("Pod", &json!({"level": "restricted"}));
    let hardened = json!({
        "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    let check = |list: &str, name: &str, image: &str, more: Value, want: &[&str]| {
        let mut context = hardened.clone();
        json_patch::merge(&mut context, &more);
        let mut own = hardened.clone();
        own["runAsNonRoot"] = json!(true);
        let mut pod = pod(json!([{"name": "api", "image": "api:1", "securityContext": own}]));
        let container = json!({"name": name, "image": image, "securityContext": context});
        match pod["spec"][list].as_array_mut() {
            Some(elements) => elements.push(container),
            None => pod["spec"][list] = json!([container]),
        }
        let decision = judged(&restricted, &reading::creation(&pod));
        assert_eq!(controls(&decision), want.iter().copied().collect(), "{name} {more}");
    };
    let (init, linkerd) = ("docker.io/istio/proxyv2:1.30.0", "cr.l5d.io/linkerd/proxy-init:v2");
    let redirects =
        json!({"runAsUser": 0, "runAsNonRoot": false, "capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}});
    check("initContainers", "istio-init", init, redirects.clone(), &[]);
    check("initContainers", "linkerd-init", linkerd, redirects.clone(), &[]);
    check("initContainers", "istio-init", init, json!({"runAsNonRoot": null}), &[]);
    let refused = ["capabilities_restricted", "runAsNonRoot", "runAsUser"];
    check("initContainers", "istio-init", "evil.example/proxyv2:1.30.0", redirects.clone(), &refused);
    check("initContainers", "init", init, redirects.clone(), &refused);
    check("initContainers", "linkerd-x", linkerd, redirects.clone(), &refused);
    check("containers", "istio-proxy", init, redirects.clone(), &refused);
    check("ephemeralContainers", "istio-init", init, redirects, &refused);
    check("initContainers", "istio-init", init, json!({"privileged": true}), &["privileged"]);
    check(
        "initContainers",
        "istio-init",
        init,
        json!({"capabilities": {"add": ["NET_ADMIN", "SYS_ADMIN"]}}),
        &["capabilities_restricted"],
    );
    check(
        "initContainers",
        "istio-init",
        init,
        json!({"capabilities": {"drop": []}}),
        &["capabilities_restricted"],
    );
    check(
        "initContainers",
        "istio-init",
        init,
        json!({"allowPrivilegeEscalation": true, "seccompProfile": null, "procMount": "Unmasked"}),
        &["allowPrivilegeEscalation", "procMount_restricted", "seccompProfile_restricted"],
    );
}

#[test]
fn what_is_said_of_a_pod_is_bounded() {
    let containers: Vec<Value> = (0..5000)
        .map(
            |n| json!({"name": format!("{n}-{}", "x".repeat(9000)), "securityContext": {"privileged": true}}),
        )
        .collect();
    let decision =
        judged(&set("Pod", &json!({"level": "baseline"})), &reading::creation(&pod(json!(containers))));
    assert_eq!(decision.violations.len(), 101);
    assert_eq!(
        decision.violations[100].message,
        "found 4900 more violations; must have none (control privileged)"
    );
    assert!(decision.violations.iter().all(|violation| violation.path.len() + violation.message.len() < 512));
    // What has the wrong type is every control's to find.
    let none: Vec<Value> = (0..5000).map(|_| json!([])).collect();
    let decision =
        judged(&set("Pod", &json!({"level": "restricted"})), &reading::creation(&pod(json!(none))));
    let misshapen = |message: &str| message == "found a list; must be an object";
    assert_eq!(decision.violations.iter().filter(|violation| misshapen(&violation.message)).count(), 100);
    let last = decision.violations.last().unwrap();
    assert_eq!(last.message, "found more than 100 fields of the wrong type; must have none");
    assert_eq!(decision.violations.len(), 101);
}

#[test]
fn which_containers_an_entry_selects_makes_no_difference() {
    let spec = json!({
        "match": {"kinds": ["Pod"]},
        "validate": [{
            "name": "standards", "containers": {"names": ["other"]}, "podSecurity": {"level": "baseline"},
        }],
    });
    let policy = reading::policy(&json!({"metadata": {"name": "pods"}, "spec": spec}));
    let privileged = pod(json!([{"name": "api", "securityContext": {"privileged": true}}]));
    let decision = judged(&PolicySet::new(vec![policy]), &reading::creation(&privileged));
    assert_eq!(controls(&decision), BTreeSet::from(["privileged"]));
}
