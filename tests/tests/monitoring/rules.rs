//! The rules are right by Prometheus' own tool, and somebody who is woken is told what to do.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::eventually::eventually;
use sallyport_tests::{examples, programs};
use serde_json::Value;

use crate::promql::Expression;
use crate::{PARTS, monitoring, run};

const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];

fn file(part: &str, ending: &str) -> PathBuf {
    monitoring().join(format!("rules/{part}{ending}.yaml"))
}

/// The one document of a file.
fn read(file: &Path) -> Result<Value> {
    examples::read(file)?.pop().with_context(|| file.display().to_string())
}

/// The rules of a part, recording and alerting.
fn rules(part: &str) -> Result<Vec<Value>> {
    let groups = read(&file(part, ""))?;
    let groups = groups["groups"].as_array().context("no groups")?;
    Ok(groups.iter().filter_map(|group| group["rules"].as_array()).flatten().cloned().collect())
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

/// What a rule does with what its expression finds.
pub(crate) enum Rule {
    /// It becomes a series of this name.
    Records(String),
    /// Somebody is told of it, with these labels of its.
    Tells(Vec<String>),
}

/// All rules' expressions.
pub(crate) fn expressions() -> Result<(Vec<Expression>, Vec<Rule>)> {
    let (mut expressions, mut does) = (Vec::new(), Vec::new());
    for part in PARTS {
        for rule in rules(part)? {
            let place = format!("{part}.yaml, {}{}", text(&rule, "record"), text(&rule, "alert"));
            expressions.push(Expression { place, text: text(&rule, "expr").to_owned() });
            does.push(match rule["record"].as_str() {
                Some(name) => Rule::Records(name.to_owned()),
                None => Rule::Tells(labels_in(&rule["annotations"].to_string())),
            });
        }
    }
    Ok((expressions, does))
}

/// The labels that a template shows.
fn labels_in(template: &str) -> Vec<String> {
    let of = |rest: &str| {
        rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned()
    };
    template.split("$labels.").skip(1).map(of).collect()
}

/// The series that the tests of the rules begin with.
pub(crate) fn inputs() -> Result<Vec<Expression>> {
    let mut all = Vec::new();
    for part in PARTS {
        let tests = read(&file(part, ".test"))?;
        for test in tests["tests"].as_array().into_iter().flatten() {
            for input in test["input_series"].as_array().into_iter().flatten() {
                let place = format!("{part}.test.yaml, {}", text(test, "name"));
                all.push(Expression { place, text: text(input, "series").to_owned() });
            }
        }
    }
    Ok(all)
}

#[test]
fn promtool_finds_nothing_wrong() -> Result<()> {
    let files = PARTS.map(|part| file(part, ""));
    let args: Vec<PathBuf> = ["check", "rules", "--lint=all", "--lint-fatal"]
        .map(PathBuf::from)
        .into_iter()
        .chain(files)
        .collect();
    run("promtool", &args, "").map(drop)
}

#[test]
fn every_alert_fires_when_it_should_and_is_silent_when_not() -> Result<()> {
    let files = PARTS.map(|part| file(part, ".test"));
    let args: Vec<PathBuf> = ["test", "rules"].map(PathBuf::from).into_iter().chain(files).collect();
    run("promtool", &args, "")?;
    // And none is left out: each fires at one time of a test at another time of which it does not.
    for part in PARTS {
        let tests = read(&file(part, ".test"))?;
        for rule in rules(part)?.iter().filter(|rule| rule["alert"].is_string()) {
            let (alert, severity) = (text(rule, "alert"), text(&rule["labels"], "severity"));
            let labels = format!("{{alertname=\"{alert}\", severity=\"{severity}\"}}");
            let fires = |expectation: &Value| {
                let samples = expectation["exp_samples"].as_array();
                samples.into_iter().flatten().any(|sample| sample["labels"] == *labels)
            };
            let is_tried = tests["tests"].as_array().into_iter().flatten().any(|test| {
                let fires: Vec<bool> =
                    test["promql_expr_test"].as_array().into_iter().flatten().map(fires).collect();
                fires.contains(&true) && fires.contains(&false)
            });
            ensure!(is_tried, "{part}.test.yaml does not try {labels}");
        }
    }
    Ok(())
}

#[test]
fn every_alert_says_what_it_means_and_has_a_section_in_the_runbook() -> Result<()> {
    let runbook = monitoring().join("../../docs/monitoring.md");
    let runbook = fs::read_to_string(runbook)?;
    let sections: BTreeSet<&str> =
        runbook.lines().filter_map(|line| line.strip_prefix("### Sallyport")).collect();
    let mut alerts = BTreeSet::new();
    for part in PARTS {
        for rule in rules(part)?.iter().filter(|rule| rule["alert"].is_string()) {
            let (alert, annotations) = (text(rule, "alert"), &rule["annotations"]);
            ensure!(SEVERITIES.contains(&text(&rule["labels"], "severity")), "{alert}: what severity?");
            ensure!(text(annotations, "summary").len() > 10, "{alert} has no summary");
            ensure!(text(annotations, "description").len() > 40, "{alert} has no description");
            let (page, anchor) = text(annotations, "runbook_url").split_once('#').unwrap_or_default();
            ensure!(page.ends_with("/docs/monitoring.md"), "{alert}: {page}");
            ensure!(anchor == alert.to_lowercase(), "{alert}: {anchor}");
            alerts.insert(alert.strip_prefix("Sallyport").with_context(|| alert.to_owned())?.to_owned());
        }
    }
    let sections: BTreeSet<String> = sections.into_iter().map(str::to_owned).collect();
    ensure!(alerts == sections, "{:?}", alerts.symmetric_difference(&sections).collect::<Vec<_>>());
    Ok(())
}

/// The rules in the operator's form.
fn objects() -> Result<Vec<Value>> {
    examples::read(&monitoring().join("prometheusrule.yaml"))
}

#[tokio::test]
async fn an_api_server_with_the_operator_s_definitions_takes_the_rules() -> Result<()> {
    let cluster = ControlPlane::shared().await;
    let definition = "monitoring.coreos.com_prometheusrules.yaml";
    let definition = read(&programs::definitions("prometheus-operator")?.join(definition))?;
    cluster.objects().apply(&definition).await?;
    for mut object in objects()? {
        object["metadata"]["namespace"] = "default".into();
        eventually("the kind is served", async || cluster.objects().list(&object).await.ok()).await?;
        let answer = cluster.objects().create_strictly(&object, true).await?;
        ensure!(answer.warnings.is_empty(), "{:?}", answer.warnings);
    }
    Ok(())
}

#[test]
fn the_operator_is_given_the_same_rules() -> Result<()> {
    let objects = objects()?;
    ensure!(objects.len() == PARTS.len(), "{} objects", objects.len());
    for (part, object) in PARTS.into_iter().zip(objects) {
        ensure!(object["kind"] == "PrometheusRule" && object["apiVersion"] == "monitoring.coreos.com/v1");
        ensure!(object["metadata"]["name"] == format!("sallyport-{part}"), "{}", object["metadata"]);
        ensure!(object["spec"] == read(&file(part, ""))?, "{part}: `make rules` writes prometheusrule.yaml");
    }
    Ok(())
}
