//! The registration: having both webhook configurations stand in the cluster as they should.

mod configuration;

use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ApiResource, DynamicObject, ListParams, PostParams};
use kube::runtime::events::{Event, EventType};
use kube::{Api, Resource as _};
use sallyport_admission::registration::Served;
use serde_json::Value;
use tokio::time::Instant;

pub(crate) use configuration::Target;
use configuration::{Terms, configurations, is_as};

use super::NAME;
use super::discovery::discover;
use super::lead::{Leader, Memory, Trust};
use super::metrics::Written;

/// How long what the API server serves is taken to stay the same.
const DISCOVERED_FOR: Duration = Duration::from_secs(60);

impl Leader {
    /// Has the API server ask about what the policies in force are about.
    pub(super) async fn register(&self, bundle: Option<&str>, memory: &mut Memory) -> anyhow::Result<()> {
        let served = self.served(memory).await?;
        let annotations = match &self.trust {
            Trust::CertManager(certificate) => {
                vec![("cert-manager.io/inject-ca-from".to_owned(), certificate.clone())]
            }
            Trust::Kept(_) | Trust::File(_) => Vec::new(),
        };
        let terms = Terms {
            target: self.target.clone(),
            bundle: bundle.map(|bundle| BASE64.encode(bundle)),
            spared: self.spared.clone(),
            account: self.account.clone(),
            timeout_seconds: self.timeout_seconds,
            owner: self.owner().await?,
            annotations,
        };
        let mut kept = Ok(());
        for desired in configurations(&self.policies.current().set, &served, &terms) {
            // What is wrong with one keeps the other from nothing.
            kept = kept.and(self.keep(&desired, &mut memory.written).await);
        }
        kept?;
        // A pause that has begun meanwhile is found by the pass that follows: the Lease's annotation changed.
        Ok(())
    }

    /// Has a configuration stand in the cluster as it should.
    async fn keep(&self, desired: &Value, written: &mut Written) -> anyhow::Result<()> {
        let kind = desired["kind"].as_str().unwrap_or_default();
        let (resource, plural) = match kind {
            "MutatingWebhookConfiguration" => (kind, "mutatingwebhookconfigurations"),
            _ => (kind, "validatingwebhookconfigurations"),
        };
        let resource = ApiResource {
            group: "admissionregistration.k8s.io".to_owned(),
            version: "v1".to_owned(),
            api_version: "admissionregistration.k8s.io/v1".to_owned(),
            kind: resource.to_owned(),
            plural: plural.to_owned(),
        };
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        let live = api.get_opt(NAME).await.with_context(|| format!("{plural} can't be read"))?;
        let noted = desired.clone();
        let mut desired = desired.clone();
        let Some(live) = live else {
            if !self.is_reachable().await? {
                anyhow::bail!("no replica is ready yet behind the Service: nothing is registered before");
            }
            let desired: DynamicObject = serde_json::from_value(desired)?;
            api.create(&PostParams::default(), &desired)
                .await
                .with_context(|| format!("{kind} can't be made"))?;
            tracing::info!(kind, "registered");
            if written.again(kind, &noted) {
                self.metrics.restored(kind);
            }
            return Ok(());
        };
        let mut live = serde_json::to_value(&live)?;
        if matches!(self.trust, Trust::CertManager(_)) {
            keep_bundles(&live, &mut desired);
        }
        if is_as(&live, &desired) {
            written.again(kind, &noted);
            return Ok(());
        }
        live["webhooks"] = desired["webhooks"].take();
        for part in ["labels", "annotations"] {
            if let Some(wanted) = desired["metadata"][part].as_object() {
                for (key, value) in wanted {
                    live["metadata"][part][key] = value.clone();
                }
            }
        }
        if let Some(owners) = desired["metadata"].get("ownerReferences") {
            live["metadata"]["ownerReferences"] = owners.clone();
        }
        let changed: DynamicObject = serde_json::from_value(live)?;
        // With the version that was read: what somebody writes meanwhile is looked at again.
        api.replace(NAME, &PostParams::default(), &changed)
            .await
            .with_context(|| format!("{kind} can't be changed"))?;
        let restored = written.again(kind, &noted);
        if restored {
            self.metrics.restored(kind);
            tracing::warn!(kind, "somebody had changed the registration: it is as it should be again");
        } else {
            tracing::info!(kind, "the registration was changed");
        }
        let happening = Event {
            type_: EventType::Normal,
            reason: "Changed".to_owned(),
            note: Some(
                match restored {
                    true => "somebody had changed it: it is as the policies in force ask for again",
                    false => "it is as the policies in force ask for now",
                }
                .to_owned(),
            ),
            action: "Register".to_owned(),
            secondary: None,
        };
        let about = ObjectReference {
            api_version: Some(resource.api_version),
            kind: Some(resource.kind),
            name: Some(NAME.to_owned()),
            uid: changed.metadata.uid,
            ..ObjectReference::default()
        };
        // One that is lost changes nothing.
        let _ = self.recorder.publish(&happening, &about).await;
        Ok(())
    }

    /// Whether a call would find somebody: a first registration would otherwise refuse what it should decide.
    async fn is_reachable(&self) -> anyhow::Result<bool> {
        let Target::Service { namespace, name, .. } = &self.target else { return Ok(true) };
        let slices: Api<EndpointSlice> = Api::namespaced(self.client.clone(), namespace);
        let of_service = ListParams::default().labels(&format!("kubernetes.io/service-name={name}"));
        let slices = slices.list(&of_service).await.context("EndpointSlices can't be read")?;
        let mut endpoints = slices.items.iter().flat_map(|slice| slice.endpoints.iter().flatten());
        Ok(endpoints.any(|endpoint| {
            endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true)
        }))
    }

    async fn owner(&self) -> anyhow::Result<Option<OwnerReference>> {
        let Some(name) = &self.owner else { return Ok(None) };
        let role = Api::<ClusterRole>::all(self.client.clone())
            .get(name)
            .await
            .with_context(|| format!("ClusterRole {name}, the owner of the registration, can't be read"))?;
        Ok(Some(OwnerReference {
            api_version: ClusterRole::api_version(&()).into_owned(),
            kind: ClusterRole::kind(&()).into_owned(),
            name: name.clone(),
            uid: role.metadata.uid.context("a ClusterRole without a uid")?,
            ..OwnerReference::default()
        }))
    }

    /// What the API server serves, asked now and then.
    pub(super) async fn served(&self, memory: &mut Memory) -> anyhow::Result<Vec<Served>> {
        if let Some((since, served)) = &memory.served
            && since.elapsed() < DISCOVERED_FOR
        {
            return Ok(served.clone());
        }
        let served = discover(&self.client, &mut memory.known)
            .await
            .context("what the API server serves can't be read")?;
        memory.served = Some((Instant::now(), served.clone()));
        Ok(served)
    }
}

/// The bundle that somebody else filled in stays.
fn keep_bundles(live: &Value, desired: &mut Value) {
    let known = live["webhooks"].as_array().into_iter().flatten();
    // All have one authority: an entry that is new need not wait for its own.
    let Some(bundle) = known.filter_map(|known| known["clientConfig"].get("caBundle")).next() else { return };
    for webhook in desired["webhooks"].as_array_mut().into_iter().flatten() {
        webhook["clientConfig"]["caBundle"] = bundle.clone();
    }
}
