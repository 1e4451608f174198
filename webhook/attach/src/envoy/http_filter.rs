//! The filter itself.

use std::collections::BTreeSet;

use sallyport_traffic::program::Configuration;
use serde_json::{Value, json};

use super::Options;
use crate::wasm::{Machine, message};
use crate::{Plugin, environment_variables};

/// Policies share a virtual machine, and what its workers count, under this name.
const VM: &str = "sallyport";

/// One filter for each policy (envoy.extensions.filters.http.wasm.v3.Wasm).
pub(super) fn render(plugins: &[Plugin], options: &Options) -> Vec<Value> {
    // All of all policies, in each: Envoy gives a virtual machine the variables of whichever policy it comes to first.
    let variables: BTreeSet<String> = plugins
        .iter()
        .flat_map(|plugin| environment_variables(&plugin.policy.namespace, &plugin.spec))
        .collect();
    let mut set_before = Vec::new();
    let filters = plugins.iter().map(|plugin| {
        let filter = filter(plugin, set_before.clone(), &variables, options);
        set_before.extend(plugin.sets());
        filter
    });
    filters.collect()
}

fn filter(
    plugin: &Plugin,
    set_before: Vec<String>,
    variables: &BTreeSet<String>,
    options: &Options,
) -> Value {
    let configuration = Configuration { logs_paths: true, set_before, ..plugin.configuration() };
    json!({
        "name": format!("sallyport/{}", plugin.name()),
        "typed_config": message(plugin, &Machine {
            id: VM,
            code: json!({ "local": { "filename": options.module } }),
            variables,
        }, &configuration),
    })
}
