//! F9–F12: a closed namespace, how the API grows, the version to come, what others may take.

use anyhow::Result;
use sallyport_tests::webhook::at;
use serde_json::json;

use crate::alike::{is_a_canary, only_the_gateway_gets_in, utilization};
use crate::tree::Tree;

fn tree() -> Result<&'static Tree> {
    Tree::named("financial-planning")
}

#[test]
fn f9_only_the_gateway_gets_in_and_little_gets_out() -> Result<()> {
    only_the_gateway_gets_in(tree()?, "financial-planning-api", 8000)?;
    let sidecar = tree()?.get("Sidecar", "default")?;
    assert_eq!(at(sidecar, "/spec/outboundTrafficPolicy/mode"), "REGISTRY_ONLY");
    for entry in tree()?.of("ServiceEntry") {
        assert_eq!(entry["spec"]["exportTo"], json!(["."]), "{}", entry["metadata"]["name"]);
    }
    Ok(())
}

#[test]
fn f10_five_to_twenty_replicas_of_which_one_may_be_away() -> Result<()> {
    let spec = &tree()?.get("HorizontalPodAutoscaler", "financial-planning-api-hpa")?["spec"];
    assert_eq!((&spec["minReplicas"], &spec["maxReplicas"]), (&json!(5), &json!(20)));
    let metrics = spec["metrics"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert_eq!(json!(metrics[..2]), utilization(70, 80));
    let more: Vec<_> = metrics[2..]
        .iter()
        .map(|it| {
            let kind = if it["type"] == "Pods" { "pods" } else { "external" };
            let target = &it[kind]["target"];
            (at(&it[kind], "/metric/name").clone(), target["averageValue"].clone(), target["value"].clone())
        })
        .collect();
    let want = [
        (json!("http_requests_per_second"), json!("100"), json!(null)),
        (json!("http_request_duration_milliseconds"), json!("500"), json!(null)),
        (json!("load_balancer_queue_depth"), json!(null), json!("10")),
    ];
    assert_eq!(more, want);
    let budget = tree()?.get("PodDisruptionBudget", "financial-planning-api")?;
    assert_eq!(budget["spec"]["maxUnavailable"], 1);
    let recommender = tree()?.get("VerticalPodAutoscaler", "financial-planning-api")?;
    assert_eq!(recommender["spec"]["updatePolicy"], json!({ "updateMode": "Off" }));
    Ok(())
}

#[test]
fn f11_whoever_asks_for_it_and_one_in_ten_get_v2() -> Result<()> {
    is_a_canary(tree()?, "financial-planning-api", "financial-planning-api-svc", ["v1", "v2"])
}

#[test]
fn f12_the_namespace_has_a_quota_limits_and_an_account_for_each_component() -> Result<()> {
    let quota = &tree()?.get("ResourceQuota", "financial-planning-quota")?["spec"]["hard"];
    for key in ["requests.cpu", "requests.memory", "limits.cpu", "limits.memory", "pods"] {
        assert!(quota[key].is_string(), "{key}");
    }
    let limits = &tree()?.get("LimitRange", "financial-planning-limits")?["spec"]["limits"][0];
    for key in ["default", "defaultRequest", "max"] {
        assert!(limits[key]["cpu"].is_string() && limits[key]["memory"].is_string(), "{key}");
    }
    // Whoever may change the network serves no requests.
    let binding = tree()?.get("RoleBinding", "financial-planning-network")?;
    let who = at(binding, "/subjects/0/name");
    assert_eq!(who, "financial-planning-network");
    assert!(tree()?.workloads().iter().all(|workload| who != workload.account()));
    Ok(())
}
