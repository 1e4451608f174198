//! M4, M5, M7 and M8: the way in, what is watched, how it grows, where secrets come from.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use sallyport_tests::webhook::at;
use serde_json::{Value, json};

use crate::tree::Tree;

#[test]
fn m4_only_the_ingress_controller_gets_in() -> Result<()> {
    for name in ["mita", "mita-staging"] {
        let tree = Tree::named(name)?;
        let rules = tree.of("NetworkPolicy").filter_map(|it| it["spec"]["ingress"].as_array()).flatten();
        let from: Vec<&Value> = rules
            .filter(|rule| rule["ports"] != json!([{ "port": 15020 }]))
            .map(|rule| &rule["from"])
            .collect();
        let controller = json!({ "kubernetes.io/metadata.name": "nginx-ingress" });
        assert_eq!(from, [&json!([{ "namespaceSelector": { "matchLabels": controller } }])]);

        let backend = tree.get("AuthorizationPolicy", "backend")?;
        assert_eq!(
            at(backend, "/spec/rules/0/from"),
            &json!([{ "source": { "namespaces": ["nginx-ingress"] } }])
        );

        // And it asks by the name that the mesh knows.
        let ingress = tree.get("Ingress", "mita")?;
        let host = at(ingress, "/metadata/annotations/nginx.ingress.kubernetes.io~1upstream-vhost");
        assert_eq!(host, &json!(format!("mita.{}.svc.cluster.local", tree.namespace()?)));
        assert_eq!(at(ingress, "/spec/tls/0/hosts/0"), at(ingress, "/spec/rules/0/host"));
    }
    Ok(())
}

#[test]
fn m5_prometheus_is_told_of_every_component() -> Result<()> {
    let tree = Tree::named("mita")?;
    let mut of = BTreeSet::new();
    for monitor in tree.of("ServiceMonitor") {
        let selector = &monitor["spec"]["selector"];
        let services =
            tree.of("Service").filter(|it| crate::selector::selects(selector, &it["metadata"]["labels"]));
        of.extend(services.filter_map(|it| it["metadata"]["labels"]["app.kubernetes.io/component"].as_str()));
    }
    assert_eq!(of, ["backend", "scheduler", "worker"].into());
    Ok(())
}

#[test]
fn m7_the_backend_grows_from_3_to_10_and_in_staging_from_2_to_5() -> Result<()> {
    for (name, replicas, max, host) in
        [("mita", 3, 10, "mita.finance"), ("mita-staging", 2, 5, "staging.mita.finance")]
    {
        let tree = Tree::named(name)?;
        let spec = &tree.get("HorizontalPodAutoscaler", "mita")?["spec"];
        assert_eq!((&spec["minReplicas"], &spec["maxReplicas"]), (&json!(replicas), &json!(max)), "{name}");
        assert_eq!(spec["metrics"], crate::alike::utilization(70, 80), "{name}");
        assert_eq!(tree.get("Deployment", "mita")?["spec"]["replicas"], replicas, "{name}");
        assert_eq!(at(tree.get("Ingress", "mita")?, "/spec/rules/0/host"), host, "{name}");
        let debug = if name == "mita" { "false" } else { "true" };
        assert_eq!(tree.get("ConfigMap", "mita-config")?["data"]["DEBUG"], debug, "{name}");
    }
    Ok(())
}

#[test]
fn m8_every_secret_comes_through_external_secrets() -> Result<()> {
    for (name, environment) in [("mita", "production"), ("mita-staging", "staging")] {
        let tree = Tree::named(name)?;
        assert_eq!(tree.of("Secret").count(), 0);
        let store = format!("mita-{environment}-secrets");
        let provider = &tree.get("SecretStore", &store)?["spec"]["provider"]["aws"];
        let account = at(provider, "/auth/jwt/serviceAccountRef/name").as_str().context("no account")?;
        tree.get("ServiceAccount", account)?;
        let mut keys = BTreeSet::new();
        for secret in tree.of("ExternalSecret") {
            assert_eq!(secret["spec"]["secretStoreRef"], json!({ "kind": "SecretStore", "name": store }));
            for entry in secret["spec"]["data"].as_array().context("no data")? {
                let from = at(entry, "/remoteRef/key").as_str().context("no key")?;
                assert!(from.starts_with(&format!("mita/{environment}/")), "{from}");
                keys.insert((secret["metadata"]["name"].clone().to_string(), entry["secretKey"].to_string()));
            }
        }
        // Each key that a pod reads is one of them.
        for workload in tree.workloads() {
            for variable in workload.containers().filter_map(|it| it["env"].as_array()).flatten() {
                let read = &variable["valueFrom"]["secretKeyRef"];
                if read.is_object() {
                    assert!(keys.contains(&(read["name"].to_string(), read["key"].to_string())), "{read}");
                }
            }
        }
    }
    Ok(())
}

/// What Helm's two files of values would be: one set of files, and what staging says otherwise.
#[test]
fn m9_production_and_staging_are_the_same_objects() -> Result<()> {
    let names = |tree: &str| -> Result<BTreeSet<(String, String)>> {
        let objects = Tree::named(tree)?.objects.iter();
        // Nobody is called at night for staging, and Namespace and SecretStore have its name.
        let own = ["Namespace", "PrometheusRule", "SecretStore"];
        let objects = objects.filter(|it| !own.iter().any(|kind| it["kind"] == *kind));
        let objects = objects.filter(|it| it["metadata"]["name"] != "mita-dashboard");
        Ok(objects.map(|it| (it["kind"].to_string(), it["metadata"]["name"].to_string())).collect())
    };
    let (production, staging) = (names("mita")?, names("mita-staging")?);
    assert!(production.len() > 40, "{}", production.len());
    assert_eq!(production, staging);
    Ok(())
}
