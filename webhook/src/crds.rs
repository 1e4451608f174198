//! The CustomResourceDefinitions of Sallyport's resources, made from their types.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::AddNullable;
use serde_json::{Value, json};

use kube_core::schema::{OptionalEnum, OptionalIntOrString, StructuralSchemaRewriter};
use sallyport_admission::resources::{
    PolicyExceptionSpec, PolicyExceptionStatus, WorkloadPolicySpec, WorkloadPolicyStatus,
};
use sallyport_policy::{GROUP, VERSION};
use sallyport_traffic::{TrafficPolicySpec, TrafficPolicyStatus};

/// One of Sallyport's kinds, as the API server is to know it.
struct Kind {
    kind: &'static str,
    plural: &'static str,
    short_names: &'static [&'static str],
    scope: &'static str,
    description: &'static str,
    columns: Vec<Value>,
    spec: Value,
    status: Value,
}

/// The CustomResourceDefinitions (apiextensions.k8s.io/v1), each with the name of its file.
#[must_use]
pub fn all() -> Vec<(String, Value)> {
    kinds().into_iter().map(|kind| (format!("{GROUP}_{}.yaml", kind.plural), definition(&kind))).collect()
}

fn kinds() -> Vec<Kind> {
    let age = json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"});
    let text = |name: &str, path: &str, description: &str| json!({"name": name, "type": "string", "jsonPath": path, "description": description});
    let condition = |kind: &str| format!(".status.conditions[?(@.type==\"{kind}\")].status");
    let accepted = text("Accepted", &condition("Accepted"), "Whether the policy is right and in force");
    vec![
        Kind {
            kind: "WorkloadPolicy",
            plural: "workloadpolicies",
            short_names: &["wlp"],
            scope: "Cluster",
            description: "What workloads are given when they are created, and what they are refused for.",
            columns: vec![
                text("Mode", ".spec.mode", "Enforce, Warn or Audit"),
                json!({"name": "Priority", "type": "integer", "jsonPath": ".spec.priority", "priority": 1}),
                accepted.clone(),
                age.clone(),
            ],
            spec: schema::<WorkloadPolicySpec>(),
            status: schema::<WorkloadPolicyStatus>(),
        },
        Kind {
            kind: "PolicyException",
            plural: "policyexceptions",
            short_names: &["polex"],
            scope: "Namespaced",
            description: "Lets named objects of its namespace pass named policies for a while, where the policy allows it.",
            columns: vec![
                text("Expires", ".spec.expires", "When the exception ends"),
                text("Honoured", &condition("Honoured"), "Whether the exception is in force"),
                age.clone(),
            ],
            spec: schema::<PolicyExceptionSpec>(),
            status: schema::<PolicyExceptionStatus>(),
        },
        Kind {
            kind: "TrafficPolicy",
            plural: "trafficpolicies",
            short_names: &["tp"],
            scope: "Namespaced",
            description: "What requests to workloads of its namespace must bring, how many there may be, and which \
                          headers they and their answers carry.",
            columns: vec![
                text("Mode", ".spec.mode", "Enforce or Shadow"),
                accepted,
                text("Attached", &condition("Attached"), "Whether the mesh has the policy"),
                age,
            ],
            spec: traffic_policy(),
            status: schema::<TrafficPolicyStatus>(),
        },
    ]
}

/// The schema of a TrafficPolicy's `spec`, by which the API server takes and refuses them.
#[must_use]
pub fn traffic_policy() -> Value {
    schema::<TrafficPolicySpec>()
}

/// The structural schema of a type, as kube derives it for its custom resources.
fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let generator = settings
        .with_transform(AddNullable::default())
        .with_transform(StructuralSchemaRewriter)
        .with_transform(OptionalEnum)
        .with_transform(OptionalIntOrString)
        .into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("title");
    }
    tidy(&mut schema);
    schema
}

/// Says what Rust's types say in the words of the API server.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            // What is empty by default would be written into every object that leaves it out.
            if fields.get("default").is_some_and(is_empty) {
                fields.remove("default");
            }
            // OpenAPI has no unsigned numbers.
            if let Some(bits) = unsigned_bits(fields) {
                fields.remove("format");
                fields.entry("minimum").or_insert_with(|| json!(0));
                if let Some(end) = 1_u64.checked_shl(bits).filter(|_| bits < 64) {
                    fields.entry("maximum").or_insert_with(|| json!(end - 1));
                }
            }
            for (name, value) in fields.iter_mut() {
                match value {
                    // Doc comments are wrapped for people who read code: in a description their lines run on.
                    Value::String(text) if name == "description" => {
                        let paragraphs =
                            text.split("\n\n").map(|p| p.split_whitespace().collect::<Vec<_>>().join(" "));
                        *text = paragraphs.collect::<Vec<_>>().join("\n\n");
                    }
                    _ => tidy(value),
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// How wide an unsigned number is; `None` for everything else.
fn unsigned_bits(schema: &serde_json::Map<String, Value>) -> Option<u32> {
    match schema.get("format")?.as_str()?.strip_prefix("uint")? {
        "" => Some(64),
        bits => bits.parse().ok(),
    }
}

fn definition(kind: &Kind) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{}.{GROUP}", kind.plural),
            "labels": {"app.kubernetes.io/name": "sallyport", "app.kubernetes.io/part-of": "sallyport"},
        },
        "spec": {
            "group": GROUP,
            "scope": kind.scope,
            "names": {
                "kind": kind.kind,
                "listKind": format!("{}List", kind.kind),
                "plural": kind.plural,
                "singular": kind.kind.to_lowercase(),
                "shortNames": kind.short_names,
                "categories": ["sallyport"],
            },
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "additionalPrinterColumns": kind.columns,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "description": kind.description,
                    "required": ["spec"],
                    "properties": {
                        "apiVersion": {"type": "string"},
                        "kind": {"type": "string"},
                        "metadata": {"type": "object"},
                        "spec": kind.spec,
                        "status": kind.status,
                    },
                }},
            }],
        },
    })
}
