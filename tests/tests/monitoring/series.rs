//! The series that the program and the filter have, as they tell them while they run.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};

/// The values of each label of each metric.
#[derive(Debug, Default)]
pub(crate) struct Series(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

impl Series {
    /// Adds those of a page in Prometheus' text or OpenMetrics.
    pub(crate) fn add(&mut self, page: &str) -> Result<()> {
        for line in page.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (name, mut rest) = line.split_at(line.find(['{', ' ']).with_context(|| line.to_owned())?);
            let labels = self.0.entry(name.to_owned()).or_default();
            while let Some(label) = rest.strip_prefix(['{', ',']).filter(|it| !it.starts_with('}')) {
                let (label, value) = label.split_once("=\"").with_context(|| line.to_owned())?;
                let end = end_of(value).with_context(|| line.to_owned())?;
                labels.entry(label.to_owned()).or_default().insert(value[..end].to_owned());
                rest = &value[end + 1..];
            }
        }
        Ok(())
    }

    /// Adds values that a label may have.
    pub(crate) fn may_be(
        &mut self,
        name: &str,
        label: &str,
        values: impl IntoIterator<Item = &'static str>,
    ) -> Result<()> {
        let known = self.0.get_mut(name).and_then(|labels| labels.get_mut(label));
        let Some(known) = known else { bail!("no {name} has {label}") };
        known.extend(values.into_iter().map(str::to_owned));
        Ok(())
    }

    /// Adds what a rule records, which has these labels of what it is made of.
    pub(crate) fn record(&mut self, name: &str, labels: &[String]) {
        let values = labels.iter().map(|label| {
            let values = self.0.values().filter_map(|labels| labels.get(label)).flatten().cloned();
            (label.clone(), values.collect())
        });
        let values = values.collect();
        self.0.insert(name.to_owned(), values);
    }

    /// Whether a page has told of this metric.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The metrics, with their labels and those labels' values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, BTreeSet<String>>)> {
        self.0.iter().map(|(name, labels)| (name.as_str(), labels))
    }
}

/// Where a quoted value ends: at the first quote without a backslash of its own.
fn end_of(value: &str) -> Option<usize> {
    let mut is_escaped = false;
    value.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })
}
