//! Fills in `spec.automountServiceAccountToken`.
//!
//! The API server's ServiceAccount admission runs before webhooks and has mounted the token by then: turning it off
//! also takes the volume `kube-api-access-*` and its mounts away again.

use std::collections::HashSet;

use serde_json::Value;

use super::log::Log;
use super::transformation::{Subject, Terms, Transformation};
use crate::object::{CONTAINER_LISTS, Fields, element, get, get_list, is_mesh_container, name_of};
use crate::resources::Strategy;

/// Whether the token is mounted.
#[derive(Debug)]
pub(crate) struct TokenAutomount(pub(crate) bool);

const VOLUME_PREFIX: &str = "kube-api-access-";

impl Transformation for TokenAutomount {
    fn apply(&self, terms: &Terms, subject: &mut Subject<'_>, log: &mut Log) {
        let Some(mut pod) = subject.whole_pod(log) else { return };
        let Some(spec) = pod.spec() else { return };
        const FIELD: &str = "automountServiceAccountToken";
        let set = get(spec, &[FIELD]).and_then(Value::as_bool);
        if set == Some(self.0) || (set.is_some() && terms.strategy == Strategy::Default) {
            return;
        }
        log.set(spec, &[FIELD], &Value::Bool(self.0), "spec");
        if !self.0 {
            remove_token_volumes(spec, log);
        }
    }

    fn sets(&self) -> Vec<(String, Value)> {
        vec![("pod.automountServiceAccountToken".to_owned(), self.0.into())]
    }
}

/// Removes the token volumes and their mounts, but not those that a mesh's container mounts.
fn remove_token_volumes(spec: &mut Fields, log: &mut Log) {
    let tokens: HashSet<String> = get_list(spec, &["volumes"])
        .iter()
        .filter(|v| is_added_by_admission(v))
        .map(|v| name_of(v).to_owned())
        .collect();
    if tokens.is_empty() {
        return;
    }
    let mut kept = HashSet::new();
    for list in CONTAINER_LISTS {
        let Some(containers) = spec.get_mut(list.field()).and_then(Value::as_array_mut) else { continue };
        for container in containers {
            let name = name_of(container).to_owned();
            let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) else {
                continue;
            };
            if is_mesh_container(&name) {
                kept.extend(mounts.iter().map(|mount| name_of(mount).to_owned()));
                continue;
            }
            mounts.retain(|mount| {
                let goes = tokens.contains(name_of(mount));
                if goes {
                    let called = element::name("volumeMounts", mount).unwrap_or_default();
                    let path = format!("spec.{}[{name}].volumeMounts[{called}]", list.field());
                    log.change(path, Some(mount.clone()), None);
                }
                !goes
            });
        }
    }
    if let Some(volumes) = spec.get_mut("volumes").and_then(Value::as_array_mut) {
        volumes.retain(|volume| {
            let name = name_of(volume);
            let goes = tokens.contains(name) && !kept.contains(name);
            if goes {
                log.change(format_args!("spec.volumes[{name}]"), Some(volume.clone()), None);
            }
            !goes
        });
    }
}

/// Whether a volume is the one that ServiceAccount admission adds (plugin/pkg/admission/serviceaccount): its name, and
/// a token for the API server. A token for another audience is the author's.
fn is_added_by_admission(volume: &Value) -> bool {
    let sources = volume.pointer("/projected/sources").and_then(Value::as_array);
    name_of(volume).starts_with(VOLUME_PREFIX)
        && sources.into_iter().flatten().filter_map(|source| source.get("serviceAccountToken")).any(|token| {
            token.get("audience").is_none() && token.get("path").and_then(Value::as_str) == Some("token")
        })
}
