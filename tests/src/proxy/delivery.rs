//! Configuration that Envoy takes over while it runs: from a file, where a mesh's control plane would send it.

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

/// Where the HTTP filters stand in a configuration.
pub(super) const FILTERS: &str =
    "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
/// The last filter, which is not one of ours.
pub(super) const ROUTER: &str = "envoy.filters.http.router";

/// The file, under the folder that Envoy runs in. It is watched for another that takes its place.
const FILE: &str = "./delivered.json";

/// How filters get to a running Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// With their listener (LDS). Its connections are told to end, and new ones pass the new filters.
    Listener,
    /// A filter by itself (ECDS), as Istio sends a WasmPlugin. Connections stay: their next request passes the new one.
    /// For a configuration with one filter.
    Extension,
}

/// What is delivered: a response of discovery (envoy.service.discovery.v3.DiscoveryResponse).
pub(super) struct Resource(Value);

impl Delivery {
    /// Takes what is delivered out of a configuration, and has Envoy look for it in the file.
    pub(super) fn take_out(self, bootstrap: &mut Value) -> Resource {
        let source = json!({"path_config_source": {"path": FILE}, "resource_api_version": "V3"});
        let (kind, mut resource) = match self {
            Self::Listener => {
                let listener = bootstrap["static_resources"]["listeners"][0].take();
                bootstrap["static_resources"]["listeners"] = json!([]);
                bootstrap["dynamic_resources"] = json!({ "lds_config": source });
                ("envoy.config.listener.v3.Listener", listener)
            }
            Self::Extension => {
                let filter = bootstrap.pointer_mut(FILTERS).map(|filters| &mut filters[0]).expect("a filter");
                let delivered = filter.take();
                let kind = delivered["typed_config"]["@type"].clone();
                let discovery = json!({ "config_source": source, "type_urls": [kind] });
                *filter = json!({ "name": delivered["name"], "config_discovery": discovery });
                ("envoy.config.core.v3.TypedExtensionConfig", delivered)
            }
        };
        resource["@type"] = format!("type.googleapis.com/{kind}").into();
        Resource(json!({ "resources": [resource] }))
    }
}

impl Resource {
    /// Puts it where Envoy, which runs in this folder, looks for it: whole, in the place of what was there.
    pub(super) fn put(&self, dir: &Path) -> Result<()> {
        let next = dir.join("next.json");
        fs::write(&next, self.0.to_string())?;
        Ok(fs::rename(&next, dir.join(FILE))?)
    }
}
