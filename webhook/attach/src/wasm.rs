//! The filter as Envoy is told of it (envoy.extensions.filters.http.wasm.v3.Wasm).

use std::collections::BTreeSet;

use sallyport_traffic::program::Configuration;
use sallyport_traffic::{FailureMode, TrafficPolicySpec};
use serde_json::{Map, Value, json};

use crate::{Plugin, any};

/// The virtual machine that a filter runs in.
pub(crate) struct Machine<'m> {
    /// Filters of one name and module share one, and what its workers count.
    pub(crate) id: &'m str,
    /// The module (envoy.config.core.v3.AsyncDataSource).
    pub(crate) code: Value,
    /// The environment variables that it is given.
    pub(crate) variables: &'m BTreeSet<String>,
}

/// A policy's filter.
pub(crate) fn message(plugin: &Plugin, machine: &Machine<'_>, configuration: &Configuration) -> Value {
    let mut vm = Map::from_iter([
        ("vm_id".to_owned(), json!(machine.id)),
        ("runtime".to_owned(), json!("envoy.wasm.runtime.v8")),
        ("code".to_owned(), machine.code.clone()),
    ]);
    if !machine.variables.is_empty() {
        let variables = json!({ "host_env_keys": machine.variables });
        vm.insert("environment_variables".to_owned(), variables);
    }
    json!({
        "@type": any("envoy.extensions.filters.http.wasm.v3.Wasm"),
        "config": {
            "name": plugin.name(),
            "root_id": plugin.name(),
            "failure_policy": failure_policy(&plugin.spec),
            "vm_config": vm,
            "configuration": {
                "@type": any("google.protobuf.StringValue"),
                "value": json!(configuration).to_string(),
            },
        },
    })
}

/// What Envoy does with requests should the virtual machine itself have failed.
pub(crate) fn failure_policy(spec: &TrafficPolicySpec) -> &'static str {
    match (spec.failure_mode, &spec.jwt) {
        (FailureMode::Open, None) => "FAIL_OPEN",
        // It starts a new one, and refuses until then. Whoever finds a way to end a machine must not find that nobody has
        // to sign in any longer, whatever the policy says of calls that fail.
        (FailureMode::Open, Some(_)) | (FailureMode::Closed, _) => "FAIL_RELOAD",
    }
}
