//! Objects are brought offline to where a webhook would see them, and back.

use proptest::prelude::*;
use proptest::sample::select;
use sallyport_admission::PodBearing;
use sallyport_admission::offline::{Owner, apply_defaults, pod_of, without_defaults};
use serde_json::{Value, json};

fn pod(spec: Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}});
    pod["spec"] = spec;
    pod
}

fn workload(kind: PodBearing, spec: Value) -> Value {
    let group = kind.group();
    let api_version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    let metadata = json!({"name": "web", "namespace": "shop"});
    let mut workload = json!({"apiVersion": api_version, "kind": kind.kind(), "metadata": metadata});
    workload["spec"] = spec;
    workload
}

fn template() -> Value {
    json!({
        "metadata": {"labels": {"app": "web"}, "annotations": {"a": "b"}, "name": "ignored"},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    })
}

fn defaulted(kind: PodBearing, object: &Value) -> Value {
    let mut object = object.clone();
    apply_defaults(kind, &mut object);
    object
}

mod defaults {
    use super::*;

    #[test]
    fn a_small_pod_is_completed() {
        assert_eq!(
            defaulted(PodBearing::Pod, &pod(json!({"containers": [{"name": "web", "image": "web"}]})))["spec"],
            json!({
                "containers": [{
                    "name": "web",
                    "image": "web",
                    "imagePullPolicy": "Always",
                    "resources": {},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "File",
                }],
                "dnsPolicy": "ClusterFirst",
                "enableServiceLinks": true,
                "restartPolicy": "Always",
                "schedulerName": "default-scheduler",
                "securityContext": {},
                "terminationGracePeriodSeconds": 30,
            })
        );
    }

    #[test]
    fn an_ephemeral_container_is_completed() {
        let debugger = json!({"name": "debugger", "image": "busybox:1"});
        let spec = json!({"containers": [], "ephemeralContainers": [debugger]});
        let pod = defaulted(PodBearing::Pod, &pod(spec));
        assert_eq!(pod["spec"]["ephemeralContainers"][0]["imagePullPolicy"], "IfNotPresent");
    }

    #[test]
    fn what_is_unknown_or_not_shaped_as_its_kind_stays() {
        for object in [
            json!(null),
            json!([]),
            json!({"spec": 1}),
            json!({"spec": {"template": 1}}),
            json!({"spec": {"template": {"spec": null}}}),
        ] {
            for kind in PodBearing::ALL {
                let _ = defaulted(kind, &object);
            }
        }
        let spec = json!({"containers": [1, {"future": {"a": [null]}}], "volumes": {}, "future": 1});
        let pod = defaulted(PodBearing::Pod, &pod(spec));
        assert_eq!(pod["spec"]["future"], 1);
        assert_eq!(pod["spec"]["volumes"], json!({}));
        assert_eq!(pod["spec"]["containers"][0], 1);
        assert_eq!(pod["spec"]["containers"][1]["future"], json!({"a": [null]}));
    }
}

mod without_defaults {
    use super::*;

    #[track_caller]
    fn check(written: &Value, mutate: impl Fn(&mut Value), want: &Value) {
        let kind = PodBearing::ALL.into_iter().find(|kind| written["kind"] == kind.kind()).unwrap();
        let before = defaulted(kind, written);
        let mut mutated = before.clone();
        mutate(&mut mutated);
        let result = without_defaults(written, &before, &mutated);
        assert_eq!(&result, want);
        assert_eq!(defaulted(kind, &result), defaulted(kind, &mutated));
    }

    #[test]
    fn only_what_the_policies_changed_is_changed() {
        let written = pod(json!({
            "securityContext": null,
            "containers": [{"name": "web", "image": "web:1", "resources": {"limits": {"cpu": "0.5"}}}],
        }));
        check(
            &written,
            |pod| {
                pod["spec"]["securityContext"] = json!({"runAsNonRoot": true});
                pod["spec"]["containers"][0]["resources"]["limits"]["memory"] = json!("1Gi");
            },
            &pod(json!({
                "securityContext": {"runAsNonRoot": true},
                "containers": [{
                    "name": "web",
                    "image": "web:1",
                    "resources": {"limits": {"cpu": "0.5", "memory": "1Gi"}},
                }],
            })),
        );
    }

    #[test]
    fn what_the_policies_add_is_shown_whole() {
        let added = json!({"name": "proxy", "image": "proxy:1", "imagePullPolicy": "IfNotPresent"});
        check(
            &pod(
                json!({"containers": [{"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]}]}),
            ),
            |pod| {
                let containers = pod["spec"]["containers"].as_array_mut().unwrap();
                containers[0]["ports"]
                    .as_array_mut()
                    .unwrap()
                    .insert(0, json!({"containerPort": 81, "protocol": "TCP"}));
                containers.insert(0, added.clone());
                pod["spec"]["volumes"] = json!([{"name": "tmp", "emptyDir": {}}]);
            },
            &pod(json!({
                "containers": [added, {
                    "name": "web",
                    "image": "web:1",
                    "ports": [{"containerPort": 81, "protocol": "TCP"}, {"containerPort": 80}],
                }],
                "volumes": [{"name": "tmp", "emptyDir": {}}],
            })),
        );
    }

    #[test]
    fn a_default_that_would_come_out_otherwise_is_written_out() {
        let container = json!({"name": "web", "image": "web", "resources": {"limits": {"cpu": "1"}}});
        check(
            &pod(json!({"containers": [container]})),
            |pod| {
                pod["spec"]["containers"][0]["image"] = json!("web:1");
                pod["spec"]["containers"][0]["resources"]["limits"]["cpu"] = json!("2");
            },
            &pod(json!({"containers": [{
                "name": "web",
                "image": "web:1",
                "imagePullPolicy": "Always",
                "resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}},
            }]})),
        );
        check(
            &workload(PodBearing::Job, json!({"template": template()})),
            |job| job["spec"]["template"]["metadata"]["labels"]["new"] = json!("x"),
            &{
                let mut job = workload(PodBearing::Job, json!({"template": template()}));
                job["metadata"]["labels"] = json!({"app": "web"});
                job["spec"]["template"]["metadata"]["labels"]["new"] = json!("x");
                job
            },
        );
    }

    #[test]
    fn what_the_policies_remove_is_gone() {
        check(
            &pod(json!({"hostNetwork": true, "containers": [{"name": "web", "image": "web:1"}]})),
            |pod| {
                pod["spec"].as_object_mut().unwrap().remove("hostNetwork");
            },
            &pod(json!({"containers": [{"name": "web", "image": "web:1"}]})),
        );
    }

    /// A container with some of the fields that defaults come from or go to.
    fn container() -> impl Strategy<Value = Value> {
        let amounts = || select(vec![json!(null), json!({}), json!({"cpu": 1}), json!({"memory": "0.5Gi"})]);
        let ports = select(vec![
            json!(null),
            json!([]),
            json!([{"containerPort": 80}]),
            json!([{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP", "hostPort": 8080}]),
        ]);
        let env = select(vec![
            json!([{"name": "A"}, {"name": "A", "value": "1"}]),
            json!([{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
        ]);
        let probe = select(vec![json!(null), json!({"httpGet": {"port": 80}}), json!({"periodSeconds": 3})]);
        let parts = (
            select(vec!["a", "b", "c"]),
            select(vec!["app", "app:1"]),
            select(vec![json!(null), json!(""), json!("Always"), json!("Never")]),
            (amounts(), amounts()),
            ports,
            env,
            probe,
        );
        parts.prop_map(|(name, image, policy, (requests, limits), ports, env, probe)| {
            json!({
                "name": name,
                "image": image,
                "imagePullPolicy": policy,
                "resources": {"requests": requests, "limits": limits},
                "ports": ports,
                "env": env,
                "livenessProbe": probe,
            })
        })
    }

    fn spec() -> impl Strategy<Value = Value> {
        let volumes = select(vec![
            json!(null),
            json!([{"name": "a"}]),
            json!([{"name": "b", "secret": {"secretName": "s"}}, {"name": "a", "hostPath": {"path": "/"}}]),
        ]);
        let containers = prop::collection::vec(container(), 0..3);
        let security_context =
            select(vec![json!(null), json!({}), json!({"runAsNonRoot": true}), json!({"runAsUser": 1})]);
        let account = select(vec![json!(null), json!("one"), json!("two")]);
        let resources = select(vec![json!(null), json!({"limits": {"cpu": "4"}})]);
        let parts =
            (any::<bool>(), containers, volumes, security_context, (account.clone(), account), resources);
        parts.prop_map(|(host, containers, volumes, security_context, (account, old_account), resources)| {
            json!({
                "hostNetwork": host,
                "containers": containers,
                "volumes": volumes,
                "securityContext": security_context,
                "serviceAccountName": account,
                "serviceAccount": old_account,
                "resources": resources,
            })
        })
    }

    fn kind() -> impl Strategy<Value = PodBearing> {
        select(PodBearing::ALL.to_vec())
    }

    fn object(kind: PodBearing) -> impl Strategy<Value = Value> {
        let labels = select(vec![json!(null), json!({"app": "a"}), json!({"app": "b", "tier": "c"})]);
        let strategy = select(vec![
            json!(null),
            json!({"type": "Recreate"}),
            json!({"type": "RollingUpdate", "rollingUpdate": {}}),
        ]);
        let parts = (spec(), labels.clone(), labels, strategy, any::<bool>());
        parts.prop_map(move |(spec, labels, own_labels, strategy, with_nulls)| {
            let mut object = workload(kind, json!({}));
            object["metadata"]["labels"] = own_labels;
            let mut template =
                json!({"metadata": {"labels": labels}, "spec": without_nulls(spec, with_nulls)});
            if kind == PodBearing::Pod {
                object["spec"] = template["spec"].take();
                return object;
            }
            let mut at = &mut object;
            for field in match kind {
                PodBearing::PodTemplate => &["template"][..],
                PodBearing::CronJob => &["spec", "jobTemplate", "spec", "template"],
                _ => &["spec", "template"],
            } {
                at = &mut at[*field];
            }
            *at = template;
            object["spec"]["strategy"] = strategy.clone();
            object["spec"]["updateStrategy"] = strategy;
            object
        })
    }

    /// Without the fields that are null, unless they are wanted.
    fn without_nulls(mut value: Value, with_nulls: bool) -> Value {
        match &mut value {
            Value::Object(fields) => {
                fields.retain(|_, value| with_nulls || !value.is_null());
                fields.values_mut().for_each(|value| *value = without_nulls(value.take(), with_nulls));
            }
            Value::Array(elements) => {
                elements.iter_mut().for_each(|value| *value = without_nulls(value.take(), with_nulls));
            }
            _ => {}
        }
        value
    }

    proptest! {
        #[test]
        fn defaulting_twice_is_defaulting_once((kind, object) in kind().prop_flat_map(|kind| (Just(kind), object(kind)))) {
            let once = defaulted(kind, &object);
            prop_assert_eq!(&defaulted(kind, &once), &once);
        }

        #[test]
        fn what_nobody_changed_is_as_it_was_written((kind, object) in kind().prop_flat_map(|kind| (Just(kind), object(kind)))) {
            let same = defaulted(kind, &object);
            prop_assert_eq!(without_defaults(&object, &same, &same), object);
        }

        // Another object of the same kind is as far as a mutation can go.
        #[test]
        fn its_defaults_are_those_of_the_mutated_object(
            (kind, written, other) in kind().prop_flat_map(|kind| (Just(kind), object(kind), object(kind))),
            choices in prop::collection::vec(any::<bool>(), 8..64),
        ) {
            let before = defaulted(kind, &written);
            let mut mutated = before.clone();
            mutate(&mut mutated, &defaulted(kind, &other), &mut choices.into_iter().cycle());
            let result = without_defaults(&written, &before, &mutated);
            prop_assert_eq!(defaulted(kind, &result), defaulted(kind, &mutated));
        }
    }

    /// Takes parts of `other`, as the choices say.
    fn mutate(value: &mut Value, other: &Value, choices: &mut impl Iterator<Item = bool>) {
        match (value, other) {
            (Value::Object(value), Value::Object(other)) => {
                value.retain(|name, _| other.contains_key(name) || choices.next() == Some(true));
                for (name, other) in other {
                    match value.get_mut(name) {
                        Some(value) => mutate(value, other, choices),
                        None if choices.next() == Some(true) => {
                            value.insert(name.clone(), other.clone());
                        }
                        None => {}
                    }
                }
            }
            (Value::Array(value), Value::Array(other)) => {
                value.retain(|_| choices.next() == Some(true));
                for other in other {
                    if choices.next() == Some(true) {
                        value.push(other.clone());
                    }
                }
            }
            (value, other) => {
                if choices.next() == Some(true) {
                    *value = other.clone();
                }
            }
        }
    }
}

mod pod_of {
    use super::*;

    #[track_caller]
    fn check(kind: PodBearing, spec: &Value, want: &Value, owner: Option<(&str, &str)>) {
        let made = pod_of(kind, &workload(kind, spec.clone())).unwrap();
        assert_eq!(&made.pod, want);
        let owner = owner.map(|(kind, name)| Owner { kind: kind.into(), name: name.into() });
        assert_eq!(made.owner, owner);
    }

    /// The template's pod, with what `metadata` and `spec` have besides.
    fn made(metadata: &Value, spec: &Value) -> Value {
        let mut pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": "shop", "labels": {"app": "web"}, "annotations": {"a": "b"}},
            "spec": template()["spec"],
        });
        json_patch::merge(&mut pod, &json!({"metadata": metadata, "spec": spec}));
        pod
    }

    fn controlled_by(api_version: &str, kind: &str, name: &str) -> Value {
        json!([{
            "apiVersion": api_version,
            "kind": kind,
            "name": name,
            "controller": true,
            "blockOwnerDeletion": true,
        }])
    }

    #[test]
    fn a_replica_set_makes_pods_of_its_template() {
        for (kind, api_version) in
            [(PodBearing::ReplicaSet, "apps/v1"), (PodBearing::ReplicationController, "v1")]
        {
            let owners = controlled_by(api_version, kind.kind(), "web");
            check(
                kind,
                &json!({"template": template()}),
                &made(&json!({"generateName": "web-", "ownerReferences": owners}), &json!({})),
                Some((kind.kind(), "web")),
            );
        }
    }

    #[test]
    fn a_deployment_makes_pods_through_a_replica_set() {
        let metadata = json!({
            "generateName": "web-0000000000-",
            "labels": {"pod-template-hash": "0000000000"},
            "ownerReferences": controlled_by("apps/v1", "ReplicaSet", "web-0000000000"),
        });
        check(
            PodBearing::Deployment,
            &json!({"template": template()}),
            &made(&metadata, &json!({})),
            Some(("ReplicaSet", "web-0000000000")),
        );
    }

    #[test]
    fn a_stateful_set_names_its_pod_and_mounts_its_claims() {
        let mut template = template();
        template["spec"]["volumes"] =
            json!([{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]);
        let metadata = json!({
            "name": "web-2",
            "generateName": "web-",
            "labels": {
                "apps.kubernetes.io/pod-index": "2",
                "controller-revision-hash": "web-0000000000",
                "statefulset.kubernetes.io/pod-name": "web-2",
            },
            "ownerReferences": controlled_by("apps/v1", "StatefulSet", "web"),
        });
        let spec = json!({
            "hostname": "web-2",
            "subdomain": "web-headless",
            "volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-2"}},
                {"name": "tmp", "emptyDir": {}},
            ],
        });
        check(
            PodBearing::StatefulSet,
            &json!({
                "serviceName": "web-headless",
                "ordinals": {"start": 2},
                "template": template,
                "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
            }),
            &made(&metadata, &spec),
            Some(("StatefulSet", "web")),
        );
    }

    #[test]
    fn a_daemon_set_ties_its_pod_to_a_node() {
        let mut template = template();
        template["spec"]["hostNetwork"] = json!(true);
        let own = json!({"key": "gpu", "operator": "Exists"});
        let shorter = json!({
            "key": "node.kubernetes.io/not-ready",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 5,
        });
        template["spec"]["tolerations"] = json!([own, shorter]);
        let zones = json!({"matchExpressions": [{"key": "zone", "operator": "Exists"}]});
        let required = json!({"nodeSelectorTerms": [zones]});
        template["spec"]["affinity"] =
            json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}});

        let tolerate = |taint: &str, effect: &str| json!({"key": format!("node.kubernetes.io/{taint}"), "operator": "Exists", "effect": effect});
        let this_node = json!({"key": "metadata.name", "operator": "In", "values": ["node"]});
        let required = json!({"nodeSelectorTerms": [{"matchFields": [this_node]}]});
        let metadata = json!({
            "generateName": "web-",
            "labels": {"controller-revision-hash": "0000000000", "pod-template-generation": "1"},
            "ownerReferences": controlled_by("apps/v1", "DaemonSet", "web"),
        });
        let spec = json!({
            "hostNetwork": true,
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}},
            "tolerations": [
                own,
                tolerate("not-ready", "NoExecute"),
                tolerate("unreachable", "NoExecute"),
                tolerate("disk-pressure", "NoSchedule"),
                tolerate("memory-pressure", "NoSchedule"),
                tolerate("pid-pressure", "NoSchedule"),
                tolerate("unschedulable", "NoSchedule"),
                tolerate("network-unavailable", "NoSchedule"),
            ],
        });
        check(
            PodBearing::DaemonSet,
            &json!({"template": template}),
            &made(&metadata, &spec),
            Some(("DaemonSet", "web")),
        );
    }

    #[test]
    fn a_job_labels_its_pod() {
        let metadata = json!({
            "generateName": "web-",
            "finalizers": ["batch.kubernetes.io/job-tracking"],
            "labels": {"batch.kubernetes.io/job-name": "web", "job-name": "web"},
            "ownerReferences": controlled_by("batch/v1", "Job", "web"),
        });
        check(
            PodBearing::Job,
            &json!({"template": template()}),
            &made(&metadata, &json!({})),
            Some(("Job", "web")),
        );
    }

    #[test]
    fn an_indexed_job_numbers_its_pod() {
        let metadata = json!({
            "generateName": "web-0-",
            "annotations": {
                "batch.kubernetes.io/job-completion-index": "0",
                "batch.kubernetes.io/job-index-failure-count": "0",
            },
            "finalizers": ["batch.kubernetes.io/job-tracking"],
            "labels": {"batch.kubernetes.io/job-completion-index": "0"},
            "ownerReferences": controlled_by("batch/v1", "Job", "web"),
        });
        let path = "metadata.labels['batch.kubernetes.io/job-completion-index']";
        let index = json!({"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": {"fieldPath": path}}});
        let spec = json!({
            "hostname": "web-0",
            "containers": [{"name": "web", "image": "web:1", "env": [index]}],
        });
        check(
            PodBearing::Job,
            &json!({
                "completionMode": "Indexed",
                "backoffLimitPerIndex": 1,
                "manualSelector": true,
                "template": template(),
            }),
            &made(&metadata, &spec),
            Some(("Job", "web")),
        );
    }

    #[test]
    fn a_cron_job_makes_pods_through_a_job() {
        let name = "web-00000000";
        let metadata = json!({
            "generateName": "web-00000000-",
            "finalizers": ["batch.kubernetes.io/job-tracking"],
            "labels": {"batch.kubernetes.io/job-name": name, "job-name": name},
            "ownerReferences": controlled_by("batch/v1", "Job", name),
        });
        check(
            PodBearing::CronJob,
            &json!({"jobTemplate": {"spec": {"template": template()}}}),
            &made(&metadata, &json!({})),
            Some(("Job", name)),
        );
    }

    #[test]
    fn nobody_makes_pods_of_a_pod_template() {
        let mut object = workload(PodBearing::PodTemplate, json!({}));
        object["template"] = template();
        let made_of_it = pod_of(PodBearing::PodTemplate, &object).unwrap();
        assert_eq!(made_of_it.pod, made(&json!({}), &json!({})));
        assert_eq!(made_of_it.owner, None);
    }

    #[test]
    fn a_pod_is_its_own_under_the_controller_that_it_has() {
        let mut object = pod(template()["spec"].clone());
        object["metadata"]["ownerReferences"] = json!([
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "1"},
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "2", "controller": true},
        ]);
        let made = pod_of(PodBearing::Pod, &object).unwrap();
        assert_eq!(made.pod, object);
        assert_eq!(made.owner, Some(Owner { kind: "ReplicaSet".into(), name: "web".into() }));
    }

    #[test]
    fn a_stored_owner_is_known_by_its_uid() {
        let mut job = workload(PodBearing::Job, json!({"template": template()}));
        job["metadata"]["uid"] = json!("1234");
        let pod = pod_of(PodBearing::Job, &job).unwrap().pod;
        assert_eq!(pod["metadata"]["ownerReferences"][0]["uid"], "1234");
        assert_eq!(pod["metadata"]["labels"]["controller-uid"], "1234");
        assert_eq!(pod["metadata"]["labels"]["batch.kubernetes.io/controller-uid"], "1234");
    }

    #[test]
    fn a_workload_without_a_name_yet_is_given_one() {
        let mut set = workload(PodBearing::ReplicaSet, json!({"template": template()}));
        set["metadata"] = json!({"generateName": "web-"});
        let made = pod_of(PodBearing::ReplicaSet, &set).unwrap();
        assert_eq!(made.pod["metadata"]["generateName"], "web-00000-");
    }

    #[test]
    fn without_a_template_there_is_no_pod() {
        for object in [json!(null), json!({}), json!({"spec": {}}), json!({"spec": {"template": {}}})] {
            for kind in PodBearing::ALL.into_iter().filter(|kind| *kind != PodBearing::Pod) {
                assert_eq!(pod_of(kind, &object), None);
            }
        }
    }
}
