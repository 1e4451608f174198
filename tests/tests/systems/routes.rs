//! Routes, subsets and gateways lead to what is there, and every namespace is closed but for them.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::{Value, json};

use crate::references::{in_every_tree, list, text};
use crate::selector::chooses;

#[test]
fn every_route_leads_to_a_service_and_a_subset_that_has_pods() -> Result<()> {
    in_every_tree(|tree, wrong| {
        let workloads = tree.workloads();
        for rule in tree.of("DestinationRule") {
            let host = text(&rule["spec"], "host");
            let Ok(service) = tree.get("Service", host) else {
                wrong.push(format!("DestinationRule: no Service {host}"));
                continue;
            };
            for subset in list(&rule["spec"], "subsets") {
                let has_pods = workloads.iter().any(|workload| {
                    let labels = workload.labels();
                    chooses(&service["spec"]["selector"], labels) && chooses(&subset["labels"], labels)
                });
                if !has_pods {
                    wrong.push(format!("subset {} of {host} has no pods", subset["name"]));
                }
            }
        }
        for service in tree.of("VirtualService") {
            for gateway in list(&service["spec"], "gateways").filter(|gateway| **gateway != "mesh") {
                let Ok(gateway) = tree.get("Gateway", gateway.as_str().unwrap_or_default()) else {
                    wrong.push(format!("no Gateway {gateway}"));
                    continue;
                };
                let hosts = list(&gateway["spec"], "servers").flat_map(|server| list(server, "hosts"));
                let hosts: BTreeSet<&str> = hosts.filter_map(Value::as_str).collect();
                if !list(&service["spec"], "hosts")
                    .any(|host| hosts.contains(host.as_str().unwrap_or_default()))
                {
                    wrong.push(format!("no host of {} is its gateway's", service["metadata"]["name"]));
                }
            }
            for route in list(&service["spec"], "http") {
                let weights: Vec<u64> = list(route, "route").filter_map(|it| it["weight"].as_u64()).collect();
                if !weights.is_empty() && weights.iter().sum::<u64>() != 100 {
                    wrong.push(format!("weights {weights:?}"));
                }
                for to in list(route, "route").map(|it| &it["destination"]) {
                    let there = tree.get("Service", text(to, "host")).is_ok();
                    let subset = to["subset"].is_null()
                        || tree.of("DestinationRule").any(|rule| {
                            rule["spec"]["host"] == to["host"]
                                && list(&rule["spec"], "subsets").any(|subset| subset["name"] == to["subset"])
                        });
                    if !there || !subset {
                        wrong.push(format!("a route leads to {to}"));
                    }
                }
            }
        }
        Ok(tree.of("DestinationRule").count() + tree.of("VirtualService").count())
    })
}

#[test]
fn every_gateway_shows_a_certificate_that_is_made_for_its_hosts() -> Result<()> {
    in_every_tree(|tree, wrong| {
        let servers: Vec<&Value> = tree.of("Gateway").flat_map(|it| list(&it["spec"], "servers")).collect();
        for server in &servers {
            let secret = &server["tls"]["credentialName"];
            let redirects = server["tls"]["httpsRedirect"] == true;
            let made = tree.of("Certificate").any(|certificate| {
                let names: Vec<&Value> = list(&certificate["spec"], "dnsNames").collect();
                certificate["spec"]["secretName"] == *secret
                    && certificate["metadata"]["namespace"] == "istio-system"
                    && list(server, "hosts").all(|host| names.contains(&host))
            });
            if redirects == made {
                wrong.push(format!("{server}"));
            }
        }
        Ok(servers.len() + 1)
    })
}

#[test]
fn every_namespace_is_closed() -> Result<()> {
    in_every_tree(|tree, wrong| {
        let namespace = tree.namespace()?;
        let here = |kind: &str, name: &str| {
            let found = tree.get(kind, name).ok();
            found.filter(|it| it["metadata"]["namespace"] == namespace).map(|it| it["spec"].clone())
        };
        let closed = [
            (
                "NetworkPolicy",
                "default-deny",
                json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] }),
            ),
            ("PeerAuthentication", "default", json!({ "mtls": { "mode": "STRICT" } })),
            ("AuthorizationPolicy", "nothing", json!({})),
        ];
        for (kind, name, spec) in &closed {
            if here(kind, name).as_ref() != Some(spec) {
                wrong.push(format!("{kind} {name}"));
            }
        }
        for rule in tree.of("DestinationRule") {
            if rule["spec"]["trafficPolicy"]["tls"]["mode"] != "ISTIO_MUTUAL" {
                wrong.push(format!("DestinationRule {}", rule["metadata"]["name"]));
            }
        }
        Ok(closed.len())
    })
}
