//! A complete static configuration of an Envoy that stands before one application, without a mesh.
//!
//! Paths: Envoy resolves dot segments and merges slashes before the filter sees a path, and passes that form on, so the
//! filter judges what the application gets. What stays ambiguous (`%2F`, `;`) is left as it is: applications use it, and
//! the filter opens nothing for it.
//!
//! Client addresses: `X-Forwarded-For` reaches the filter as the client sent it, since `trustedHops` counts the proxies
//! before this one; the address of whoever connected is appended behind the filter.

mod access_log;
pub(crate) mod cluster;
mod http_filter;
mod listener;
mod options;
mod stats;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

pub use options::Options;

use crate::Plugin;

/// How large an answer to a call of a filter's own may be (runtime key `http.async_response_size_limit`): more than the
/// filter reads of a key set, so that it can say what is wrong with a larger one, and no more than a proxy can spare.
const LARGEST_ANSWER: u32 = 512 << 10;

/// A complete configuration of Envoy (envoy.config.bootstrap.v3.Bootstrap): requests pass each policy's filter, in this
/// order, and go to the application.
#[must_use]
pub fn render(plugins: &[Plugin], options: &Options) -> Value {
    let mut clusters = BTreeMap::new();
    for plugin in plugins {
        clusters.extend(plugin.clusters());
    }
    let own = clusters.iter().map(|(name, destination)| {
        let reached = options.connect_to.get(destination.endpoint()).unwrap_or(destination.endpoint());
        cluster::own(name, destination, reached, &options.ca_file)
    });
    let clusters: Vec<Value> = std::iter::once(cluster::upstream(&options.upstream)).chain(own).collect();
    let mut bootstrap = Map::from_iter([
        ("node".to_owned(), node(options)),
        (
            "static_resources".to_owned(),
            json!({ "listeners": [listener::render(plugins, options)], "clusters": clusters }),
        ),
        ("stats_config".to_owned(), stats::render()),
        (
            "layered_runtime".to_owned(),
            json!({ "layers": [{
                "name": "sallyport",
                "static_layer": { "http.async_response_size_limit": LARGEST_ANSWER },
            }] }),
        ),
    ]);
    if let Some(admin) = &options.admin {
        bootstrap.insert("admin".to_owned(), json!({ "address": cluster::address(admin) }));
    }
    Value::Object(bootstrap)
}

/// Says in `/server_info` and `/config_dump` which module this is.
fn node(options: &Options) -> Value {
    json!({
        "id": "sallyport",
        "cluster": "sallyport",
        "metadata": { "sallyport.dev/module": format!("sha256:{}", options.module_sha256) },
    })
}

#[cfg(test)]
mod tests;
