//! The way of a request through a mesh.

use anyhow::{Context as _, Result};
use http::{Request, StatusCode};
use sallyport_tests::control_plane::ControlPlane;
use sallyport_tests::eventually::eventually;
use sallyport_tests::mesh::{Mesh, Proxy, routes};
use sallyport_tests::proxy::{Upstream, send};
use serde_json::{Value, json};

use crate::pod;

/// A gateway before a sidecar before an application.
pub(crate) struct Way {
    pub(crate) cluster: ControlPlane,
    pub(crate) mesh: Mesh,
    pub(crate) gateway: Proxy,
    pub(crate) sidecar: Proxy,
    pub(crate) namespace: String,
    _application: Upstream,
}

impl Way {
    pub(crate) async fn start() -> Result<Self> {
        let cluster = ControlPlane::start().await?;
        let mesh = Mesh::start(&cluster).await?;
        let objects = cluster.objects();
        let namespace = cluster.namespace(&[]).await?;
        let [mut edge, web] = ["edge", "web"].map(|name| {
            let mut pod = pod(&namespace, name);
            // As the injector writes it.
            pod["metadata"]["annotations"] = json!({ "sidecar.istio.io/status": "{}" });
            pod
        });
        edge["metadata"]["labels"]["gateway.networking.k8s.io/gateway-name"] = "edge".into();
        let edge = objects.create(&edge).await?;
        let web = objects.create(&web).await?;
        let application = Upstream::echo().await?;
        let gateway = Proxy::gateway(&cluster, &mesh, &edge).await?;
        let sidecar = Proxy::sidecar(&cluster, &mesh, &web, application.address()).await?;
        for resource in routes::through(&gateway, &sidecar) {
            objects.apply(&resource).await?;
        }
        Ok(Self { cluster, mesh, gateway, sidecar, namespace, _application: application })
    }

    /// What the application says it got, once it gets it.
    pub(crate) async fn told(&self) -> Result<Value> {
        let told = eventually("a request reaches the application", async || {
            let request = Request::get("/hello").body("").ok()?;
            let answer = send(self.gateway.address(), request).await.ok()?;
            (answer.status() == StatusCode::OK).then_some(answer)
        });
        let told =
            told.await.with_context(|| format!("{}\n{}", self.gateway.output(), self.sidecar.output()))?;
        Ok(serde_json::from_slice(told.body())?)
    }
}
