//! istiod's injector, which puts the proxy beside a pod's own containers.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use super::Mesh;
use crate::control_plane::ControlPlane;
use crate::eventually::eventually;
use crate::{programs, registration};

/// Whether a webhook is called again for what those after it have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reinvocation {
    /// As Istio's chart has it.
    Never,
    /// If they have changed something.
    IfNeeded,
}

/// Writes what Istio's chart puts into the ConfigMap `istio-sidecar-injector`, where istiod looks for it from its working
/// directory.
pub(super) fn write(dir: &Path) -> Result<()> {
    let chart = programs::source("istio")?.join("manifests/charts/istio-control/istio-discovery");
    let read = |file: &str| fs::read_to_string(chart.join(file)).with_context(|| file.to_owned());
    let chart_values: Value = serde_saphyr::from_str(&read("values.yaml")?)?;
    let mut values = chart_values["_internal_defaults_do_not_set"].clone();
    // A release names its own images; what is built from its source names none.
    values["global"]["hub"] = json!("docker.io/istio");
    values["global"]["tag"] = json!("1.31.1");
    let pick = |from: &Value, fields: &[&str]| -> Value {
        fields.iter().map(|&field| (field.to_owned(), from[field].clone())).collect::<Map<_, _>>().into()
    };
    let mut picked = pick(&values, &["global", "sidecarInjectorWebhook", "revision"]);
    picked["pilot"] = pick(&values, &["cni", "env"]);
    picked["gateways"] = pick(&values["gateways"], &["securityContext", "seccompProfile"]);
    let config = json!({
        "policy": "enabled",
        "defaultTemplates": ["sidecar"],
        "templates": { "sidecar": read("files/injection-template.yaml")? },
    });
    let folder = dir.join("var/lib/istio/inject");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("config"), config.to_string())?;
    fs::write(folder.join("values"), picked.to_string())?;
    Ok(())
}

impl Mesh {
    /// Has the API server call the injector for pods of namespaces labelled `istio-injection: enabled` and
    /// [`label`](registration::label)`(name)`, of which `namespace` is one, and waits until it does. Webhooks are called in
    /// the order of their configurations' names: this one's is `name`.
    ///
    /// # Errors
    /// When the configuration is refused or has no effect.
    pub async fn inject(
        &self,
        cluster: &ControlPlane,
        name: &str,
        namespace: &str,
        reinvocation: Reinvocation,
    ) -> Result<()> {
        let configuration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            // By the first, istiod knows that it is its own and fills in its authority.
            "metadata": { "name": name, "labels": { "istio.io/rev": "default" } },
            "webhooks": [{
                "name": "namespace.sidecar-injector.istio.io",
                "clientConfig": { "url": format!("https://{}/inject", self.webhooks()) },
                "sideEffects": "None",
                "rules": [{
                    "operations": ["CREATE"],
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "resources": ["pods"],
                }],
                "failurePolicy": "Fail",
                "reinvocationPolicy": match reinvocation {
                    Reinvocation::Never => "Never",
                    Reinvocation::IfNeeded => "IfNeeded",
                },
                "admissionReviewVersions": ["v1"],
                "namespaceSelector": {
                    "matchExpressions": [
                        { "key": "istio-injection", "operator": "In", "values": ["enabled"] },
                        { "key": registration::label(name), "operator": "Exists" },
                    ],
                },
                "objectSelector": {
                    "matchExpressions": [
                        { "key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"] },
                    ],
                },
            }],
        });
        let objects = cluster.objects();
        objects.create(&configuration).await?;
        let probe = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": "probe", "namespace": namespace },
            "spec": { "containers": [{ "name": "probe", "image": "probe:1" }] },
        });
        eventually("the injector is called", async || {
            let pod = objects.dry_run_create(&probe).await.ok()?;
            pod["metadata"]["annotations"]["sidecar.istio.io/status"].is_string().then_some(())
        })
        .await
        .with_context(|| self.log().text())
    }
}
