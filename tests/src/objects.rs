//! Objects as untyped JSON, sent to an API server.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;
use kube::api::{
    ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams, Request, Resource, TypeMeta,
};
use kube::discovery::{self, Scope};
use kube::error::DiscoveryError;
use kube::{Client, Error};
use serde_json::Value;
use tokio::sync::Mutex;

/// Sends objects of any kind; what it does not know of them survives both ways.
///
/// Clones share the connection and what was learned of the kinds.
#[derive(Clone)]
pub struct Objects {
    client: Client,
    kinds: Arc<Mutex<HashMap<GroupVersionKind, (ApiResource, Scope)>>>,
}

impl Objects {
    /// Sends with this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, kinds: Arc::default() }
    }

    /// Creates the object and returns it as stored.
    ///
    /// # Errors
    /// The API server's answer when it refuses; [`Error::Discovery`] for a kind that it does not serve.
    pub async fn create(&self, object: &Value) -> Result<Value, Error> {
        self.post(object, false).await
    }

    /// What [`create`](Self::create) would return, with `dryRun=All`: everything but the storing.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    pub async fn dry_run_create(&self, object: &Value) -> Result<Value, Error> {
        self.post(object, true).await
    }

    /// Applies the object on the server's side, taking over fields that others own.
    ///
    /// # Errors
    /// As for [`create`](Self::create); an object without a name is refused.
    pub async fn apply(&self, object: &Value) -> Result<Value, Error> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let how = PatchParams::apply("sallyport-tests").force();
        let request =
            self.path(object).await?.patch(name, &how, &Patch::Apply(object)).map_err(Error::BuildRequest)?;
        self.client.request(request).await
    }

    /// Applies each document of a YAML text, in order.
    ///
    /// # Errors
    /// When the text is no YAML or an object is refused; the message names the object.
    pub async fn apply_yaml(&self, text: &str) -> anyhow::Result<Vec<Value>> {
        let mut applied = Vec::new();
        for object in serde_saphyr::from_multiple::<Value>(text)? {
            let (kind, name) = (&object["kind"], &object["metadata"]["name"]);
            applied.push(self.apply(&object).await.with_context(|| format!("cannot apply {kind} {name}"))?);
        }
        Ok(applied)
    }

    async fn post(&self, object: &Value, dry_run: bool) -> Result<Value, Error> {
        let how = PostParams { dry_run, field_manager: None };
        let body = serde_json::to_vec(object).map_err(Error::SerdeError)?;
        let request = self.path(object).await?.create(&how, body).map_err(Error::BuildRequest)?;
        self.client.request(request).await
    }

    /// Requests to where objects of this kind and namespace live; the namespace `default` if none is named.
    async fn path(&self, object: &Value) -> Result<Request, Error> {
        let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
        let types = TypeMeta { api_version: text("apiVersion"), kind: text("kind") };
        let (resource, scope) = self.kind(&types).await?;
        let namespace = match scope {
            Scope::Cluster => None,
            Scope::Namespaced => Some(object["metadata"]["namespace"].as_str().unwrap_or("default")),
        };
        Ok(Request::new(DynamicObject::url_path(&resource, namespace)))
    }

    async fn kind(&self, types: &TypeMeta) -> Result<(ApiResource, Scope), Error> {
        let kind = GroupVersionKind::try_from(types)
            .map_err(|_| Error::Discovery(DiscoveryError::InvalidGroupVersion(types.api_version.clone())))?;
        if let Some(known) = self.kinds.lock().await.get(&kind) {
            return Ok(known.clone());
        }
        let (resource, capabilities) = discovery::pinned_kind(&self.client, &kind).await?;
        let found = (resource, capabilities.scope);
        self.kinds.lock().await.insert(kind, found.clone());
        Ok(found)
    }
}
