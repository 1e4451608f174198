//! Label selectors (`metav1.LabelSelector`), as the API server evaluates them.

use serde_json::Value;

/// Whether a selector selects what has these labels. One that asks nothing selects everything.
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    let has_all = entries(&selector["matchLabels"]).all(|(key, value)| labels[key] == *value);
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    has_all && expressions.into_iter().all(|expression| holds(expression, labels))
}

/// Whether what has these labels is selected by a map of labels, as a Service has. An empty map selects nothing.
pub(crate) fn chooses(map: &Value, labels: &Value) -> bool {
    entries(map).next().is_some() && entries(map).all(|(key, value)| labels[key] == *value)
}

fn holds(expression: &Value, labels: &Value) -> bool {
    let label = expression["key"].as_str().map_or(&Value::Null, |key| &labels[key]);
    let listed = expression["values"].as_array().is_some_and(|values| values.contains(label));
    match expression["operator"].as_str() {
        Some("In") => listed,
        Some("NotIn") => !listed,
        Some("Exists") => !label.is_null(),
        Some("DoesNotExist") => label.is_null(),
        other => panic!("no operator of selectors: {other:?}"),
    }
}

fn entries(map: &Value) -> impl Iterator<Item = (&String, &Value)> {
    map.as_object().into_iter().flatten()
}
