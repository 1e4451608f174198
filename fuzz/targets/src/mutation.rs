//! What any object is given under any policies: the patch applies strictly, and what comes out comes to rest.

use sallyport_admission::{Context, Decision, Operation, PolicySet, Request, decide, mutate};
use serde_json::Value;

use crate::answer::{self, enforced};
use crate::{input, rfc6902};

pub(crate) fn run(bytes: &[u8]) -> bool {
    let Some(input) = input::json(bytes) else { return false };
    let policies = input::policies(&input);
    let request = input::request(&input);
    let whole = input::set(&policies);
    hold(&whole, &request);
    !policies.is_empty()
}

fn hold(set: &PolicySet, request: &Request) {
    let decision = mutate(set, request, &Context::default());
    answer::hold(&decision);
    the_patch_gives_the_result(&request.object, &decision);
    assert_eq!(decision.mutated.is_some(), enforced(&decision) > 0, "{decision:#?}");
    assert_eq!(decision.mutated.is_some(), !decision.patch.0.is_empty());

    let again = mutate(set, request, &Context::default());
    assert_eq!(again.mutated, decision.mutated, "the same question has two answers");

    let Some(result) = decision.mutated.clone() else { return };
    nothing_is_changed_where_nothing_may_be(request, &result);
    let second = mutate(set, &Request { object: result.clone(), ..request.clone() }, &Context::default());
    assert!(
        !second.allowed || (second.mutated.is_none() && enforced(&second) == 0),
        "the second call changes {:#?}\nafter the first changed {:#?}",
        second.changes,
        decision.changes,
    );
    let both = decide(set, request, &Context::default());
    assert_eq!(both.mutated.as_ref(), Some(&result));
    assert_eq!(both.patch, decision.patch);
}

/// A strict applier and json-patch agree on what the patch makes of the object.
#[track_caller]
pub(crate) fn the_patch_gives_the_result(object: &Value, decision: &Decision) {
    let result = decision.mutated.as_ref().unwrap_or(object);
    let mut patched = object.clone();
    json_patch::patch(&mut patched, &decision.patch).expect("json-patch applies its own patch");
    assert_eq!(&patched, result, "by json-patch");
    let patch = serde_json::to_value(&decision.patch).expect("a patch is JSON");
    let strictly = rfc6902::apply(object.clone(), &patch).expect("the patch applies strictly");
    assert_eq!(&strictly, result, "by RFC 6902");
}

/// Containers of a mesh stay as they are; of a pod that is, nothing changes but the ephemeral containers that come.
fn nothing_is_changed_where_nothing_may_be(request: &Request, result: &Value) {
    let is_pod = request.kind.group.is_empty() && request.kind.kind == "Pod";
    if !is_pod {
        return;
    }
    assert_eq!(mesh(&request.object), mesh(result), "a mesh's container was changed");
    if request.operation == Operation::Update {
        assert_eq!(request.sub_resource, "ephemeralcontainers");
        let without = |object: &Value| {
            let mut object = object.clone();
            if let Some(spec) = object["spec"].as_object_mut() {
                spec.remove("ephemeralContainers");
            }
            object
        };
        assert_eq!(without(&request.object), without(result));
    }
}

fn mesh(pod: &Value) -> Vec<&Value> {
    let of_mesh = |container: &&Value| {
        let name = input::text(&container["name"]);
        matches!(name, "istio-proxy" | "istio-init" | "istio-validation") || name.starts_with("linkerd-")
    };
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    lists.iter().flat_map(|field| input::list(&pod["spec"][*field])).filter(of_mesh).collect()
}
