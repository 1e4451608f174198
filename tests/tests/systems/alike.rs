//! What several guides ask for alike.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::selector::selects;
use crate::tree::Tree;

/// Metrics of an autoscaler: so many per cent of what is requested.
pub(crate) fn utilization(cpu: u32, memory: u32) -> Value {
    let of = |name: &str, percent: u32| {
        let target = json!({ "type": "Utilization", "averageUtilization": percent });
        json!({ "type": "Resource", "resource": { "name": name, "target": target } })
    };
    json!([of("cpu", cpu), of("memory", memory)])
}

/// Whoever sends `canary: true` gets the second version; of all others, one in ten. Both have a Deployment of their own.
pub(crate) fn is_a_canary(tree: &Tree, route: &str, host: &str, [stable, canary]: [&str; 2]) -> Result<()> {
    let http = &tree.get("VirtualService", route)?["spec"]["http"];
    let to = |subset: &str| json!({ "host": host, "subset": subset });
    assert_eq!(http[0]["match"], json!([{ "headers": { "canary": { "exact": "true" } } }]));
    assert_eq!(http[0]["route"], json!([{ "destination": to(canary) }]));
    assert_eq!(http[1]["match"], Value::Null);
    let shared =
        json!([{ "destination": to(stable), "weight": 90 }, { "destination": to(canary), "weight": 10 }]);
    assert_eq!(http[1]["route"], shared);
    // Asked for or not, it is the same service: no other limits of time, no other retries.
    for field in ["timeout", "retries"] {
        assert_eq!(http[0][field], http[1][field]);
    }
    let versions: BTreeSet<String> =
        tree.workloads().iter().filter_map(|it| it.labels()["version"].as_str().map(str::to_owned)).collect();
    ensure!(versions.contains(stable) && versions.contains(canary), "{versions:?}");
    Ok(())
}

/// From outside the namespace nobody but the ingress gateway reaches these pods, and at this port alone: neither over the
/// network nor by the mesh.
pub(crate) fn only_the_gateway_gets_in(tree: &Tree, app: &str, port: u64) -> Result<()> {
    let labels = json!({ "app": app, "version": "v1" });
    let gateway = json!({
        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": "istio-system" } },
        "podSelector": { "matchLabels": { "istio": "ingressgateway" } },
    });
    let about = |it: &&Value| selects(&it["spec"]["podSelector"], &labels);
    let rules =
        tree.of("NetworkPolicy").filter(about).filter_map(|it| it["spec"]["ingress"].as_array()).flatten();
    let mut ways = 0;
    for rule in rules.filter(|rule| rule["ports"] != json!([{ "port": 15020 }])) {
        for peer in rule["from"].as_array().context("from anywhere")? {
            if !peer["namespaceSelector"].is_null() {
                assert_eq!((peer, &rule["ports"]), (&gateway, &json!([{ "port": port }])));
                ways += 1;
            }
        }
    }
    assert_eq!(ways, 1, "{app}");
    let about = |it: &&Value| selects(&it["spec"]["selector"], &labels);
    let rules = tree
        .of("AuthorizationPolicy")
        .filter(about)
        .filter_map(|it| it["spec"]["rules"].as_array())
        .flatten();
    let sources = rules.filter_map(|rule| rule["from"].as_array()).flatten().map(|from| &from["source"]);
    let mut outside = BTreeSet::new();
    for source in sources {
        let accounts = source["serviceAccounts"].as_array().context("not by account")?;
        outside.extend(accounts.iter().filter_map(Value::as_str).filter(|account| account.contains('/')));
    }
    assert_eq!(outside, ["istio-system/istio-ingressgateway"].into(), "{app}");
    Ok(())
}
