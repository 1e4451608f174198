//! P3–P7 and P10: a closed namespace, what a failing service costs, the gateways, what is watched, what may be away.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::webhook::at;
use serde_json::{Value, json};

use crate::alike::only_the_gateway_gets_in;
use crate::tree::Tree;

fn tree() -> Result<&'static Tree> {
    Tree::named("media-platform")
}

#[test]
fn p3_only_the_gateways_get_in() -> Result<()> {
    only_the_gateway_gets_in(tree()?, "api-service", 3000)?;
    only_the_gateway_gets_in(tree()?, "media-service", 8080)
}

#[test]
fn p4_a_failing_pod_is_left_out_after_5_errors_and_a_call_is_tried_3_times() -> Result<()> {
    for (service, timeout) in [("api-service", "30s"), ("media-service", "300s")] {
        let rule = tree()?.get("DestinationRule", service)?;
        assert_eq!(at(rule, "/spec/trafficPolicy/outlierDetection/consecutive5xxErrors"), 5, "{service}");
        let route = at(tree()?.get("VirtualService", service)?, "/spec/http/0");
        assert_eq!(route["timeout"], timeout, "{service}");
        assert_eq!(route["retries"]["attempts"], 3, "{service}");
        assert!(route["retries"]["backoff"].is_string(), "{service}");
    }
    Ok(())
}

#[test]
fn p5_two_gateways_that_send_to_https() -> Result<()> {
    let mut hosts = BTreeSet::new();
    for gateway in tree()?.of("Gateway") {
        let servers = gateway["spec"]["servers"].as_array().context("no servers")?;
        let of = |protocol: &str| {
            servers.iter().find(|it| it["port"]["protocol"] == protocol).context("no server")
        };
        assert_eq!(of("HTTP")?["tls"], json!({ "httpsRedirect": true }));
        assert_eq!(of("HTTP")?["hosts"], of("HTTPS")?["hosts"]);
        assert_eq!(of("HTTPS")?["tls"]["mode"], "SIMPLE");
        hosts.extend(of("HTTPS")?["hosts"][0].as_str());
    }
    assert_eq!(hosts, ["api.media-platform.example", "media.media-platform.example"].into());
    Ok(())
}

#[test]
fn p6_each_service_has_its_monitor() -> Result<()> {
    let monitors: Vec<&Value> = tree()?.of("ServiceMonitor").map(|it| &it["metadata"]["name"]).collect();
    assert_eq!(monitors, ["api-service", "media-service", "worker-service"]);
    Ok(())
}

#[test]
fn p7_budgets_of_two_one_and_one_for_each_kind_of_worker() -> Result<()> {
    let budgets = tree()?.of("PodDisruptionBudget");
    let budgets: Vec<_> = budgets
        .map(|it| (at(it, "/spec/selector/matchLabels/app").as_str(), it["spec"]["minAvailable"].as_u64()))
        .collect();
    let want = [
        ("api-service", 2),
        ("media-service", 1),
        ("media-processor", 1),
        ("outbox-processor", 1),
        ("data-export", 1),
    ];
    assert_eq!(budgets, want.map(|(app, min)| (Some(app), Some(min))));
    Ok(())
}

#[test]
fn p7_each_deployment_grows_as_its_guide_says() -> Result<()> {
    let want = [
        ("api-service", 3, 100),
        ("media-service", 2, 50),
        ("media-processor", 2, 100),
        ("outbox-processor", 2, 20),
        ("data-export", 1, 10),
    ];
    for (name, min, max) in want {
        let spec = &tree()?.get("HorizontalPodAutoscaler", name)?["spec"];
        assert_eq!((&spec["minReplicas"], &spec["maxReplicas"]), (&json!(min), &json!(max)), "{name}");
        let up = &spec["behavior"]["scaleUp"]["policies"];
        assert_eq!((&up[0]["value"], &up[1]["value"]), (&json!(50), &json!(10)), "{name}");
        let down = &spec["behavior"]["scaleDown"];
        assert_eq!(
            (&down["stabilizationWindowSeconds"], &down["policies"][0]["value"]),
            (&json!(300), &json!(10))
        );
    }
    let queue = at(tree()?.get("HorizontalPodAutoscaler", "media-processor")?, "/spec/metrics/0");
    assert_eq!(at(queue, "/external/metric/name"), "sqs_messages_visible");
    Ok(())
}

/// A pod that goes is told of first, and has the time that its longest request may take.
#[test]
fn p10_no_request_is_lost_by_a_rollout() -> Result<()> {
    let timeouts = [("api-service", 30), ("media-service", 300)];
    for (name, timeout) in timeouts {
        let strategy = &tree()?.get("Deployment", name)?["spec"]["strategy"]["rollingUpdate"];
        assert_eq!(strategy["maxUnavailable"], 0, "{name}");
        let workloads = tree()?.workloads();
        let workload = workloads.iter().find(|it| it.name == name).context("no workload")?;
        let container = workload.containers().next().context("no container")?;
        let waits = at(container, "/lifecycle/preStop/sleep/seconds").as_u64().context("no preStop")?;
        let grace = workload.pod["spec"]["terminationGracePeriodSeconds"].as_u64().context("no grace")?;
        ensure!(waits >= 10 && grace >= waits + timeout, "{name}: {waits} and {timeout} in {grace}");
        assert!(container["readinessProbe"].is_object(), "{name}");
    }
    Ok(())
}
