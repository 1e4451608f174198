//! Rules, their tests and dashboards name what there is: metrics, labels and values that the program and the filter have
//! while they run.

use anyhow::{Result, ensure};

use crate::promql::{self, Matcher, Refers, Selector};
use crate::rules::Rule;
use crate::series::Series;
use crate::{dashboards, rules, running};

/// Whoever scrapes gives these to all series.
const OF_TARGETS: [&str; 4] = ["namespace", "job", "instance", "pod"];
/// Whoever writes policies, or releases the program, chooses their values.
const CHOSEN: [&str; 5] = ["policy", "provider", "rule", "limit", "version"];

#[tokio::test]
async fn every_metric_label_and_value_that_is_asked_for_is_one_that_there_is() -> Result<()> {
    let mut series = Series::default();
    // Prometheus' own.
    series.add("up 1")?;
    running::on_one_machine(&mut series).await?;
    running::in_a_cluster(&mut series).await?;
    running::in_envoy(&mut series).await?;

    let mut wrong = Vec::new();
    let (ruling, does) = rules::expressions()?;
    for ((rule, does), refers) in ruling.iter().zip(does).zip(promql::read(&ruling)?) {
        match does {
            Rule::Records(name) => {
                ensure!(!series.has(&name), "{name} is recorded, and there already");
                series.record(&name, &refers.labels);
            }
            Rule::Tells(labels) => {
                // What is grouped has no other labels left.
                let is_left = |label: &String| refers.labels.is_empty() || refers.labels.contains(label);
                let lost: Vec<&String> = labels.iter().filter(|label| !is_left(label)).collect();
                if !lost.is_empty() {
                    wrong.push(format!("{}: {lost:?} are shown, and not there", rule.place));
                }
            }
        }
    }
    for expressions in [ruling, rules::inputs()?, dashboards::expressions()?] {
        for (expression, refers) in expressions.iter().zip(promql::read(&expressions)?) {
            if let Err(error) = check(&refers, &series) {
                wrong.push(format!("{}: {error}\n    {}", expression.place, expression.text));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// That there is what an expression refers to.
fn check(refers: &Refers, series: &Series) -> Result<()> {
    for Selector { name, others } in &refers.selectors {
        for matcher in others.iter().filter(|it| !OF_TARGETS.contains(&it.label.as_str())) {
            let mut values = Vec::new();
            for (metric, labels) in series.iter() {
                if is_one_of(name, metric)? {
                    values.extend(labels.get(&matcher.label).into_iter().flatten());
                }
            }
            let label = &matcher.label;
            ensure!(!values.is_empty(), "there is no label {label}");
            let parts = if CHOSEN.contains(&label.as_str()) { Vec::new() } else { matcher.parts() };
            for part in parts {
                let mut is_there = false;
                for value in &values {
                    is_there |= matcher.is_true(part, value)?;
                }
                ensure!(is_there, "no {label} is {part}: {values:?}");
            }
        }
    }
    let mut names = Vec::new();
    for selector in &refers.selectors {
        let before = names.len();
        for (metric, labels) in series.iter() {
            if is_one_of(&selector.name, metric)? {
                names.push(labels);
            }
        }
        ensure!(names.len() > before, "there is no metric {:?}", selector.name.parts());
    }
    for label in refers.labels.iter().filter(|label| !OF_TARGETS.contains(&label.as_str())) {
        ensure!(names.iter().any(|labels| labels.contains_key(label)), "nothing has the label {label}");
    }
    Ok(())
}

fn is_one_of(name: &Matcher, metric: &str) -> Result<bool> {
    let mut parts = name.parts().into_iter().map(|part| name.is_true(part, metric));
    parts.try_fold(false, |found, is_true| Ok(found | is_true?))
}
