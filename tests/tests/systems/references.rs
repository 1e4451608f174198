//! Whatever names another object names one that is there: Services and their ports, targets of autoscalers, accounts,
//! ConfigMaps, Secrets.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Result, ensure};
use sallyport_tests::examples::manifests;
use serde_json::Value;

use crate::selector::{chooses, selects};
use crate::tree::Tree;
use crate::workload::Workload;

/// What every tree is put to; `wrong` takes what is not right.
pub(crate) fn in_every_tree(check: impl Fn(&Tree, &mut Vec<String>) -> Result<usize>) -> Result<()> {
    let (mut checked, mut wrong) = (0, Vec::new());
    for tree in Tree::all()? {
        let mut of_tree = Vec::new();
        checked += check(tree, &mut of_tree)?;
        wrong.extend(of_tree.into_iter().map(|what| format!("{}: {what}", tree.name)));
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    ensure!(checked > 10, "only {checked} were found");
    Ok(())
}

/// The elements of a list; none where there is no list.
pub(crate) fn list<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    value[field].as_array().into_iter().flatten()
}

/// A field that is a text.
pub(crate) fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

/// <https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/>
const PROTOCOLS: [&str; 8] = ["http", "http2", "https", "grpc", "tcp", "tls", "udp", "mongo"];

#[test]
fn every_service_has_pods_and_ports_that_istio_knows_the_protocol_of() -> Result<()> {
    in_every_tree(|tree, wrong| {
        let workloads = tree.workloads();
        for service in tree.of("Service") {
            let name = text(&service["metadata"], "name");
            let chosen: Vec<&Workload> =
                workloads.iter().filter(|it| chooses(&service["spec"]["selector"], it.labels())).collect();
            if chosen.is_empty() && service["spec"]["type"] != "ExternalName" {
                wrong.push(format!("Service {name} has no pods"));
            }
            for port in list(&service["spec"], "ports") {
                let port_name = text(port, "name");
                if !PROTOCOLS.contains(&port_name.split('-').next().unwrap_or_default()) {
                    wrong.push(format!("Service {name}: the port {port_name:?} says no protocol"));
                }
                for workload in &chosen {
                    if !workload.ports().iter().any(|(port_name, _)| port["targetPort"] == *port_name) {
                        wrong.push(format!("Service {name}: {} has no port {port}", workload.name));
                    }
                }
            }
        }
        Ok(tree.of("Service").count())
    })
}

#[test]
fn every_autoscaler_budget_and_monitor_is_of_something() -> Result<()> {
    in_every_tree(|tree, wrong| {
        let workloads = tree.workloads();
        let targets = [("HorizontalPodAutoscaler", "scaleTargetRef"), ("VerticalPodAutoscaler", "targetRef")];
        for (kind, field) in targets {
            for object in tree.of(kind) {
                let target = &object["spec"][field];
                if !workloads.iter().any(|it| target["kind"] == *it.kind && target["name"] == *it.name) {
                    wrong.push(format!("{kind}: no {target}"));
                }
            }
        }
        for budget in tree.of("PodDisruptionBudget") {
            let of: Vec<&Workload> =
                workloads.iter().filter(|it| selects(&budget["spec"]["selector"], it.labels())).collect();
            let pods: u64 = of.iter().map(|it| it.replicas).sum();
            // A budget of several workloads would let one of them go whole.
            if of.is_empty()
                || budget["spec"]["minAvailable"].as_u64().is_some_and(|min| of.len() > 1 || min > pods)
            {
                wrong.push(format!("PodDisruptionBudget {}", budget["metadata"]["name"]));
            }
        }
        for monitor in tree.of("ServiceMonitor") {
            for endpoint in list(&monitor["spec"], "endpoints") {
                let services: Vec<&Value> = tree
                    .of("Service")
                    .filter(|it| selects(&monitor["spec"]["selector"], &it["metadata"]["labels"]))
                    .filter(|it| list(&it["spec"], "ports").any(|port| port["name"] == endpoint["port"]))
                    .collect();
                // The agent has the application's metrics among its own only where the pod says where they are.
                let scraped = workloads.iter().filter(|workload| {
                    services.iter().any(|service| chooses(&service["spec"]["selector"], workload.labels()))
                });
                let says = |workload: &Workload| {
                    let annotations = &workload.pod["metadata"]["annotations"];
                    let port: u64 = text(annotations, "prometheus.io/port").parse().unwrap_or_default();
                    annotations["prometheus.io/scrape"] == "true"
                        && workload.ports().iter().any(|(_, number)| *number == port)
                };
                let scraped: Vec<&Workload> = scraped.collect();
                if scraped.is_empty() || !scraped.iter().all(|workload| says(workload)) {
                    wrong.push(format!("ServiceMonitor {}", monitor["metadata"]["name"]));
                }
            }
        }
        Ok(tree.of("PodDisruptionBudget").count() + tree.of("ServiceMonitor").count())
    })
}

/// Secrets are made by cert-manager or External Secrets, or the README says that somebody has to.
#[test]
fn every_pod_finds_its_account_its_configuration_and_its_secrets() -> Result<()> {
    let readme = fs::read_to_string(manifests().join("examples/README.md"))?;
    in_every_tree(|tree, wrong| {
        let made: BTreeSet<&str> = (tree.of("ExternalSecret").map(|it| text(&it["metadata"], "name")))
            .chain(tree.of("Certificate").map(|it| text(&it["spec"], "secretName")))
            .collect();
        let workloads = tree.workloads();
        for workload in &workloads {
            let mut missing =
                |kind: &str, name: &str| wrong.push(format!("{}: no {kind} {name}", workload.name));
            if tree.get("ServiceAccount", workload.account()).is_err() {
                missing("ServiceAccount", workload.account());
            }
            let (mut configurations, mut secrets) = (BTreeSet::new(), BTreeSet::new());
            named(&workload.pod["spec"], &mut configurations, &mut secrets);
            for name in configurations {
                if tree.get("ConfigMap", &name).is_err() {
                    missing("ConfigMap", &name);
                }
            }
            for name in secrets {
                if !made.contains(name.as_str()) && !readme.contains(&format!("`{name}`")) {
                    missing("Secret", &name);
                }
            }
        }
        Ok(workloads.len())
    })
}

/// The ConfigMaps and Secrets that a pod names, anywhere in it.
fn named(value: &Value, configurations: &mut BTreeSet<String>, secrets: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| named(item, configurations, secrets)),
        Value::Object(fields) => {
            for (field, inner) in fields {
                let name = inner["name"].as_str().or_else(|| inner["secretName"].as_str()).map(str::to_owned);
                match field.as_str() {
                    "configMap" | "configMapRef" | "configMapKeyRef" => configurations.extend(name),
                    "secret" | "secretRef" | "secretKeyRef" => secrets.extend(name),
                    _ => {}
                }
                named(inner, configurations, secrets);
            }
        }
        _ => {}
    }
}
