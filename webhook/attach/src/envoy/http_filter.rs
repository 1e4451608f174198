//! The filter itself.

use std::collections::BTreeSet;

use sallyport_traffic::program::Configuration;
use sallyport_traffic::{FailureMode, TrafficPolicySpec};
use serde_json::{Value, json};

use super::{Options, any};
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
    let configuration = json!(configuration).to_string();
    json!({
        "name": format!("sallyport/{}", plugin.name()),
        "typed_config": {
            "@type": any("envoy.extensions.filters.http.wasm.v3.Wasm"),
            "config": {
                "name": plugin.name(),
                "root_id": plugin.name(),
                "failure_policy": failure_policy(&plugin.spec),
                "vm_config": {
                    "vm_id": VM,
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": options.module } },
                    "environment_variables": { "host_env_keys": variables },
                },
                "configuration": {
                    "@type": any("google.protobuf.StringValue"),
                    "value": configuration,
                },
            },
        },
    })
}

/// What Envoy does with requests should the virtual machine itself have failed.
fn failure_policy(spec: &TrafficPolicySpec) -> &'static str {
    match (spec.failure_mode, &spec.jwt) {
        (FailureMode::Open, None) => "FAIL_OPEN",
        // It starts a new one, and refuses until then. Whoever finds a way to end a machine must not find that nobody has
        // to sign in any longer, whatever the policy says of calls that fail.
        (FailureMode::Open, Some(_)) | (FailureMode::Closed, _) => "FAIL_RELOAD",
    }
}
