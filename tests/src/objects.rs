//! Objects as untyped JSON, sent to an API server.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Context;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GetParams, GroupVersionKind, ListParams, Patch, PatchParams,
    PostParams, Request, Resource, TypeMeta,
};
use kube::client::Body;
use kube::core::Status;
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

/// What the API server answers.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The object.
    pub object: Value,
    /// The warnings that come with it, as they stand in the headers (RFC 9111 §5.5 of old: `299 - "text"`).
    pub warnings: Vec<String>,
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

    /// Creates the object with `fieldValidation=Strict`, as kubectl asks: an unknown or repeated field is refused.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    pub async fn create_strictly(&self, object: &Value, dry_run: bool) -> Result<Answer, Error> {
        let how = PostParams { dry_run, field_manager: Some("sallyport-tests".to_owned()) };
        let body = serde_json::to_vec(object).map_err(Error::SerdeError)?;
        let request = self.path(object).await?.create(&how, body).map_err(Error::BuildRequest)?;
        let (mut head, body) = request.into_parts();
        let uri = format!("{}&fieldValidation=Strict", head.uri);
        head.uri = uri.parse().map_err(|error| Error::HttpError(http::Error::from(error)))?;
        self.answer(http::Request::from_parts(head, body)).await
    }

    /// Replaces the object, or its subresource if there is one given, as stored.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    pub async fn replace(&self, object: &Value, subresource: Option<&str>) -> Result<Value, Error> {
        let (path, how) = (self.path(object).await?, PostParams::default());
        let body = serde_json::to_vec(object).map_err(Error::SerdeError)?;
        let request = match subresource {
            Some(subresource) => path.replace_subresource(subresource, name(object), &how, body),
            None => path.replace(name(object), &how, body),
        };
        self.client.request(request.map_err(Error::BuildRequest)?).await
    }

    /// Merges (RFC 7396) the change into the stored object of this kind and name.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    pub async fn merge(&self, object: &Value, change: &Value) -> Result<Value, Error> {
        let path = self.path(object).await?;
        let request = path.patch(name(object), &PatchParams::default(), &Patch::Merge(change));
        self.client.request(request.map_err(Error::BuildRequest)?).await
    }

    /// The stored object of this kind and name.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    pub async fn get(&self, object: &Value) -> Result<Value, Error> {
        let request = self.path(object).await?.get(name(object), &GetParams::default());
        self.client.request(request.map_err(Error::BuildRequest)?).await
    }

    /// All objects of this kind in this namespace.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    pub async fn list(&self, object: &Value) -> Result<Vec<Value>, Error> {
        let request = self.path(object).await?.list(&ListParams::default()).map_err(Error::BuildRequest)?;
        let mut list: Value = self.client.request(request).await?;
        Ok(list["items"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// Deletes the object of this kind and name, at once where nothing holds it. Returns what the API server answers.
    ///
    /// # Errors
    /// As for [`create`](Self::create).
    pub async fn delete(&self, object: &Value) -> Result<Value, Error> {
        let request = self.path(object).await?.delete(name(object), &DeleteParams::default().grace_period(0));
        self.client.request(request.map_err(Error::BuildRequest)?).await
    }

    /// Applies the object on the server's side, taking over fields that others own.
    ///
    /// # Errors
    /// As for [`create`](Self::create); an object without a name is refused.
    pub async fn apply(&self, object: &Value) -> Result<Value, Error> {
        let how = PatchParams::apply("sallyport-tests").force();
        let request = self.path(object).await?.patch(name(object), &how, &Patch::Apply(object));
        let request = request.map_err(Error::BuildRequest)?;
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

    async fn answer(&self, request: http::Request<Vec<u8>>) -> Result<Answer, Error> {
        let response = self.client.send(request.map(Body::from)).await?;
        let (head, body) = response.into_parts();
        let body = body.collect_bytes().await?;
        if !head.status.is_success() {
            let status: Status = serde_json::from_slice(&body).map_err(Error::SerdeError)?;
            return Err(Error::Api(Box::new(status)));
        }
        let warnings = head.headers.get_all("warning").iter();
        Ok(Answer {
            object: serde_json::from_slice(&body).map_err(Error::SerdeError)?,
            warnings: warnings.map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned()).collect(),
        })
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

/// What the object is addressed by. Without a name there is no such path, and the API server says so.
fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}
