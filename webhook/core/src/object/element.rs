//! What the elements of lists are called: in paths that people read, and where versions of a list are compared.
//!
//! A name is the key by which Kubernetes merges the list (`patchMergeKey` and `x-kubernetes-list-map-keys` of its API),
//! or by which our own resources tell its entries apart. Elements without a name are known by their positions.

use std::borrow::Cow;

use sallyport_policy::Segment;
use serde_json::Value;

/// What an element of the list `field` is called; `None` where only its position tells it from others.
///
/// A port of a protocol other than TCP is `53/UDP`. Tolerations are no map in Kubernetes: several may have one key, and
/// the one for every key is `*`.
#[must_use]
pub fn name<'e>(field: &str, element: &'e Value) -> Option<Cow<'e, str>> {
    let fields = element.as_object()?;
    let text = |key| fields.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let called = match field {
        "ports" => return port(element),
        "volumeMounts" => text("mountPath"),
        "volumeDevices" => text("devicePath"),
        "writablePaths" => text("path"),
        "hostAliases" => text("ip"),
        "ownerReferences" => text("uid"),
        "topologySpreadConstraints" | "topologySpread" => text("topologyKey"),
        "tolerations" => text("key").or(Some("*")),
        "volumeClaimTemplates" => element.pointer("/metadata/name").and_then(Value::as_str),
        _ => text("name"),
    };
    called.map(Cow::Borrowed)
}

/// The number of a container's or a Service's port, with its protocol.
fn port(element: &Value) -> Option<Cow<'_, str>> {
    let number = element.get("containerPort").or_else(|| element.get("port"))?.as_i64()?;
    let protocol = element.get("protocol").and_then(Value::as_str).filter(|protocol| *protocol != "TCP");
    Some(protocol.map_or_else(|| number.to_string(), |protocol| format!("{number}/{protocol}")).into())
}

/// Where the first element called `called` stands in the list `field`; where there is none, the number is a position.
#[must_use]
pub fn position(field: &str, elements: &[Value], called: &str) -> Option<usize> {
    let is_called = |element: &Value| match element {
        Value::String(text) => text == called,
        element => name(field, element).is_some_and(|name| name == called),
    };
    elements.iter().position(is_called).or_else(|| called.parse().ok().filter(|at| *at < elements.len()))
}

/// The step to an element of the list `field`: its name where no other has it, else its position.
#[must_use]
pub fn segment(field: &str, elements: &[Value], index: usize) -> Segment {
    let name = elements.get(index).and_then(|element| name(field, element));
    let others = |name: &str| {
        elements.iter().filter(|other| self::name(field, other).as_deref() == Some(name)).count()
    };
    match name {
        Some(name) if others(&name) == 1 => Segment::Named(name.into_owned()),
        _ => Segment::Index(index),
    }
}

/// For each element of `new`, the position of its earlier version in `old`; both are the list `field`.
///
/// Elements are the same by their names. Where a name repeats, the first is the first, and so on. Elements of lists
/// without names are the same by position where the lists are equally long, and otherwise if they are equal.
#[must_use]
pub fn earlier(field: &str, old: &[Value], new: &[Value]) -> Vec<Option<usize>> {
    let mut taken = vec![false; old.len()];
    let mut take = |same: &dyn Fn(&Value) -> bool| {
        let (position, taken) =
            taken.iter_mut().enumerate().zip(old).find(|((_, taken), old)| !**taken && same(old))?.0;
        *taken = true;
        Some(position)
    };
    let named = |element: &Value| name(field, element).is_some();
    if old.iter().chain(new).any(named) {
        new.iter().map(|new| take(&|old| name(field, old) == name(field, new))).collect()
    } else if old.len() == new.len() {
        (0..old.len()).map(Some).collect()
    } else {
        new.iter().map(|new| take(&|old| old == new)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(field: &str, old: &Value, new: &Value, want: &[Option<usize>]) {
        assert_eq!(earlier(field, old.as_array().unwrap(), new.as_array().unwrap()), want);
    }

    #[test]
    fn elements_are_called_by_their_merge_key() {
        for (field, element, want) in [
            ("containers", json!({"name": "api", "image": "a"}), Some("api")),
            ("env", json!({"name": "A"}), Some("A")),
            ("ports", json!({"containerPort": 8080, "name": "http", "protocol": "TCP"}), Some("8080")),
            ("ports", json!({"containerPort": 53, "protocol": "UDP"}), Some("53/UDP")),
            ("ports", json!({"port": 443, "targetPort": 8443}), Some("443")),
            ("volumeMounts", json!({"name": "tmp", "mountPath": "/tmp"}), Some("/tmp")),
            ("volumeDevices", json!({"name": "tmp", "devicePath": "/dev/a"}), Some("/dev/a")),
            ("hostAliases", json!({"ip": "10.0.0.1"}), Some("10.0.0.1")),
            ("topologySpreadConstraints", json!({"topologyKey": "zone"}), Some("zone")),
            ("tolerations", json!({"key": "dedicated", "operator": "Exists"}), Some("dedicated")),
            ("tolerations", json!({"operator": "Exists"}), Some("*")),
            ("volumeClaimTemplates", json!({"metadata": {"name": "data"}}), Some("data")),
            ("matchExpressions", json!({"key": "app", "operator": "Exists"}), None),
            ("args", json!("--name"), None),
            ("containers", json!({"image": "a"}), None),
        ] {
            assert_eq!(name(field, &element).as_deref(), want, "{field} {element}");
        }
    }

    #[test]
    fn a_step_to_an_element_leads_back_to_it() {
        let lists = [
            ("containers", json!([{"name": "a"}, {"name": "b"}, {"name": "b"}, {}])),
            (
                "tolerations",
                json!([{"key": "a", "effect": "NoSchedule"}, {"operator": "Exists"}, {"key": "a"}]),
            ),
            ("ports", json!([{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}])),
        ];
        for (field, elements) in lists {
            let elements = elements.as_array().unwrap();
            for index in 0..elements.len() {
                let written =
                    sallyport_policy::FieldPath::root().then(segment(field, elements, index)).to_string();
                let called = written.trim_matches(['[', ']']);
                assert_eq!(position(field, elements, called), Some(index), "{field}{written}");
            }
        }
        assert_eq!(position("finalizers", &[json!("a"), json!("b")], "b"), Some(1));
        assert_eq!(position("args", &[json!("a")], "1"), None);
    }

    #[test]
    fn an_element_is_known_in_a_later_list_by_its_name() {
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
    fn a_name_that_repeats_is_taken_in_order() {
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
