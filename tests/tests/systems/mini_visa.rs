//! V3, V4, V6 and V9: who may speak with whom and by what, the version to come, how it grows, who signs.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use sallyport_tests::webhook::at;
use serde_json::json;

use crate::alike::{is_a_canary, only_the_gateway_gets_in, utilization};
use crate::tree::Tree;

fn tree() -> Result<&'static Tree> {
    Tree::named("mini-visa")
}

#[test]
fn v3_card_data_is_reached_by_the_gateway_alone_and_leaves_by_one_service() -> Result<()> {
    only_the_gateway_gets_in(tree()?, "payment-service", 8080)?;
    let anywhere = tree()?.of("NetworkPolicy").filter(|policy| {
        let rules = policy["spec"]["egress"].as_array().into_iter().flatten();
        let mut peers = rules.into_iter().filter_map(|rule| rule["to"].as_array()).flatten();
        peers.any(|peer| peer["ipBlock"]["cidr"] == "0.0.0.0/0")
    });
    let names: Vec<_> = anywhere.map(|policy| &policy["metadata"]["name"]).collect();
    assert_eq!(names, ["clearing-service"]);
    assert_eq!(at(tree()?.get("Sidecar", "default")?, "/spec/outboundTrafficPolicy/mode"), "REGISTRY_ONLY");
    Ok(())
}

#[test]
fn v4_whoever_asks_for_it_and_one_in_ten_get_the_canary() -> Result<()> {
    is_a_canary(tree()?, "payment-service", "payment-service", ["v1", "canary"])
}

#[test]
fn v4_a_payment_that_was_sent_is_not_sent_again() -> Result<()> {
    let safe = BTreeSet::from(["connect-failure", "refused-stream"]);
    let routes = &tree()?.get("VirtualService", "payment-service")?["spec"]["http"];
    for route in routes.as_array().context("no routes")? {
        let on = at(route, "/retries/retryOn").as_str().context("Envoy's own would retry more")?;
        assert!(on.split(',').all(|condition| safe.contains(condition)), "{on}");
    }
    Ok(())
}

#[test]
fn v6_three_to_twenty_replicas_within_the_bounds_that_a_policy_checks() -> Result<()> {
    let spec = &tree()?.get("HorizontalPodAutoscaler", "payment-service")?["spec"];
    assert_eq!((&spec["minReplicas"], &spec["maxReplicas"]), (&json!(3), &json!(20)));
    let metrics = spec["metrics"].as_array().context("no metrics")?;
    assert_eq!(json!(metrics[..2]), utilization(70, 80));
    assert_eq!(at(&metrics[2], "/pods/metric/name"), "http_requests_per_second");
    let recommender = &tree()?.get("VerticalPodAutoscaler", "payment-service")?["spec"];
    let bounds = at(recommender, "/resourcePolicy/containerPolicies/0");
    assert_eq!(bounds["minAllowed"], json!({ "cpu": "100m", "memory": "128Mi" }));
    assert_eq!(bounds["maxAllowed"], json!({ "cpu": "1000m", "memory": "1Gi" }));
    // What it recommends is not what a policy refuses.
    let policy = tree()?.get("WorkloadPolicy", "mini-visa-bounds")?;
    let entries = policy["spec"]["validate"].as_array().context("no entries")?;
    let checked =
        entries.iter().find(|entry| entry["name"] == "payment-service-bounds").context("no bounds")?;
    assert_eq!(checked["resources"]["min"], bounds["minAllowed"]);
    assert_eq!(checked["resources"]["max"], json!({ "cpu": "1", "memory": "1Gi" }));
    Ok(())
}

#[test]
fn v9_cert_manager_signs_for_the_gateway_and_for_the_database() -> Result<()> {
    let signed = |name: &str| -> Result<_> {
        let spec = &tree()?.get("Certificate", name)?["spec"];
        tree()?.get("ClusterIssuer", at(spec, "/issuerRef/name").as_str().context("no issuer")?)?;
        Ok((spec["secretName"].clone(), spec["dnsNames"][0].clone()))
    };
    assert_eq!(signed("payments")?, (json!("payments-tls"), json!("payments.mini-visa.local")));
    assert_eq!(signed("postgres-payment")?, (json!("postgres-payment-tls"), json!("postgres-payment")));
    // The authority that both are signed by is one that is made here too.
    let authority = at(tree()?.get("ClusterIssuer", "mini-visa")?, "/spec/ca/secretName");
    assert_eq!(&tree()?.get("Certificate", "mini-visa-ca")?["spec"]["secretName"], authority);
    Ok(())
}
