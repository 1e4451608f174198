//! The webhook configurations, as a pure function of the policies in force and of what the API server serves.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use sallyport_admission::guard::{CONTROL_PLANE, NAMESPACE_CONTROLLER};
use sallyport_admission::registration::{Call, Registration, Rule, Served, attachments, registration};
use sallyport_admission::resources::FailurePolicy;
use sallyport_admission::{NAMESPACES_OUT_OF_REACH, Operation, PolicySet};
use sallyport_policy::{ATTACHMENT_PREFIX, MANAGED_BY, check_dns_label};
use serde_json::{Value, json};

use crate::cluster::NAME;

/// Where the API server finds the webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A Service in the cluster.
    Service { namespace: String, name: String, port: u16 },
    /// An address outside of it: `https://HOST:PORT`.
    Url(String),
}

impl Target {
    /// The names that the certificate must have.
    ///
    /// # Errors
    /// The address has no host.
    pub(crate) fn host_names(&self) -> anyhow::Result<Vec<String>> {
        Ok(match self {
            // The API server asks for the first; the others are for people.
            Self::Service { namespace, name, .. } => vec![
                format!("{name}.{namespace}.svc"),
                format!("{name}.{namespace}.svc.cluster.local"),
                format!("{name}.{namespace}"),
            ],
            Self::Url(url) => {
                let uri: http::Uri = url.parse()?;
                let host = uri.host().ok_or_else(|| anyhow::anyhow!("{url} has no host"))?;
                vec![host.trim_matches(['[', ']']).to_owned()]
            }
        })
    }
}

/// What stands in the configurations beside the rules.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) target: Target,
    /// The authorities to trust, base64 of PEM. `None`: somebody else fills them in.
    pub(crate) bundle: Option<String>,
    /// Namespaces that no policy reaches, beside [`NAMESPACES_OUT_OF_REACH`].
    pub(crate) spared: BTreeSet<String>,
    /// Whom the API server takes Sallyport for.
    pub(crate) account: String,
    pub(crate) timeout_seconds: i32,
    /// Whom they are removed with: something that has no namespace.
    pub(crate) owner: Option<OwnerReference>,
    /// Annotations, such as cert-manager's.
    pub(crate) annotations: Vec<(String, String)>,
}

/// The MutatingWebhookConfiguration and the ValidatingWebhookConfiguration.
pub(crate) fn configurations(set: &PolicySet, served: &[Served], terms: &Terms) -> [Value; 2] {
    let shares = [FailurePolicy::Fail, FailurePolicy::Ignore];
    let entries = |call| {
        shares.into_iter().filter_map(move |share| {
            let registration = registration(set, call, share, served);
            let namespaces = namespaces(&registration, terms)?;
            (!registration.rules.is_empty()).then(|| entry(call, share, &registration, namespaces, terms))
        })
    };
    let mutating: Vec<Value> = entries(Call::Mutate).chain([authors(terms)]).collect();
    let validating: Vec<Value> =
        entries(Call::Validate).chain([policies(set, terms)]).chain(guards(set, served, terms)).collect();
    [
        configuration("MutatingWebhookConfiguration", &mutating, terms),
        configuration("ValidatingWebhookConfiguration", &validating, terms),
    ]
}

fn configuration(kind: &str, webhooks: &[Value], terms: &Terms) -> Value {
    let annotations: Value =
        terms.annotations.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    let mut metadata = json!({
        "name": NAME,
        "labels": { "app.kubernetes.io/name": NAME, "app.kubernetes.io/managed-by": NAME },
        "annotations": annotations,
    });
    if let Some(owner) = &terms.owner {
        metadata["ownerReferences"] = json!([owner]);
    }
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": metadata,
        "webhooks": webhooks,
    })
}

/// What the API server asks about workloads, for the policies of one failurePolicy.
fn entry(
    call: Call,
    share: FailurePolicy,
    registration: &Registration,
    namespaces: Value,
    terms: &Terms,
) -> Value {
    let (failure_policy, short) = match share {
        FailurePolicy::Fail => ("Fail", "fail"),
        FailurePolicy::Ignore => ("Ignore", "ignore"),
    };
    let (path, conditions) = match call {
        Call::Mutate => ("mutate", json!([])),
        Call::Validate => ("validate", conditions()),
    };
    let rules: Vec<Value> = registration.rules.iter().map(rule).collect();
    let mut entry =
        webhook(&format!("{short}.{path}.sallyport.dev"), &format!("/{path}/{short}"), &rules, terms);
    entry["failurePolicy"] = json!(failure_policy);
    entry["namespaceSelector"] = namespaces;
    entry["matchConditions"] = conditions;
    if call == Call::Mutate {
        // A later webhook may add what an earlier answer would have completed.
        entry["reinvocationPolicy"] = json!("IfNeeded");
    }
    entry
}

/// What has the author of an exception put on record.
fn authors(terms: &Terms) -> Value {
    let rules = [json!({
        "apiGroups": [sallyport_policy::GROUP],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["policyexceptions"],
        "scope": "*",
    })];
    let mut entry = webhook("authors.sallyport.dev", "/mutate", &rules, terms);
    entry["reinvocationPolicy"] = json!("Never");
    entry
}

/// What the API server asks about Sallyport's own resources. Where workloads require TrafficPolicies, it asks whether one
/// may go; but not when its namespace goes, which must not wait for Sallyport.
fn policies(set: &PolicySet, terms: &Terms) -> Value {
    let rule = |operations: &[&str], resources: &[&str]| {
        json!({
            "apiGroups": [sallyport_policy::GROUP],
            "apiVersions": ["*"],
            "operations": operations,
            "resources": resources,
            "scope": "*",
        })
    };
    let mut rules =
        vec![rule(&["CREATE", "UPDATE"], &["policyexceptions", "trafficpolicies", "workloadpolicies"])];
    let mut conditions = Vec::new();
    if set.requires_traffic() {
        rules.push(rule(&["DELETE"], &["trafficpolicies"]));
        conditions.push(json!({ "name": "namespaces-can-go", "expression": format!(
            "request.operation != \"DELETE\" || request.userInfo.username != {}", json!(NAMESPACE_CONTROLLER)
        ) }));
    }
    let mut entry = webhook("policies.sallyport.dev", "/validate-policies", &rules, terms);
    entry["matchConditions"] = json!(conditions);
    entry
}

/// What the API server asks about what attaches the filter, of others than Sallyport and those who clean up.
///
/// What is Sallyport's by its name or label stays as it is while nobody answers: that is in nobody's way but in that of who
/// would undo it. Whether other resources name the filter can't be said in a condition; while nobody answers they pass, for
/// they are not ours to hold up.
fn guards(set: &PolicySet, served: &[Served], terms: &Terms) -> Vec<Value> {
    let all = attachments(set, served);
    if all.is_empty() {
        return Vec::new();
    }
    let (label, value) = MANAGED_BY;
    let exempt: Vec<&str> = CONTROL_PLANE.into_iter().chain([terms.account.as_str()]).collect();
    let others = format!("!(request.userInfo.username in {})", json!(exempt));
    let ours = format!(
        "[object, oldObject].exists(it, it != null && (it.metadata.?name.orValue(\"\").startsWith({}) || \
         it.metadata.?labels[?{}].orValue(\"\") == {}))",
        json!(ATTACHMENT_PREFIX),
        json!(label),
        json!(value)
    );
    let writes = |rule: &Rule| {
        let mut rule = rule.clone();
        rule.operations.remove(&Operation::Delete);
        rule
    };
    let entry = |name: &str, failure_policy: &str, which: String, rules: Vec<Value>| {
        let mut entry = webhook(name, "/validate-policies", &rules, terms);
        entry["failurePolicy"] = json!(failure_policy);
        entry["matchConditions"] = json!([
            { "name": "others", "expression": others },
            { "name": "which", "expression": which },
        ]);
        entry
    };
    let of_others = all.iter().map(|all| rule(&writes(all))).collect();
    vec![
        entry("attachments.sallyport.dev", "Fail", ours.clone(), all.iter().map(rule).collect()),
        entry("mentions.sallyport.dev", "Ignore", format!("!{ours}"), of_others),
    ]
}

/// A webhook with every field that the API server would fill in, so that what is read back compares equal, and what
/// somebody adds is found.
fn webhook(name: &str, path: &str, rules: &[Value], terms: &Terms) -> Value {
    let mut client_config = match &terms.target {
        Target::Service { namespace, name, port } => {
            json!({ "service": { "namespace": namespace, "name": name, "port": port, "path": path } })
        }
        Target::Url(url) => json!({ "url": format!("{url}{path}") }),
    };
    if let Some(bundle) = &terms.bundle {
        client_config["caBundle"] = json!(bundle);
    }
    json!({
        "name": name,
        "clientConfig": client_config,
        "rules": rules,
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        "sideEffects": "None",
        "timeoutSeconds": terms.timeout_seconds,
        "admissionReviewVersions": ["v1"],
        "matchConditions": [],
    })
}

fn rule(rule: &Rule) -> Value {
    let operation = |operation: &Operation| match operation {
        Operation::Create => "CREATE",
        Operation::Update => "UPDATE",
        Operation::Delete => "DELETE",
        Operation::Connect => "CONNECT",
    };
    json!({
        "apiGroups": [rule.group],
        "apiVersions": ["*"],
        "operations": rule.operations.iter().map(operation).collect::<Vec<_>>(),
        "resources": rule.resources,
        "scope": "*",
    })
}

/// The namespaces that matter, by a label that nobody can forge, which every namespace has. `None`: no policy reaches
/// any of those that are named.
fn namespaces(registration: &Registration, terms: &Terms) -> Option<Value> {
    let spared = NAMESPACES_OUT_OF_REACH.into_iter().chain(terms.spared.iter().map(String::as_str));
    let spared: BTreeSet<&str> = spared.collect();
    let (operator, values) = match &registration.namespaces {
        Some(named) => {
            // A policy may name what no namespace can be called, and the API server would take none of it.
            let can_be = |name: &&str| !spared.contains(name) && check_dns_label(name).is_ok();
            let named = named.iter().map(String::as_str).filter(can_be);
            ("In", named.collect::<BTreeSet<&str>>())
        }
        None => ("NotIn", spared),
    };
    (!values.is_empty()).then(|| {
        json!({ "matchExpressions": [
            { "key": "kubernetes.io/metadata.name", "operator": operator, "values": values },
        ] })
    })
}

/// Whether what stands in the cluster is what should: everything of `webhooks`, and of the metadata what we set.
pub(super) fn is_as(live: &Value, desired: &Value) -> bool {
    let part = |object: &Value, path: &str| object.pointer(path).cloned().unwrap_or_default();
    let holds = |path: &str| {
        let wanted = part(desired, path);
        let mut wanted = wanted.as_object().into_iter().flatten();
        wanted.all(|(key, value)| part(live, path).get(key) == Some(value))
    };
    bare(part(live, "/webhooks")) == bare(part(desired, "/webhooks"))
        && holds("/metadata/labels")
        && holds("/metadata/annotations")
        && (desired.pointer("/metadata/ownerReferences").is_none()
            || part(live, "/metadata/ownerReferences") == part(desired, "/metadata/ownerReferences"))
}

/// Without what is empty, which the API server leaves out.
fn bare(value: Value) -> Value {
    let is_there =
        |value: &Value| !matches!(value, Value::Null) && value.as_array().is_none_or(|list| !list.is_empty());
    match value {
        Value::Array(items) => items.into_iter().map(bare).collect(),
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, member)| (name, bare(member)));
            Value::Object(members.filter(|(_, member)| is_there(member)).collect())
        }
        other => other,
    }
}

/// Kubelets and controllers write statuses all the time, and the scheduler binds every pod. Only what brings other labels
/// or annotations with it is asked about.
fn conditions() -> Value {
    json!([
        { "name": "status-with-other-metadata", "expression":
            "request.?subResource.orValue(\"\") != \"status\" || \
             object.metadata.?labels.orValue({}) != oldObject.metadata.?labels.orValue({}) || \
             object.metadata.?annotations.orValue({}) != oldObject.metadata.?annotations.orValue({})" },
        { "name": "binding-with-metadata", "expression":
            "request.kind.group != \"\" || request.kind.kind != \"Binding\" || \
             object.metadata.?annotations.orValue({}).size() > 0 || \
             object.metadata.?labels.orValue({}).exists(key, !key.startsWith(\"topology.kubernetes.io/\"))" },
    ])
}
