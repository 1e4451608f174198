//! What expressions of PromQL refer to, as Prometheus' own parser reads them.

use anyhow::{Context as _, Result, ensure};
use regex::Regex;
use serde_json::Value;

use crate::run;

/// An expression, and where it stands.
pub(crate) struct Expression {
    pub(crate) place: String,
    pub(crate) text: String,
}

/// What an expression refers to.
pub(crate) struct Refers {
    /// The series that it selects.
    pub(crate) selectors: Vec<Selector>,
    /// The labels by which it groups and matches.
    pub(crate) labels: Vec<String>,
}

/// What selects series.
pub(crate) struct Selector {
    pub(crate) name: Matcher,
    pub(crate) others: Vec<Matcher>,
}

/// What is said of a label's value.
pub(crate) struct Matcher {
    pub(crate) label: String,
    is_regex: bool,
    value: String,
}

impl Matcher {
    /// What it says, in parts of which each is to be true of some value.
    pub(crate) fn parts(&self) -> Vec<&str> {
        let is_list = self.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-|".contains(&byte));
        if self.is_regex && is_list { self.value.split('|').collect() } else { vec![&self.value] }
    }

    /// Whether a part of it is true of this value.
    pub(crate) fn is_true(&self, part: &str, value: &str) -> Result<bool> {
        Ok(if self.is_regex { Regex::new(&format!("^(?:{part})$"))?.is_match(value) } else { part == value })
    }
}

/// What expressions refer to, in their order.
pub(crate) fn read(expressions: &[Expression]) -> Result<Vec<Refers>> {
    let lines: String = expressions.iter().map(|it| it.text.replace('\n', " ") + "\n").collect();
    let said = run("promql-names", &[], &lines)?;
    let read: Vec<Refers> = said.lines().map(refers).collect::<Result<_>>()?;
    ensure!(read.len() == expressions.len(), "{said}");
    Ok(read)
}

fn refers(line: &str) -> Result<Refers> {
    let said: Value = serde_json::from_str(line)?;
    let text = |value: &Value| value.as_str().map(str::to_owned).with_context(|| line.to_owned());
    let labels = said["labels"].as_array().into_iter().flatten().map(text).collect::<Result<_>>()?;
    let mut selectors = Vec::new();
    for matchers in said["selectors"].as_array().into_iter().flatten() {
        let mut others = Vec::new();
        for matcher in matchers.as_array().into_iter().flatten() {
            let is_regex = text(&matcher["type"])?.ends_with('~');
            others.push(Matcher {
                label: text(&matcher["label"])?,
                is_regex,
                value: text(&matcher["value"])?,
            });
        }
        let name = others.iter().position(|matcher| matcher.label == "__name__").context("no name")?;
        selectors.push(Selector { name: others.remove(name), others });
    }
    Ok(Refers { selectors, labels })
}
