//! A set of many policies decides as if each were asked.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use sallyport_admission::{Context, Namespace, PolicySet, Request, mutate};
use serde_json::{Value, json};

use crate::reading;

type Labels = BTreeMap<String, String>;

/// What a policy asks for, in the form in which a test can check it.
#[derive(Clone, Debug)]
struct Scope {
    namespaces: Vec<&'static str>,
    namespace_labels: Option<Labels>,
    object_labels: Option<Labels>,
    kinds: Vec<&'static str>,
    operations: Vec<&'static str>,
}

impl Scope {
    fn policy(&self, number: usize) -> Value {
        let selector = |labels: &Option<Labels>| labels.as_ref().map(|labels| json!({"matchLabels": labels}));
        let key = format!("p{number}");
        json!({
            "metadata": {"name": format!("p{number:04}")},
            "spec": {
                "match": {
                    "namespaces": self.namespaces,
                    "namespaceSelector": selector(&self.namespace_labels),
                    "objectSelector": selector(&self.object_labels),
                    "kinds": self.kinds,
                    "operations": self.operations,
                },
                "mutate": [{"name": "mark", "metadata": {"labels": {key: "yes"}}}],
            },
        })
    }

    fn matches(&self, request: &Request, namespace: &Namespace) -> bool {
        let object = |value: &Value, wanted: &Labels| {
            value.is_object()
                && wanted.iter().all(|(key, value_)| value["metadata"]["labels"][key] == json!(value_))
        };
        let operations =
            if self.operations.is_empty() { vec!["CREATE", "UPDATE"] } else { self.operations.clone() };
        let any_name = self.namespaces.iter().any(|name| match name.strip_suffix('*') {
            Some(start) => request.namespace.starts_with(start),
            None => request.namespace == *name,
        });
        (self.namespaces.is_empty() || any_name)
            && self.namespace_labels.as_ref().is_none_or(|wanted| {
                wanted.iter().all(|(key, value)| namespace.labels.get(key) == Some(value))
            })
            && self
                .object_labels
                .as_ref()
                .is_none_or(|wanted| object(&request.object, wanted) || object(&request.old_object, wanted))
            && self.kinds.iter().any(|kind| *kind == "*" || *kind == request.kind.kind)
            && operations.contains(&request.operation.to_string().as_str())
    }
}

fn labels() -> impl Strategy<Value = Labels> {
    let text = |texts: &[&str]| select(texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
    btree_map(text(&["team", "tier"]), text(&["a", "b", "c"]), 0..=2)
}

fn scopes() -> impl Strategy<Value = Scope> {
    (
        subsequence(vec!["shop", "shop-*", "bank", "lab"], 0..=2),
        option::of(labels()),
        option::of(labels()),
        subsequence(vec!["Pod", "ConfigMap", "*"], 1..=2),
        subsequence(vec!["CREATE", "UPDATE"], 0..=2),
    )
        .prop_map(|(namespaces, namespace_labels, object_labels, kinds, operations)| Scope {
            namespaces,
            namespace_labels,
            object_labels,
            kinds,
            operations,
        })
}

fn requests() -> impl Strategy<Value = (Request, Namespace)> {
    let names = select(vec!["shop", "shop-eu", "bank", "other"]);
    (names, labels(), labels(), labels(), any::<bool>(), any::<bool>()).prop_map(
        |(name, of_namespace, of_object, of_old, update, config_map)| {
            let kind = if config_map || update { "ConfigMap" } else { "Pod" };
            let object = |labels: &Labels| {
                json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x", "namespace": name, "labels": labels}, "spec": {"containers": []}})
            };
            let mut request = reading::creation(&object(&of_object));
            if update {
                request.operation = sallyport_admission::Operation::Update;
                request.old_object = object(&of_old);
            }
            (request, Namespace { name: name.to_owned(), labels: of_namespace, terminating: false })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_thousand_policies_decide_as_if_each_were_asked(
        scopes in vec(scopes(), 1000),
        requests in vec(requests(), 16),
    ) {
        let policies = scopes.iter().enumerate().map(|(number, scope)| reading::policy(&scope.policy(number)));
        let set = PolicySet::new(policies.collect());
        for (request, namespace) in requests {
            let wanted: Vec<String> = scopes
                .iter()
                .enumerate()
                .filter(|(_, scope)| scope.matches(&request, &namespace))
                .map(|(number, _)| format!("p{number:04}/mark"))
                .collect();
            let decision = mutate(&set, &request, &Context { namespace: Some(&namespace), ..Context::default() });
            let decided: Vec<String> = decision.changes.iter().map(|change| change.source.to_string()).collect();
            prop_assert_eq!(decided, wanted);
        }
    }
}
