//! Metrics as Prometheus reads them.

use std::iter::Sum;
use std::str::FromStr;

/// The values of all series of this name that have all these labels, as they are written (`path="/mutate"`), added up.
#[must_use]
pub fn sum<T: FromStr + Sum>(page: &str, name: &str, labels: &[&str]) -> T {
    let series = page.lines().filter_map(|line| line.rsplit_once(' ')).filter(|(series, _)| {
        let (found, its_labels) = series.split_once('{').unwrap_or((series, ""));
        found == name && labels.iter().all(|label| its_labels.contains(label))
    });
    series.filter_map(|(_, value)| value.parse::<T>().ok()).sum()
}
