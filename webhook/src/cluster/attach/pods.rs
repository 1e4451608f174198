//! The pods that policies are for: how many there are, and how many have a proxy.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use sallyport_attach::mesh::{Policy, Target};
use tokio::time::Instant;

use super::Standing;
use crate::cluster::lead::{Leader, Memory};
use crate::cluster::mirror::Key;

/// What Istio's injector writes on a pod that it gave a proxy.
const INJECTED: &str = "sidecar.istio.io/status";
/// What a pod is labelled with that serves a Gateway: it is a proxy, and is injected nothing.
const GATEWAY: &str = "gateway.networking.k8s.io/gateway-name";
/// For so long they are taken to stay the same.
const COUNTED_FOR: Duration = Duration::from_secs(30);
/// Pods that are asked for at a time.
const PAGE: u32 = 500;

/// The pods of a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cluster) struct Pods {
    /// How many it selects.
    pub(super) selected: usize,
    /// How many of them have a proxy of the mesh.
    pub(super) proxied: usize,
}

/// Pods that were counted, and when.
pub(in crate::cluster) type Counted = BTreeMap<Key, (Instant, Vec<Target>, Pods)>;

impl Leader {
    /// Counts the pods of all policies that are attached.
    pub(super) async fn count(
        &self,
        policies: &[Policy],
        memory: &mut Memory,
        standing: &mut BTreeMap<Key, Standing>,
    ) -> anyhow::Result<()> {
        let mut counted = Counted::new();
        for policy in policies {
            let key = Key::from(&policy.plugin.policy);
            let Some(Standing::Attached { pods, .. }) = standing.get_mut(&key) else { continue };
            let known = memory.counted.remove(&key);
            let known =
                known.filter(|(at, targets, _)| at.elapsed() < COUNTED_FOR && *targets == policy.targets);
            let one = match known {
                Some(known) => known,
                None => (Instant::now(), policy.targets.clone(), self.pods(policy).await?),
            };
            *pods = Some(one.2);
            counted.insert(key, one);
        }
        memory.counted = counted;
        Ok(())
    }

    async fn pods(&self, policy: &Policy) -> anyhow::Result<Pods> {
        let api: Api<Pod> = match policy.mesh_wide {
            true => Api::all(self.client.clone()),
            false => Api::namespaced(self.client.clone(), &policy.plugin.policy.namespace),
        };
        let mut found = Pods::default();
        for target in &policy.targets {
            let labels = target.labels.iter().map(|(key, value)| format!("{key}={value}"));
            let selector = labels.collect::<Vec<_>>().join(",");
            let mut how = ListParams::default().labels(&selector).limit(PAGE);
            loop {
                let page = api.list_metadata(&how).await.context("pods can't be read")?;
                found.selected += page.items.len();
                found.proxied += page.items.iter().filter(|pod| is_proxied(*pod)).count();
                match page.metadata.continue_.filter(|token| !token.is_empty()) {
                    Some(token) => how = how.continue_token(&token),
                    None => break,
                }
            }
        }
        Ok(found)
    }
}

fn is_proxied(pod: &impl ResourceExt) -> bool {
    pod.annotations().contains_key(INJECTED) || pod.labels().contains_key(GATEWAY)
}
