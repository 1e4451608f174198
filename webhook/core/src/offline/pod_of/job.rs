//! What the Job controller makes of a template (pkg/controller/job, manageJob), after the labels that the API
//! server gives it (pkg/registry/batch/job, generateSelector).

use serde_json::{Value, json};

use super::{Controller, Draft};
use crate::object::{ContainerList, Fields, get, get_str, list_entry, named_element};

/// Stands in for the minutes since 1970 in the name of a CronJob's Job.
pub(super) const MINUTES: &str = "00000000";

const TRACKING: &str = "batch.kubernetes.io/job-tracking";
const COMPLETION_INDEX: &str = "batch.kubernetes.io/job-completion-index";
const FAILURES_OF_INDEX: &str = "batch.kubernetes.io/job-index-failure-count";
const INDEX_VARIABLE: &str = "JOB_COMPLETION_INDEX";

/// Gives the pod its Job's labels and, where the Job is indexed, the first index.
pub(super) fn complete(pod: &mut Draft, spec: &Fields, job: &Controller) {
    if get(spec, &["manualSelector"]) != Some(&Value::Bool(true)) {
        label(pod, job);
    }
    if let Some(finalizers) = list_entry(&mut pod.metadata, "finalizers")
        && !finalizers.iter().any(|finalizer| finalizer == TRACKING)
    {
        finalizers.push(TRACKING.into());
    }
    if get_str(spec, &["completionMode"]) == Some("Indexed") {
        index(pod, &job.name);
        if get(spec, &["backoffLimitPerIndex"]).is_some() {
            pod.set_annotation(FAILURES_OF_INDEX, "0");
        }
    }
}

fn label(pod: &mut Draft, job: &Controller) {
    let labels = [("job-name", Some(&job.name)), ("controller-uid", job.uid.as_ref())];
    for (key, value) in labels.into_iter().filter_map(|(key, value)| Some((key, value?))) {
        for key in [key.to_owned(), format!("batch.kubernetes.io/{key}")] {
            if get(&pod.metadata, &["labels", &key]).is_none() {
                pod.set_label(&key, value.as_str());
            }
        }
    }
}

fn index(pod: &mut Draft, job: &str) {
    pod.set_label(COMPLETION_INDEX, "0");
    pod.set_annotation(COMPLETION_INDEX, "0");
    pod.spec.insert("hostname".to_owned(), format!("{job}-0").into());
    pod.metadata.insert("generateName".to_owned(), format!("{job}-0-").into());
    for list in [ContainerList::Init, ContainerList::Containers] {
        let containers = pod.spec.get_mut(list.field()).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
            if let Some(env) = list_entry(container, "env")
                && named_element(env, INDEX_VARIABLE).is_none()
            {
                let field = json!({"fieldPath": format!("metadata.labels['{COMPLETION_INDEX}']")});
                env.push(json!({"name": INDEX_VARIABLE, "valueFrom": {"fieldRef": field}}));
            }
        }
    }
}
