//! The defaults of the kinds that make pods of a template.

use serde_json::{Value, json};

use super::{for_each, is_zero, object, resource_list, set_missing, set_zero, volume};
use crate::PodBearing;
use crate::object::{Fields, get, get_object, get_str, object_entry};

/// Gives a workload the defaults outside of its template.
pub(super) fn apply(kind: PodBearing, workload: &mut Fields) {
    match kind {
        PodBearing::ReplicationController => labels_of_template(workload, true),
        PodBearing::Job => labels_of_template(workload, false),
        PodBearing::CronJob => {
            let job_template =
                object(workload, "spec").and_then(|spec| spec.get_mut("jobTemplate")?.as_object_mut());
            if let Some(job_template) = job_template {
                object_entry(job_template, "metadata");
            }
        }
        _ => {}
    }
    let Some(spec) = object(workload, "spec") else { return };
    match kind {
        PodBearing::Pod | PodBearing::PodTemplate => {}
        PodBearing::ReplicaSet | PodBearing::ReplicationController => set_missing(spec, "replicas", 1),
        PodBearing::Deployment => deployment(spec),
        PodBearing::StatefulSet => stateful_set(spec),
        PodBearing::DaemonSet => daemon_set(spec),
        PodBearing::Job => job(spec),
        PodBearing::CronJob => cron_job(spec),
    }
}

/// A ReplicationController and a Job without labels take their template's; the former, its selector too.
fn labels_of_template(workload: &mut Fields, selects: bool) {
    let labels = get_object(workload, &["spec", "template", "metadata", "labels"]);
    let Some(labels) = labels.filter(|labels| !labels.is_empty()).cloned() else { return };
    if let Some(metadata) = object_entry(workload, "metadata") {
        set_zero(metadata, "labels", labels.clone());
    }
    if selects && let Some(spec) = object(workload, "spec") {
        set_zero(spec, "selector", labels);
    }
}

fn deployment(spec: &mut Fields) {
    set_missing(spec, "replicas", 1);
    set_missing(spec, "revisionHistoryLimit", 10);
    set_missing(spec, "progressDeadlineSeconds", 600);
    rolling_update(spec, "strategy", &json!("25%"), &json!("25%"));
}

fn daemon_set(spec: &mut Fields) {
    set_missing(spec, "revisionHistoryLimit", 10);
    rolling_update(spec, "updateStrategy", &json!(1), &json!(0));
}

fn rolling_update(spec: &mut Fields, name: &str, max_unavailable: &Value, max_surge: &Value) {
    let Some(strategy) = object_entry(spec, name) else { return };
    set_zero(strategy, "type", "RollingUpdate");
    if get_str(strategy, &["type"]) == Some("RollingUpdate")
        && let Some(rolling) = object_entry(strategy, "rollingUpdate")
    {
        set_missing(rolling, "maxUnavailable", max_unavailable.clone());
        set_missing(rolling, "maxSurge", max_surge.clone());
    }
}

fn stateful_set(spec: &mut Fields) {
    set_missing(spec, "replicas", 1);
    set_missing(spec, "revisionHistoryLimit", 10);
    set_zero(spec, "podManagementPolicy", "OrderedReady");
    if let Some(strategy) = object_entry(spec, "updateStrategy") {
        if is_zero(strategy.get("type")) {
            strategy.insert("type".to_owned(), "RollingUpdate".into());
            object_entry(strategy, "rollingUpdate");
        }
        if get_str(strategy, &["type"]) == Some("RollingUpdate")
            && let Some(rolling) = object(strategy, "rollingUpdate")
        {
            set_missing(rolling, "partition", 0);
            // And no maxUnavailable: MaxUnavailableStatefulSet is off.
        }
    }
    // Neither optional nor a pointer: the conversion to JSON writes the empty one.
    set_missing(spec, "serviceName", "");
    if let Some(retention) = object_entry(spec, "persistentVolumeClaimRetentionPolicy") {
        set_zero(retention, "whenDeleted", "Retain");
        set_zero(retention, "whenScaled", "Retain");
    }
    for_each(spec, "volumeClaimTemplates", |claim| {
        claim.insert("apiVersion".to_owned(), "v1".into());
        claim.insert("kind".to_owned(), "PersistentVolumeClaim".into());
        object_entry(claim, "metadata");
        if let Some(claim_spec) = object_entry(claim, "spec") {
            volume::claim_spec(claim_spec);
        }
        if let Some(status) = object_entry(claim, "status") {
            set_zero(status, "phase", "Pending");
            resource_list::apply(status, "capacity");
            resource_list::apply(status, "allocatedResources");
        }
    });
}

fn job(spec: &mut Fields) {
    if get(spec, &["completions"]).is_none() && get(spec, &["parallelism"]).is_none() {
        set_missing(spec, "completions", 1);
    }
    set_missing(spec, "parallelism", 1);
    let retried_by_index = get(spec, &["backoffLimitPerIndex"]).is_some();
    set_missing(spec, "backoffLimit", if retried_by_index { i32::MAX } else { 6 });
    set_missing(spec, "completionMode", "NonIndexed");
    set_missing(spec, "suspend", false);
    set_missing(spec, "manualSelector", false);
    let fails_by_policy = get(spec, &["podFailurePolicy"]).is_some();
    set_missing(spec, "podReplacementPolicy", if fails_by_policy { "Failed" } else { "TerminatingOrFailed" });
    pod_failure_policy(spec);
}

fn cron_job(spec: &mut Fields) {
    set_zero(spec, "concurrencyPolicy", "Allow");
    set_missing(spec, "suspend", false);
    set_missing(spec, "successfulJobsHistoryLimit", 3);
    set_missing(spec, "failedJobsHistoryLimit", 1);
    let job = object(spec, "jobTemplate").and_then(|template| object(template, "spec"));
    // Its other defaults come when the Job is created.
    if let Some(job) = job {
        pod_failure_policy(job);
    }
}

fn pod_failure_policy(job: &mut Fields) {
    if let Some(policy) = object(job, "podFailurePolicy") {
        for_each(policy, "rules", |rule| {
            for_each(rule, "onPodConditions", |condition| set_zero(condition, "status", "True"));
        });
    }
}
