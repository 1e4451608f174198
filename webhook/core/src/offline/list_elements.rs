//! Which elements of two versions of a list are the same.

use serde_json::Value;

/// For each element of `new`, the position of its earlier version in `old`.
///
/// `field` is the list's. Elements are the same by their merge key, as strategic merge patches have it,
/// though a port is known by its protocol too. Where a key repeats, the first is the first, and so on.
/// Elements of other lists are the same by position where the lists are equally long, and otherwise if they
/// are equal.
pub(super) fn positions(field: &str, old: &[Value], new: &[Value]) -> Vec<Option<usize>> {
    let mut taken = vec![false; old.len()];
    let mut take = |same: &dyn Fn(&Value) -> bool| {
        let (position, taken) =
            taken.iter_mut().enumerate().zip(old).find(|((_, taken), old)| !**taken && same(old))?.0;
        *taken = true;
        Some(position)
    };
    match merge_key(field) {
        Some(key) => new.iter().map(|new| take(&|old| key(old) == key(new))).collect(),
        None if old.len() == new.len() => (0..old.len()).map(Some).collect(),
        None => new.iter().map(|new| take(&|old| old == new)).collect(),
    }
}

type MergeKey = fn(&Value) -> [Option<&Value>; 2];

fn merge_key(field: &str) -> Option<MergeKey> {
    match field {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "env"
        | "volumes"
        | "imagePullSecrets"
        | "schedulingGates"
        | "resourceClaims" => Some(|it| [it.get("name"), None]),
        "ports" => Some(|it| [it.get("containerPort"), it.get("protocol")]),
        "volumeMounts" => Some(|it| [it.get("mountPath"), None]),
        "volumeDevices" => Some(|it| [it.get("devicePath"), None]),
        "hostAliases" => Some(|it| [it.get("ip"), None]),
        "volumeClaimTemplates" => Some(|it| [it.pointer("/metadata/name"), None]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(field: &str, old: &Value, new: &Value, want: &[Option<usize>]) {
        assert_eq!(positions(field, old.as_array().unwrap(), new.as_array().unwrap()), want);
    }

    #[test]
    fn elements_are_known_by_their_merge_key() {
        check(
            "containers",
            &json!([{"name": "a"}, {"name": "b"}]),
            &json!([{"name": "new"}, {"name": "b", "image": "b:1"}, {"name": "a"}]),
            &[None, Some(1), Some(0)],
        );
        check(
            "ports",
            &json!([{"containerPort": 53, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]),
            &json!([{"containerPort": 53, "protocol": "UDP"}]),
            &[Some(1)],
        );
    }

    #[test]
    fn a_key_that_repeats_is_taken_in_order() {
        check(
            "env",
            &json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
            &json!([{"name": "A"}, {"name": "A"}, {"name": "A"}]),
            &[Some(0), Some(1), None],
        );
    }

    #[test]
    fn other_elements_are_known_by_position_or_by_value() {
        check("args", &json!(["a", "b"]), &json!(["x", "b"]), &[Some(0), Some(1)]);
        check("args", &json!(["a", "b"]), &json!(["x", "b", "a"]), &[None, Some(1), Some(0)]);
    }
}
