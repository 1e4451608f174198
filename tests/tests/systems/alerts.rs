//! The systems' alerts: Prometheus takes them, they fire past what the guides allow, and are silent short of it.
//!
//! In `alerts/` is a file for each system: series that are just well, and series that are just not.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::programs;
use sallyport_tests::run_dir::RunDir;
use serde_json::{Value, json};

use crate::tree::Tree;

/// The groups of rules of a system, wherever it keeps them.
fn groups(tree: &Tree) -> Result<Value> {
    if let Some(rule) = tree.of("PrometheusRule").next() {
        return Ok(rule["spec"].clone());
    }
    let own = tree.get("ConfigMap", "prometheus-config")?["data"]["alerts.yaml"].as_str();
    Ok(serde_saphyr::from_str(own.context("no alerts")?)?)
}

/// Puts the rules of a system to its file of series.
fn put_to_the_test(system: &str) -> Result<()> {
    let dir = RunDir::create()?;
    let rules = groups(Tree::named(system)?)?;
    fs::write(dir.path().join("rules.yaml"), rules.to_string())?;
    let cases =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/systems/alerts").join(format!("{system}.yaml"));
    let text = fs::read_to_string(&cases)?;
    fs::write(dir.path().join("cases.yaml"), &text)?;

    let mut promtool = Command::new(programs::find("promtool")?);
    let output = promtool.args(["test", "rules", "cases.yaml"]).current_dir(dir.path()).output()?;
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    ensure!(output.status.success(), "{system}: {said:?}");

    // No alert is left out of the case in which all fire.
    let alerts: BTreeSet<String> = rules["groups"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|group| group["rules"].as_array())
        .flatten()
        .filter_map(|rule| rule["alert"].as_str().map(str::to_owned))
        .collect();
    let cases: Value = serde_saphyr::from_str(&text)?;
    let fired: BTreeSet<String> = cases["tests"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|test| test["promql_expr_test"][0]["exp_samples"].as_array())
        .flatten()
        .filter_map(|sample| Some(sample["labels"].as_str()?.split('"').nth(1)?.to_owned()))
        .collect();
    assert_eq!(alerts, fired, "{system}");
    Ok(())
}

#[test]
fn m5_alerts_go_by_the_objectives_of_the_guide() -> Result<()> {
    put_to_the_test("mita")
}

#[test]
fn v5_alerts_on_errors_latency_absence_and_memory() -> Result<()> {
    put_to_the_test("mini-visa")
}

#[test]
fn the_others_fire_and_keep_silent_as_well() -> Result<()> {
    for system in ["ai-imutis", "financial-planning", "media-platform"] {
        put_to_the_test(system)?;
    }
    Ok(())
}

/// Whoever is called at night is told what it is and what to look at.
#[test]
fn every_alert_says_how_bad_it_is_and_what_it_means() -> Result<()> {
    for tree in Tree::all()?.iter().filter(|tree| groups(tree).is_ok()) {
        let groups = groups(tree)?;
        let rules =
            groups["groups"].as_array().into_iter().flatten().filter_map(|group| group["rules"].as_array());
        for rule in rules.flatten() {
            let says = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
            ensure!(
                says(&rule["annotations"]["summary"]) && says(&rule["annotations"]["description"]),
                "{rule}"
            );
            let severities = [json!("critical"), json!("warning")];
            ensure!(severities.contains(&rule["labels"]["severity"]), "{rule}");
        }
    }
    Ok(())
}

/// What a panel shows is measured, and what an alert goes by is shown.
#[test]
fn m5_the_dashboard_shows_what_the_alerts_go_by() -> Result<()> {
    let tree = Tree::named("mita")?;
    let text =
        tree.get("ConfigMap", "mita-dashboard")?["data"]["mita.json"].as_str().context("no dashboard")?;
    let dashboard: Value = serde_json::from_str(text)?;
    let mut thresholds = BTreeSet::new();
    for panel in dashboard["panels"].as_array().context("no panels")? {
        let steps = &panel["fieldConfig"]["defaults"]["thresholds"]["steps"];
        ensure!(panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()), "{panel}");
        thresholds.insert(format!("{} {}", panel["title"], steps[1]["value"]));
    }
    for wanted in [
        "\"API response time\" 2000",
        "\"Authentication failures\" 10",
        "\"Database connections\" 0.8",
        "\"Queues\" 10",
    ] {
        ensure!(thresholds.contains(wanted), "{wanted}: {thresholds:?}");
    }
    Ok(())
}

#[test]
fn every_dashboard_is_one() -> Result<()> {
    let mut all = 0;
    for tree in Tree::all()? {
        for object in tree.of("ConfigMap").filter(|it| it["metadata"]["labels"]["grafana_dashboard"] == "1") {
            for (file, text) in object["data"].as_object().into_iter().flatten() {
                let dashboard: Value = serde_json::from_str(text.as_str().context("no text")?)?;
                let panels = dashboard["panels"].as_array().with_context(|| file.clone())?;
                let ids: BTreeSet<Option<u64>> = panels.iter().map(|panel| panel["id"].as_u64()).collect();
                let places: BTreeSet<String> =
                    panels.iter().map(|panel| panel["gridPos"].to_string()).collect();
                ensure!(ids.len() == panels.len() && places.len() == panels.len(), "{file}");
                for text in ["uid", "title"] {
                    ensure!(dashboard[text].is_string(), "{file}: {text}");
                }
                all += 1;
            }
        }
    }
    assert_eq!(all, 3);
    Ok(())
}
