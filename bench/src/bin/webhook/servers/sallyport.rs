//! Sallyport as it runs: `sallyport serve`, in release, with its own defaults.

use std::fs;
use std::path::Path;

use anyhow::Result;
use sallyport_tests::process::Process;
use sallyport_tests::run_dir::RunDir;
use serde_json::json;

use super::{Certificate, Running, Workload, free_port};
use crate::load::Target;
use crate::review::{Reviews, Want};

const POLICIES: &str = include_str!("../../../../data/webhook/sallyport.yaml");

/// What is asked of whoever mutates and validates.
pub(crate) fn workloads(reviews: &Reviews, mutate: &'static str, validate: &'static str) -> Vec<Workload> {
    let mutation = reviews.unhardened(mutate, Want::Hardened);
    let validation = reviews.hardened(validate, Want::Allowed);
    vec![
        Workload::new("mutate", [mutation.clone()]),
        Workload::new("validate", [validation.clone()]),
        Workload::new("deny", [reviews.unhardened(validate, Want::Denied)]),
        Workload::new("both", [mutation, validation]),
    ]
}

/// Starts this program with policies that are equivalent to those of its peers, and as many others as asked for,
/// each about a namespace of its own.
pub(crate) async fn start(name: &str, program: &Path, reviews: &Reviews, others: usize) -> Result<Running> {
    let dir = RunDir::create()?;
    let certificate = Certificate::write(dir.path(), ["--tls-cert", "--tls-key"])?;
    let policies = dir.path().join("policies");
    fs::create_dir(&policies)?;
    fs::write(policies.join("hardening.yaml"), POLICIES)?;
    for number in 0..others {
        fs::write(policies.join(format!("other-{number}.json")), other(number).to_string())?;
    }
    let address = free_port()?;
    let mut arguments: Vec<String> =
        ["serve", "--standalone", "--log-format", "json", "--policies"].map(str::to_owned).to_vec();
    arguments.extend([
        policies.display().to_string(),
        "--listen".to_owned(),
        address.to_string(),
        "--operations".to_owned(),
        "127.0.0.1:0".to_owned(),
    ]);
    arguments.extend(certificate.arguments);
    let process = Process::start("sallyport", program, &arguments, dir.path())?;
    let target = Target { address, ca_pem: certificate.ca_pem };
    let workloads = workloads(reviews, "/mutate", "/validate");
    Running { name: name.to_owned(), target, workloads, process, _dir: dir }.ready().await
}

/// A policy of the size that people write, about another namespace than the reviews'.
fn other(number: usize) -> serde_json::Value {
    let team = format!("team-{number}");
    json!({
        "apiVersion": "sallyport.dev/v1alpha1",
        "kind": "WorkloadPolicy",
        "metadata": { "name": team },
        "spec": {
            "match": { "kinds": ["Pod"], "namespaces": [team] },
            "mutate": [
                { "name": "hardened", "securityContext": {
                    "pod": {
                        "runAsNonRoot": true, "runAsUser": 1001, "fsGroup": 1001,
                        "seccompProfile": { "type": "RuntimeDefault" },
                    },
                    "container": {
                        "readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false,
                        "capabilities": { "drop": ["ALL"] },
                    },
                } },
                { "name": "writable", "writablePaths": [{ "path": "/tmp", "sizeLimit": "256Mi" }] },
                { "name": "owner", "metadata": { "labels": { "team": team } } },
            ],
            "validate": [
                { "name": "restricted", "podSecurity": { "level": "restricted" } },
                { "name": "images", "images": { "registries": [format!("registry.example.com/{team}")] } },
                { "name": "named", "cel": {
                    "expression": "object.metadata.labels.app != ''", "message": "the label app is wanted",
                } },
            ],
        },
    })
}
