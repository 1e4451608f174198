//! WasmPlugin and TrafficExtension, which say the same in two ways.

use serde_json::{Map, Value, json};

use super::{Attachment, Proxies, Resource};
use crate::wasm::failure_policy;

impl Attachment<'_> {
    /// A WasmPlugin or TrafficExtension.
    pub(super) fn extension(&self, resource: Resource) -> Value {
        let proxies = self.target.likely();
        let mode = match proxies {
            // Without a mode, a sidecar would ask the workload's own calls to others for tokens.
            Proxies::Sidecars | Proxies::Any => "SERVER",
            Proxies::Gateways => "CLIENT",
        };
        let mut spec = Map::from_iter([
            // Before Istio's own checks of tokens and of who may do what.
            ("phase".to_owned(), json!("AUTHN")),
            ("priority".to_owned(), json!(self.placed.priority)),
            ("match".to_owned(), json!([{ "mode": mode }])),
        ]);
        if !self.target.labels.is_empty() {
            spec.insert("selector".to_owned(), json!({ "matchLabels": self.target.labels }));
        }
        let mut wasm = Map::from_iter([
            ("url".to_owned(), json!(self.options.url)),
            ("sha256".to_owned(), json!(self.options.sha256)),
            ("pluginName".to_owned(), json!(self.plugin().name())),
            ("pluginConfig".to_owned(), json!(self.configuration(proxies))),
            ("failStrategy".to_owned(), json!(failure_policy(&self.plugin().spec))),
        ]);
        if !self.variables.is_empty() {
            let variables = self.variables.iter().map(|name| json!({ "name": name, "valueFrom": "HOST" }));
            wasm.insert("vmConfig".to_owned(), json!({ "env": variables.collect::<Vec<_>>() }));
        }
        if resource == Resource::TrafficExtension {
            spec.insert("wasm".to_owned(), Value::Object(wasm));
        } else {
            spec.append(&mut wasm);
        }
        self.object(resource, Value::Object(spec))
    }
}
