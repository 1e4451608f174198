//! The patch from any value to any other: it applies strictly, gives the other, and is empty only where they are one.

use sallyport_admission::{Context, mutate};
use serde_json::{Value, json};

use crate::{answer, input, mutation};

pub(crate) fn run(bytes: &[u8]) -> bool {
    let Some(input) = input::json(bytes) else { return false };
    let [before, after] = input::list(&input) else { return false };
    let set = input::set(&[json!({
        "metadata": {"name": "p"},
        "spec": {
            "match": {"kinds": ["ConfigMap"]},
            "mutate": [{"name": "e", "when": "true", "patch": [{"op": "replace", "path": "/data", "value": after}]}],
        },
    })]);
    let object = |data: &Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "y"}, "data": data});
    let request = input::request(&json!({"object": object(before)}));
    let decision = mutate(&set, &request, &Context::default());
    answer::hold(&decision);
    assert_eq!(set.policies().len(), 1);
    assert_eq!(
        decision.mutated.clone().unwrap_or_else(|| request.object.clone()),
        object(after),
        "{decision:#?}"
    );
    assert_eq!(decision.patch.0.is_empty(), before == after);
    mutation::the_patch_gives_the_result(&request.object, &decision);
    true
}
