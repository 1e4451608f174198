//! Gives a mesh's proxy the keys of Secrets that a TrafficPolicy checks tokens with, as environment variables: so they
//! stand in no configuration.
//!
//! The proxy may be injected after us: then the API server calls again, and it is there.

use serde_json::{Value, json};

use super::log::Log;
use super::transformation::{Subject, Terms, Transformation};
use crate::object::{Fields, get, get_list, get_str, list_entry, name_of};
use crate::traffic::{SecretKey, TrafficSelector};
use crate::validate::{ISTIO_PROXY, awaits_injection, is_mesh_s_own};

/// The keys of one TrafficPolicy.
#[derive(Debug)]
pub(crate) struct ProxyKeys(TrafficSelector);

impl ProxyKeys {
    pub(crate) fn of(policy: &TrafficSelector) -> Self {
        Self(policy.clone())
    }
}

impl Transformation for ProxyKeys {
    fn apply(&self, _: &Terms, subject: &mut Subject<'_>, log: &mut Log) {
        let Self(policy) = self;
        let images = subject.mesh_images;
        let Some(mut pod) = subject.whole_pod(log) else { return };
        let selects = pod.read().is_some_and(|pod| policy.selects(&policy.namespace, |key| pod.label(key)));
        if !selects {
            return;
        }
        pod.for_each_named(ISTIO_PROXY, |container| {
            if awaits_injection(container.path.list, container.fields) {
                return;
            }
            if !is_mesh_s_own(container.path.list, container.fields, images) {
                let reason = "is given no key: it is not what the mesh's injector adds, by its image or by what it runs";
                return log.skip(&container.path, reason);
            }
            for key in &policy.keys {
                let path = format!("{}.env[{}]", container.path, key.variable);
                let own = get_list(container.fields, &["env"]);
                let mut own = own.iter().filter(|variable| name_of(variable) == key.variable).peekable();
                if own.peek().is_none() {
                    let Some(list) = list_entry(container.fields, "env") else { return };
                    let variable = variable(key);
                    list.push(variable.clone());
                    log.change(path, None, Some(variable));
                } else if !own.all(|variable| variable.as_object().is_some_and(|own| is_from(own, key))) {
                    let SecretKey { secret, key, .. } = key;
                    log.skip(path, format!("is left as it is, which is not key {key} of Secret {secret}"));
                }
            }
        });
    }

    fn sets(&self) -> Vec<(String, Value)> {
        // No policy sets anything of a proxy's otherwise.
        Vec::new()
    }
}

/// Without the Secret the container does not start, and its status names what is missing.
fn variable(SecretKey { variable, secret, key }: &SecretKey) -> Value {
    json!({
        "name": variable,
        "valueFrom": { "secretKeyRef": { "name": secret, "key": key, "optional": false } },
    })
}

/// Whether a variable holds this key of the Secret.
fn is_from(variable: &Fields, SecretKey { secret, key, .. }: &SecretKey) -> bool {
    let reference = |field| get_str(variable, &["valueFrom", "secretKeyRef", field]);
    get(variable, &["value"]).is_none() && reference("name") == Some(secret) && reference("key") == Some(key)
}
