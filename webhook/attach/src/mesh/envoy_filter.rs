//! EnvoyFilter: patches of what Istio makes for proxies.
//!
//! The filter's configuration comes by itself (ECDS) and not in the listener: so proxies take a changed one without
//! closing connections, and the agent beside Envoy fetches the module, and refuses everything where it can't.

use serde_json::{Map, Value, json};

use super::{Attachment, Proxies, Resource};
use crate::any;
use crate::envoy::cluster;
use crate::plugin::Destination;
use crate::wasm::{Machine, message};

/// How long a proxy waits for the module.
const FETCH_TIMEOUT: &str = "30s";

/// What Istio calls a place in the configuration of a proxy that does this.
const fn context(proxies: Proxies) -> &'static str {
    match proxies {
        Proxies::Gateways => "GATEWAY",
        Proxies::Sidecars | Proxies::Any => "SIDECAR_INBOUND",
    }
}

impl Attachment<'_> {
    /// An EnvoyFilter with the filter and these clusters.
    pub(super) fn envoy_filter(&self, clusters: Vec<Value>) -> Value {
        let filters = self.kinds().iter().flat_map(|proxies| self.filter(*proxies));
        self.patching(filters.chain(clusters).collect())
    }

    /// An EnvoyFilter with these clusters alone.
    pub(super) fn clusters_alone(&self, clusters: Vec<Value>) -> Value {
        self.patching(clusters)
    }

    fn patching(&self, patches: Vec<Value>) -> Value {
        let mut spec = Map::from_iter([
            // They are applied from the lowest on, and each inserts its filter before all others.
            ("priority".to_owned(), json!(self.placed.priority)),
            ("configPatches".to_owned(), Value::Array(patches)),
        ]);
        if !self.target.labels.is_empty() {
            spec.insert("workloadSelector".to_owned(), json!({ "labels": self.target.labels }));
        }
        self.object(Resource::EnvoyFilter, Value::Object(spec))
    }

    const fn kinds(&self) -> &'static [Proxies] {
        match self.target.proxies {
            Proxies::Any => &[Proxies::Gateways, Proxies::Sidecars],
            Proxies::Gateways => &[Proxies::Gateways],
            Proxies::Sidecars => &[Proxies::Sidecars],
        }
    }

    fn filter(&self, proxies: Proxies) -> [Value; 2] {
        // Istio looks for configurations by their names alone, whatever they are for.
        let name = match proxies {
            Proxies::Gateways => format!("sallyport/{}/gateway", self.plugin().name()),
            Proxies::Sidecars | Proxies::Any => format!("sallyport/{}/inbound", self.plugin().name()),
        };
        // Envoy gives a virtual machine the variables of whichever policy it comes to first.
        let variables = self.variables.iter().map(String::as_str);
        let id = std::iter::once("sallyport").chain(variables).collect::<Vec<_>>().join(",");
        let machine = Machine {
            id: &id,
            code: json!({ "remote": {
                // Whoever is named as the cluster is never asked: the agent fetches it.
                "http_uri": { "uri": self.options.url, "timeout": FETCH_TIMEOUT, "cluster": "sallyport" },
                "sha256": self.options.sha256,
            } }),
            variables: self.variables,
        };
        let filter = message(self.plugin(), &machine, &self.configuration(proxies));
        let context = context(proxies);
        [
            json!({
                "applyTo": "EXTENSION_CONFIG",
                "match": { "context": context },
                "patch": { "operation": "ADD", "value": { "name": name, "typed_config": filter } },
            }),
            json!({
                "applyTo": "HTTP_FILTER",
                "match": { "context": context, "listener": { "filterChain": { "filter": {
                    "name": "envoy.filters.network.http_connection_manager",
                } } } },
                "patch": { "operation": "INSERT_FIRST", "value": {
                    "name": name,
                    "config_discovery": {
                        // No request is answered without it, however long it takes to come.
                        "config_source": { "ads": {}, "initial_fetch_timeout": "0s" },
                        "type_urls": [
                            any("envoy.extensions.filters.http.wasm.v3.Wasm"),
                            // What the agent puts there where it can't fetch the module.
                            any("envoy.extensions.filters.http.rbac.v3.RBAC"),
                        ],
                    },
                } },
            }),
        ]
    }

    /// Patches that add the clusters of hosts that have keys.
    pub(super) fn clusters(&self) -> Vec<Value> {
        let own = self.plugin().clusters().into_iter();
        let keys = own.filter(|(_, destination)| matches!(destination, Destination::Jwks(_)));
        let clusters = keys.map(|(name, destination)| {
            let host = destination.endpoint();
            let reached = self.options.connect_to.get(host).unwrap_or(host);
            cluster::own(&name, &destination, reached, &self.options.ca_file)
        });
        let patches = clusters.map(|cluster| {
            json!({
                "applyTo": "CLUSTER",
                // A gateway's, and those that a sidecar's own calls go out by.
                "match": { "context": "ANY" },
                "patch": { "operation": "ADD", "value": cluster },
            })
        });
        patches.collect()
    }
}
