//! A3, A5 and A6: the rate limit service that the filter asks, what is watched, a closed namespace.

use anyhow::{Context as _, Result};
use sallyport_tests::webhook::at;
use serde_json::{Value, json};

use crate::alike::{only_the_gateway_gets_in, utilization};
use crate::tree::Tree;

fn tree() -> Result<&'static Tree> {
    Tree::named("ai-imutis")
}

#[test]
fn a3_the_filter_finds_the_rate_limit_service_over_this_redis() -> Result<()> {
    let asked = at(tree()?.get("TrafficPolicy", "api")?, "/spec/rateLimitService");
    let service = tree()?.get("Service", asked["service"].as_str().context("no service")?)?;
    assert_eq!(at(service, "/spec/ports/0/port"), &asked["port"]);
    assert_eq!(at(service, "/spec/ports/0/name"), "grpc");
    let workloads = tree()?.workloads();
    let limiter = workloads.iter().find(|it| it.name == "ratelimit").context("no ratelimit")?;
    let variables = limiter.containers().filter_map(|it| it["env"].as_array()).flatten();
    let redis = variables.into_iter().find(|it| it["name"] == "REDIS_URL").context("no REDIS_URL")?;
    let port = at(tree()?.get("Service", "redis")?, "/spec/ports/0/port");
    assert_eq!(redis["value"], format!("redis:{port}"));
    // Requests carry their limits: it has to know the domain, and nothing else.
    let configuration = tree()?.get("ConfigMap", "ratelimit-config")?;
    assert_eq!(configuration["data"], json!({ "sallyport.yaml": "domain: sallyport\n" }));
    Ok(())
}

#[test]
fn a5_scraped_every_15_seconds_and_traced_to_jaeger() -> Result<()> {
    let monitor = tree()?.get("ServiceMonitor", "api")?;
    assert_eq!(at(monitor, "/spec/endpoints/0/interval"), "15s");
    let own = tree()?.get("ConfigMap", "prometheus-config")?["data"]["prometheus.yml"].as_str();
    let own: Value = serde_saphyr::from_str(own.context("no prometheus.yml")?)?;
    assert_eq!(own["global"]["scrape_interval"], "15s");
    assert_eq!(own["rule_files"], json!(["/etc/prometheus/alerts.yaml"]));
    let telemetry = tree()?.get("Telemetry", "ai-imutis")?;
    assert_eq!(at(telemetry, "/spec/tracing/0/providers/0/name"), "jaeger");
    assert_eq!(tree()?.get("ConfigMap", "api-config")?["data"]["LOG_FORMAT"], "json");
    Ok(())
}

#[test]
fn a6_a_closed_namespace_with_a_quota_and_a_budget() -> Result<()> {
    only_the_gateway_gets_in(tree()?, "api", 8000)?;
    assert!(tree()?.get("ResourceQuota", "ai-imutis-quota")?["spec"]["hard"]["limits.cpu"].is_string());
    assert_eq!(tree()?.get("PodDisruptionBudget", "api")?["spec"]["minAvailable"], 2);
    let spec = &tree()?.get("HorizontalPodAutoscaler", "api")?["spec"];
    assert_eq!((&spec["minReplicas"], &spec["maxReplicas"]), (&json!(3), &json!(10)));
    assert_eq!(spec["metrics"], utilization(70, 80));
    Ok(())
}
