//! The expressions that webhook/core is held to have the same verdicts in a real ValidatingAdmissionPolicy.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use kube::Error;
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::objects::Objects;
use serde_json::{Value, json};

/// The case that no object of the table is: refused from the moment on that the policy counts.
const SENTINEL: i64 = -1;
const HANGS: Duration = Duration::from_secs(30);

#[tokio::test]
async fn every_expression_of_the_table_has_its_verdict_in_kubernetes() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../webhook/core/tests/data/cel/expressions.yaml");
    let table: Value = serde_saphyr::from_str(&fs::read_to_string(path)?)?;
    let (compiled, refused) = cases(&table)?;
    ensure!(compiled.len() + refused.len() > 1000, "only {} expressions", compiled.len() + refused.len());

    let cluster = ControlPlane::shared().await;
    let objects = cluster.objects();
    serve_samples(&objects, &table["object"]).await?;

    let mut wrong = Vec::new();
    for source in &refused {
        let answer = objects.dry_run_create(&policy("refused", &[json!({"expression": source})])).await;
        match answer {
            Err(Error::Api(status)) if status.code == 422 => {}
            Ok(_) => wrong.push(format!("{source}: compiles, and is said to be refused")),
            Err(error) => return Err(error).with_context(|| source.clone()),
        }
    }
    let plain: Vec<Value> = compiled.iter().map(|(source, _)| json!({"expression": source})).collect();
    for part in plain.chunks(50) {
        if let Err(error) = objects.dry_run_create(&policy("compiled", part)).await {
            wrong.push(format!("is refused, and said to compile: {error}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));

    in_force(&objects, &compiled, &table["object"]).await?;
    for (case, (source, wanted)) in compiled.iter().enumerate() {
        let case = i64::try_from(case)?;
        let found =
            verdict(&objects, &sample(&table["object"], case)).await.with_context(|| source.clone())?;
        if found.0 != wanted {
            wrong.push(format!("{source}: {} ({}), and not {wanted}", found.0, found.1));
        }
    }
    // The policy is about samples only, and no other test has any.
    for kind in ["ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"] {
        let named = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": "cel"}});
        objects.delete(&named).await?;
    }
    ensure!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), compiled.len(), wrong.join("\n"));
    Ok(())
}

/// Expressions that compile, each with what becomes of it, and those that don't.
type Cases = (Vec<(String, String)>, Vec<String>);

/// The expressions of the table.
fn cases(table: &Value) -> Result<Cases> {
    let (mut compiled, mut refused) = (Vec::new(), Vec::new());
    let mut add = |source: &Value, verdict: &str| -> Result<()> {
        let source = source.as_str().context("an expression is a string")?.to_owned();
        match verdict {
            "refused" => refused.push(source),
            verdict => compiled.push((source, verdict.to_owned())),
        }
        Ok(())
    };
    for family in table["families"].as_object().context("families")?.values() {
        for (verdict, sources) in family.as_object().context("verdicts")? {
            for source in sources.as_array().context("expressions")? {
                add(source, verdict)?;
            }
        }
    }
    for difference in table["differences"].as_array().context("differences")? {
        add(&difference["expression"], difference["kubernetes"].as_str().context("kubernetes")?)?;
    }
    Ok((compiled, refused))
}

fn policy(name: &str, validations: &[Value]) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["cel.sallyport.dev"], "apiVersions": ["v1"], "operations": ["CREATE"],
                "resources": ["samples"],
            }]},
            "validations": validations,
        },
    })
}

/// The table's object as the case of that number.
fn sample(object: &Value, case: i64) -> Value {
    let mut sample = object.clone();
    sample["spec"]["case"] = json!(case);
    sample
}

/// Has the API server serve the kind of the table's object, whatever is in it.
async fn serve_samples(objects: &Objects, object: &Value) -> Result<()> {
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }});
    objects
        .apply(&json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "samples.cel.sallyport.dev"},
            "spec": {
                "group": "cel.sallyport.dev",
                "names": {"kind": "Sample", "plural": "samples"},
                "scope": "Namespaced",
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
            },
        }))
        .await?;
    let start = Instant::now();
    while let Err(error) = objects.dry_run_create(&sample(object, SENTINEL)).await {
        if start.elapsed() > HANGS {
            return Err(error).context("the kind is defined and not served");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// One policy with all expressions, each of which counts for the case of its number only. The API server follows
/// policies by a watch: it is in force once the sentinel is refused.
async fn in_force(objects: &Objects, compiled: &[(String, String)], object: &Value) -> Result<()> {
    let mut validations =
        vec![json!({"expression": format!("object.spec.case != {SENTINEL}"), "message": "sentinel"})];
    for (case, (source, _)) in compiled.iter().enumerate() {
        // A comment ends with its line.
        let expression = format!("object.spec.case != {case} || (\n{source}\n)");
        validations.push(json!({"expression": expression, "message": "found false"}));
    }
    objects.apply(&policy("cel", &validations)).await?;
    objects
        .apply(&json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": "cel"},
            "spec": {"policyName": "cel", "validationActions": ["Deny"]},
        }))
        .await?;
    let start = Instant::now();
    loop {
        let (verdict, message) = verdict(objects, &sample(object, SENTINEL)).await?;
        if verdict == "fails" && message.contains("sentinel") {
            return Ok(());
        }
        if start.elapsed() > HANGS {
            bail!("the policy is bound and not in force: {verdict} {message}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What becomes of the object, and what the API server says.
async fn verdict(objects: &Objects, object: &Value) -> Result<(&'static str, String)> {
    match objects.dry_run_create(object).await {
        Ok(_) => Ok(("holds", String::new())),
        Err(Error::Api(status)) if status.message.contains("resulted in error") => {
            Ok(("errors", status.message))
        }
        Err(Error::Api(status)) if status.message.contains("denied request") => Ok(("fails", status.message)),
        Err(error) => Err(error.into()),
    }
}
