//! Among those that a cluster with a service mesh has besides: a real istiod with its injector and proxies, and the
//! controllers that make pods. Each test has a control plane of its own.

use std::path::Path;

use serde_json::{Value, json};

mod attachments;
mod proxies;
mod way;

/// The program, as cargo built it beside these tests.
fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_sallyport-under-test"))
}

fn pod(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "namespace": namespace, "labels": { "app": name } },
        "spec": { "containers": [{ "name": "app", "image": "registry.example.com/app:1" }] },
    })
}
