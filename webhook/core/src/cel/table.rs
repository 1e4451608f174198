//! The expressions of `tests/data/cel/expressions.yaml`, which a real API server evaluates as well.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Budget, Expression, Scope};

#[derive(Deserialize)]
struct Table {
    object: Value,
    families: BTreeMap<String, Family>,
    differences: Vec<Difference>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    expression: String,
    kubernetes: String,
    here: String,
    why: String,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Family {
    holds: Vec<String>,
    fails: Vec<String>,
    errors: Vec<String>,
    refused: Vec<String>,
}

/// What becomes of an expression here.
fn outcome(source: &str, object: &Value) -> &'static str {
    let Ok(expression) = Expression::compile(source) else { return "refused" };
    let kind = json!({"group": "cel.sallyport.dev", "version": "v1", "kind": "Sample"});
    let resource = json!({"group": "cel.sallyport.dev", "version": "v1", "resource": "samples"});
    let request = json!({
        "kind": kind, "requestKind": kind, "resource": resource, "requestResource": resource,
        "operation": "CREATE", "name": "it", "namespace": "default", "dryRun": true,
        "userInfo": {"username": "admin", "groups": ["system:masters", "system:authenticated"], "extra": {"key": ["value"]}},
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
    });
    let namespace =
        json!({"metadata": {"name": "default", "labels": {"kubernetes.io/metadata.name": "default"}}});
    let budget = Budget::default();
    let scope = Scope::new(&budget).object(object).request(&request).namespace_object(&namespace);
    match expression.evaluate_bool(&scope) {
        Ok(true) => "holds",
        Ok(false) => "fails",
        Err(_) => "errors",
    }
}

#[test]
fn every_expression_of_the_table_has_the_verdict_of_kubernetes() {
    let text = include_str!("../../tests/data/cel/expressions.yaml");
    let table: Table = serde_saphyr::from_str(text).unwrap();
    let (mut count, mut wrong) = (0, Vec::new());
    for (family, cases) in &table.families {
        let expected = [
            ("holds", &cases.holds),
            ("fails", &cases.fails),
            ("errors", &cases.errors),
            ("refused", &cases.refused),
        ];
        for (want, sources) in expected {
            for source in sources {
                count += 1;
                let found = outcome(source, &table.object);
                if found != want {
                    let why = Expression::compile(source).err().map(|error| error.to_string());
                    wrong.push(format!("{family}: {source}: {found}, Kubernetes: {want} {why:?}"));
                }
            }
        }
    }
    for Difference { expression, kubernetes, here, why } in &table.differences {
        let found = outcome(expression, &table.object);
        if found != here || here == kubernetes || why.is_empty() {
            wrong.push(format!("differences: {expression}: {found}, said to be {here}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= 1000, "{count}");
}
