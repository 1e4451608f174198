//! A proxy that lets the filter do less than it can.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Result, ensure};
use sallyport_tests::proxy::Module;
use serde_json::{Value, json};

/// Lets the filter call, and be called by, all functions but one: the proxy refuses that.
pub(crate) fn without(denied: &str) -> Result<impl Fn(&mut Value) + use<>> {
    let allowed = functions_but(denied)?;
    Ok(move |bootstrap: &mut Value| restrict(bootstrap, &allowed))
}

/// All functions of the ABI that the module names, its own and the proxy's, and those of WASI, but one.
fn functions_but(denied: &str) -> Result<BTreeSet<String>> {
    let module = fs::read(&Module::built()?.path)?;
    let words = module.split(|byte| !(byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_'));
    let words = words.filter_map(|word| str::from_utf8(word).ok());
    let proxy = words.filter_map(|word| word.find("proxy_").and_then(|at| word.get(at..)));
    let wasi = ["clock_time_get", "environ_get", "environ_sizes_get", "fd_write", "proc_exit", "random_get"];
    let mut all: BTreeSet<String> = proxy.chain(wasi).map(str::to_owned).collect();
    ensure!(all.remove(denied), "the module does not use {denied}");
    Ok(all)
}

/// Lets the filter call, and be called by, these functions only: the proxy refuses all others.
fn restrict(bootstrap: &mut Value, functions: &BTreeSet<String>) {
    let allowed: serde_json::Map<String, Value> =
        functions.iter().map(|name| (name.clone(), json!({}))).collect();
    let filter = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0";
    let config = bootstrap.pointer_mut(filter).expect("a filter");
    config["typed_config"]["config"]["capability_restriction_config"] =
        json!({ "allowed_capabilities": allowed });
}
