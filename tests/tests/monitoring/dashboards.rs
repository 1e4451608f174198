//! The dashboards are ones by the types that Grafana publishes, and ask Prometheus what it understands.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::promql::{Expression, read};
use crate::{PARTS, monitoring, run};

fn file(part: &str) -> PathBuf {
    monitoring().join(format!("dashboards/{part}.json"))
}

/// What all dashboards ask for.
pub(crate) fn expressions() -> Result<Vec<Expression>> {
    let mut all = Vec::new();
    for part in PARTS {
        let board: Value = serde_json::from_str(&fs::read_to_string(file(part))?)?;
        for panel in board["panels"].as_array().context("no panels")? {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let text = target["expr"].as_str().context("no expression")?;
                let text = text.replace("$__rate_interval", "5m");
                all.push(Expression { place: format!("{part}.json, {}", panel["title"]), text });
            }
        }
        for variable in board["templating"]["list"].as_array().into_iter().flatten() {
            // label_values(METRIC, LABEL) is Grafana's own.
            let values = variable["query"].as_str().and_then(|query| query.strip_prefix("label_values("));
            let Some((metric, label)) = values.and_then(|it| it.strip_suffix(')')?.split_once(", ")) else {
                continue;
            };
            let text = format!("count by ({label}) ({metric})");
            all.push(Expression { place: format!("{part}.json, {}", variable["name"]), text });
        }
    }
    Ok(all)
}

#[test]
fn every_dashboard_is_one_by_grafana_s_own_types() -> Result<()> {
    run("grafana-dashboard", &PARTS.map(file), "").map(drop)
}

#[test]
fn every_panel_has_a_place_and_asks_what_prometheus_understands() -> Result<()> {
    ensure!(!read(&expressions()?)?.is_empty());
    for part in PARTS {
        let board: Value = serde_json::from_str(&fs::read_to_string(file(part))?)?;
        let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
        for panel in board["panels"].as_array().context("no panels")? {
            ensure!(ids.insert(panel["id"].as_u64()), "{part}: two panels are {}", panel["id"]);
            let place = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap_or(99));
            let [x, y, width, height] = place;
            ensure!(x + width <= 24, "{part}: {} does not fit", panel["title"]);
            for place in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
                ensure!(places.insert(place), "{part}: {} lies over another", panel["title"]);
            }
            ensure!(panel["description"].is_string(), "{part}: {} says nothing", panel["title"]);
        }
    }
    Ok(())
}
