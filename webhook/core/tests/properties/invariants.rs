//! The invariants of the admission gate as far as they are about mutation, for one object and one set of policies.

use sallyport_admission::{Context, Decision, Mode, PolicySet, mutate};
use serde_json::{Value, json};

use crate::pods::NOT_READY;
use crate::{kept, reading, rfc6902, validity};

/// Decides about the creation of `pod` and checks what must hold of every decision. The object as it comes out.
#[track_caller]
pub(crate) fn hold(set: &PolicySet, pod: &Value) -> Value {
    let decision = mutate(set, &reading::creation(pod), &Context::default());
    let result = decision.mutated.clone().unwrap_or_else(|| pod.clone());

    the_patch_gives_the_result(pod, &decision, &result);
    assert_eq!(decision.mutated.is_some(), enforced(&decision) > 0, "{:#?}", decision.changes);
    a_second_call_changes_nothing(set, &result, &decision);
    a_second_call_changes_only_what_is_new(set, &result);
    assert_eq!(mesh(pod), mesh(&without_keys_given(pod, &result)), "a mesh's container was changed");
    if decision.allowed {
        keys_are_given_once(&result);
    }
    let (before, after) = (validity::problems(pod), validity::problems(&result));
    let new: Vec<&String> = after.difference(&before).collect();
    assert!(new.is_empty(), "{new:?}\nin {pod:#}\nout {result:#}\n{:#?}", decision.changes);
    result
}

/// What was set is there unchanged, but for what a policy has to be able to take away.
#[track_caller]
pub(crate) fn nothing_set_is_lost(pod: &Value, result: &Value) {
    let limit_ranger =
        pod["metadata"]["annotations"]["kubernetes.io/limit-ranger"].as_str().unwrap_or_default();
    let exempt = |path: &str, value: &Value| {
        let token = value
            .get("name")
            .and_then(Value::as_str)
            .is_some_and(|name| name.starts_with("kube-api-access-"));
        let computed = path == ".spec.priority" || path == ".spec.preemptionPolicy";
        let defaulted = path.contains(".resources.") && !limit_ranger.is_empty();
        let stays = value.get("key") == Some(&json!(NOT_READY)) && value["tolerationSeconds"] == 300;
        token || computed || defaulted || stays
    };
    let lost = kept::lost(pod, result, "", &exempt);
    assert!(lost.is_none(), "{} is lost\nin {pod:#}\nout {result:#}", lost.unwrap_or_default());
}

fn enforced(decision: &Decision) -> usize {
    decision.changes.iter().filter(|change| change.mode == Mode::Enforce).count()
}

#[track_caller]
fn the_patch_gives_the_result(pod: &Value, decision: &Decision, result: &Value) {
    let mut patched = pod.clone();
    json_patch::patch(&mut patched, &decision.patch).expect("json-patch applies its own patch");
    assert_eq!(&patched, result, "by json-patch");
    let patch = serde_json::to_value(&decision.patch).expect("a patch is JSON");
    let strictly = rfc6902::apply(pod.clone(), &patch).expect("the patch applies strictly");
    assert_eq!(&strictly, result, "by RFC 6902");
}

#[track_caller]
fn a_second_call_changes_nothing(set: &PolicySet, result: &Value, first: &Decision) {
    let second = mutate(set, &reading::creation(result), &Context::default());
    assert!(
        second.mutated.is_none() && enforced(&second) == 0,
        "the second call changes {}\n{:#?}\nafter the first changed {:#?}",
        serde_json::to_string(&second.patch).unwrap_or_default(),
        second.changes,
        first.changes,
    );
}

/// Somebody else adds a container, a label and an annotation, and the object comes here again.
#[track_caller]
fn a_second_call_changes_only_what_is_new(set: &PolicySet, result: &Value) {
    let mut added = result.clone();
    for field in ["labels", "annotations"] {
        // Where there is no map, making one would be a change of its own, which a patch may have waited for.
        if let Some(map) = added["metadata"][field].as_object_mut() {
            map.insert("example.com/added".to_owned(), json!("later"));
        }
    }
    let containers = added["spec"]["containers"].as_array_mut().expect("a pod has containers");
    containers.push(json!({"name": "added", "image": "registry.example.com/added:1"}));

    let decision = mutate(set, &reading::creation(&added), &Context::default());
    let mut again = decision.mutated.unwrap_or_else(|| added.clone());
    let volumes: Vec<Value> = result["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    let is_new = |element: &Value| element["name"] == "added";
    for pod in [&mut added, &mut again] {
        let containers = pod["spec"]["containers"].as_array_mut().expect("a pod has containers");
        containers.retain(|container| !is_new(container));
        // A volume may have come for the new container to mount.
        pod["spec"]["volumes"] = volumes.clone().into();
    }
    assert_eq!(added, again, "{:#?}", decision.changes);
}

const KEY: &str = "SALLYPORT_KEY_";

/// The result without the keys that its proxy did not have before.
fn without_keys_given(pod: &Value, result: &Value) -> Value {
    let mut result = result.clone();
    let containers = |pod: &Value| pod["spec"]["containers"].as_array().cloned().unwrap_or_default();
    let before = containers(pod).into_iter().find(|it| it["name"] == "istio-proxy").unwrap_or_default();
    let had = before["env"].as_array().cloned().unwrap_or_default();
    let containers = result["spec"]["containers"].as_array_mut().into_iter().flatten();
    for proxy in containers.filter(|it| it["name"] == "istio-proxy") {
        let Some(env) = proxy.get_mut("env").and_then(Value::as_array_mut) else { continue };
        env.retain(|it| !it["name"].as_str().is_some_and(|name| name.starts_with(KEY)) || had.contains(it));
        if env.is_empty() {
            match before.get("env") {
                Some(none) => proxy["env"] = none.clone(),
                None => drop(proxy.as_object_mut().map(|proxy| proxy.remove("env"))),
            }
        }
    }
    result
}

/// A proxy of the mesh's own has each key of the policies that select the pod, and nobody else has any.
#[track_caller]
fn keys_are_given_once(result: &Value) {
    for container in result["spec"]["containers"].as_array().into_iter().flatten() {
        let env = container["env"].as_array().into_iter().flatten();
        let names = env.filter_map(|it| it["name"].as_str()).filter(|name| name.starts_with(KEY));
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        let is_own = container["image"] == "docker.io/istio/proxyv2:1.30.0";
        let wanted: &[&str] = match (is_own, result["metadata"]["labels"]["app"] == "shop") {
            (false, _) => &[],
            (true, false) => &["SALLYPORT_KEY_shop__keys__one", "SALLYPORT_KEY_shop__keys__two"],
            (true, true) => &[
                "SALLYPORT_KEY_shop__keys__one",
                "SALLYPORT_KEY_shop__keys__two",
                "SALLYPORT_KEY_shop__more__three",
            ],
        };
        assert_eq!(names, wanted, "{container:#}");
    }
}

fn mesh(pod: &Value) -> Vec<String> {
    ["initContainers", "containers", "ephemeralContainers"]
        .iter()
        .flat_map(|field| pod["spec"][*field].as_array().into_iter().flatten())
        .filter(|container| {
            container["name"]
                .as_str()
                .is_some_and(|name| name.starts_with("istio-") || name.starts_with("linkerd-"))
        })
        .map(ToString::to_string)
        .collect()
}
