//! `sallyport pause`: the way out when admission is stuck.
//!
//! The webhook configurations are removed, so that the API server asks nobody, and the controllers are told on their Lease
//! not to bring them back until a time. It works with every replica down.

use anyhow::Context as _;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{FIELD_MANAGER, NAME};
use crate::plain::visible_within;

/// On the Lease: until when nothing is registered, in RFC 3339.
const PAUSED_UNTIL: &str = "sallyport.dev/paused-until";
/// And why, as whoever paused it wrote.
const BECAUSE: &str = "sallyport.dev/paused-because";

/// Until when nothing is to be registered, in Unix seconds, and why, as the Lease says.
pub(super) fn of(lease: &ObjectMeta) -> Option<(i64, String)> {
    let annotations = lease.annotations.as_ref()?;
    let until = annotations.get(PAUSED_UNTIL)?;
    match OffsetDateTime::parse(until, &Rfc3339) {
        Ok(until) => Some((until.unix_timestamp(), annotations.get(BECAUSE).cloned().unwrap_or_default())),
        Err(_) => {
            let until = visible_within(until, 100);
            tracing::error!(%until, "the Lease's annotation {PAUSED_UNTIL} is no time in RFC 3339, such as \
                2026-01-31T04:00:00Z: nothing is paused");
            None
        }
    }
}

/// Until when, and why, for people.
pub(super) fn told(until: i64, why: &str) -> String {
    let until = OffsetDateTime::from_unix_timestamp(until).ok().and_then(|until| until.format(&Rfc3339).ok());
    let until = until.unwrap_or_default();
    match why {
        "" => format!("until {until}"),
        why => format!("until {until}: {}", visible_within(why, 500)),
    }
}

/// Has nothing registered until `until`, in Unix seconds; returns that time in RFC 3339.
///
/// # Errors
/// The API server refuses.
pub(crate) async fn pause(client: &Client, namespace: &str, until: i64, why: &str) -> anyhow::Result<String> {
    let until = OffsetDateTime::from_unix_timestamp(until)?.format(&Rfc3339)?;
    let noted = annotate(client, namespace, &json!({ PAUSED_UNTIL: until, BECAUSE: why })).await;
    // Whatever became of that: this is the way out. After it, since a leader would else bring them back.
    unregister(client).await?;
    noted.context("nothing is registered any more, but a replica that runs will register again")?;
    Ok(until)
}

/// Removes both webhook configurations.
///
/// # Errors
/// The API server refuses for one; it was tried for the other all the same.
pub(super) async fn unregister(client: &Client) -> anyhow::Result<()> {
    let mutating: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let validating: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let removed = [
        gone(mutating.delete(NAME, &DeleteParams::default()).await.map(drop)),
        gone(validating.delete(NAME, &DeleteParams::default()).await.map(drop)),
    ];
    removed.into_iter().collect()
}

/// Ends a pause: the controllers register again.
///
/// # Errors
/// The API server refuses.
pub(crate) async fn resume(client: &Client, namespace: &str) -> anyhow::Result<()> {
    annotate(client, namespace, &json!({ PAUSED_UNTIL: null, BECAUSE: null })).await
}

async fn annotate(client: &Client, namespace: &str, annotations: &serde_json::Value) -> anyhow::Result<()> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let patch = json!({ "metadata": { "annotations": annotations } });
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let patched = leases.patch(NAME, &params, &Patch::Merge(&patch)).await;
    patched.map(drop).with_context(|| {
        format!(
            "the Lease {namespace}/{NAME} can't be written: is this the namespace that Sallyport runs in?"
        )
    })
}

fn gone(deleted: kube::Result<()>) -> anyhow::Result<()> {
    match deleted {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.context("a webhook configuration can't be removed"),
    }
}
