//! Selects a pod's like: by a selector that the policy gives, or by the pod's own values of some labels.

use sallyport_policy::{Diagnostics, FieldPath, LabelSelector, check_label_key};
use serde_json::{Value, json};

use crate::object::{Fields, Pod};

/// How a pod's like is found.
#[derive(Debug)]
pub(crate) enum Like {
    /// By the pod's own values of these labels.
    LabelsFromPod(Vec<String>),
    /// By this metav1.LabelSelector.
    Selector(Value),
}

impl Like {
    pub(crate) fn compile(
        labels: Option<&Vec<String>>,
        selector: Option<&LabelSelector>,
        path: &FieldPath,
        found: &mut Diagnostics,
    ) -> Self {
        if labels.is_some() == selector.is_some() {
            let given = if labels.is_some() { "both" } else { "neither" };
            found.error(
                path.clone(),
                format!("found {given}; expected exactly one of labelsFromPod and labelSelector"),
            );
        }
        if let Some(selector) = selector {
            let at = path.field("labelSelector");
            selector.compile(&at, found);
            return Self::Selector(json!(selector));
        }
        let labels = labels.cloned().unwrap_or_default();
        for (i, key) in labels.iter().enumerate() {
            if let Err(wrong) = check_label_key(key) {
                found.error(path.field("labelsFromPod").index(i), wrong.to_string());
            }
        }
        Self::LabelsFromPod(labels)
    }

    /// The selector for this pod, or the label that it lacks.
    pub(crate) fn selector(&self, pod: Pod<'_>) -> Result<Value, String> {
        match self {
            Self::Selector(selector) => Ok(selector.clone()),
            Self::LabelsFromPod(keys) => {
                let mut labels = Fields::new();
                for key in keys {
                    let value = pod.label(key).ok_or_else(|| format!("the pod has no label {key}"))?;
                    labels.insert(key.clone(), value.into());
                }
                Ok(json!({"matchLabels": labels}))
            }
        }
    }
}
