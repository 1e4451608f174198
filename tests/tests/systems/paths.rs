//! Who may speak with whom: said three times, by those who leave, by those who let in and by the mesh, and each time the
//! same.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::selector::selects;
use crate::tree::Tree;
use crate::workload::Workload;

/// One workload speaks to another at a port.
type Path = (String, String, u64);

/// Where every pod's metrics are: on Istio's agent, which no other rule is about.
const AGENT: u64 = 15020;

fn list<'v>(value: &'v Value, field: &str) -> Vec<&'v Value> {
    value[field].as_array().into_iter().flatten().collect()
}

/// The paths within the namespace that NetworkPolicies open at one end: `ingress` and `from`, or `egress` and `to`.
fn opened(tree: &Tree, rules: &str, peers: &str) -> BTreeSet<Path> {
    let workloads = tree.workloads();
    let mut paths = BTreeSet::new();
    for policy in tree.of("NetworkPolicy") {
        let of: Vec<&Workload> =
            workloads.iter().filter(|it| selects(&policy["spec"]["podSelector"], it.labels())).collect();
        for rule in list(&policy["spec"], rules) {
            let within = list(rule, peers)
                .into_iter()
                .filter(|peer| peer["podSelector"].is_object() && peer["namespaceSelector"].is_null());
            for peer in within {
                for other in workloads.iter().filter(|it| selects(&peer["podSelector"], it.labels())) {
                    for port in list(rule, "ports").iter().filter_map(|it| it["port"].as_u64()) {
                        for this in &of {
                            let (from, to) = if rules == "egress" { (*this, other) } else { (other, *this) };
                            if port != AGENT {
                                paths.insert((from.name.clone(), to.name.clone(), port));
                            }
                        }
                    }
                }
            }
        }
    }
    paths
}

#[test]
fn both_ends_of_every_path_are_open() -> Result<()> {
    let mut all = 0;
    for tree in Tree::all()? {
        let (leave, enter) = (opened(tree, "egress", "to"), opened(tree, "ingress", "from"));
        let odd: Vec<_> = leave.symmetric_difference(&enter).collect();
        ensure!(odd.is_empty(), "{}: open at one end only: {odd:?}", tree.name);
        all += leave.len();
    }
    ensure!(all >= 20, "only {all} paths were found");
    Ok(())
}

#[test]
fn a_path_leads_to_a_port_that_somebody_listens_on() -> Result<()> {
    for tree in Tree::all()? {
        let workloads = tree.workloads();
        for (from, to, port) in opened(tree, "ingress", "from") {
            let listens = workloads
                .iter()
                .filter(|it| it.name == to)
                .any(|it| it.ports().iter().any(|(_, number)| *number == port));
            ensure!(listens, "{}: {from} may reach {to} at {port}", tree.name);
        }
    }
    Ok(())
}

/// Whether the mesh lets an account of this namespace in, at this port.
fn lets_in(tree: &Tree, to: &Workload, account: &str, port: u64) -> bool {
    tree.of("AuthorizationPolicy").map(|it| &it["spec"]).any(|spec| {
        selects(&spec["selector"], to.labels())
            && list(spec, "rules").into_iter().any(|rule| {
                let who = list(rule, "from")
                    .into_iter()
                    .any(|from| list(&from["source"], "serviceAccounts").into_iter().any(|it| it == account));
                let ports: Vec<&str> = list(rule, "to")
                    .into_iter()
                    .flat_map(|to| list(&to["operation"], "ports"))
                    .filter_map(Value::as_str)
                    .collect();
                who && (ports.is_empty() || ports.contains(&port.to_string().as_str()))
            })
    })
}

#[test]
fn the_mesh_lets_in_whom_the_network_lets_in_and_nobody_else() -> Result<()> {
    for tree in Tree::all()? {
        let (workloads, open) = (tree.workloads(), opened(tree, "ingress", "from"));
        for to in &workloads {
            for (_, port) in to.ports() {
                for from in &workloads {
                    let network = open.contains(&(from.name.clone(), to.name.clone(), port));
                    let mesh = lets_in(tree, to, from.account(), port);
                    ensure!(
                        network == mesh,
                        "{}: {} to {} at {port}: the network {network}, the mesh {mesh}",
                        tree.name,
                        from.name,
                        to.name
                    );
                }
            }
        }
    }
    Ok(())
}

/// A selector that selects nothing is a name that was misspelt.
#[test]
fn every_policy_of_the_network_and_the_mesh_is_about_somebody() -> Result<()> {
    let mut all = 0;
    for tree in Tree::all()? {
        let workloads = tree.workloads();
        let about_somebody = |selector: &Value| workloads.iter().any(|it| selects(selector, it.labels()));
        for policy in tree.of("NetworkPolicy").chain(tree.of("AuthorizationPolicy")) {
            let spec = &policy["spec"];
            let rules = list(spec, "ingress").into_iter().chain(list(spec, "egress"));
            let peers = rules.flat_map(|rule| [list(rule, "from"), list(rule, "to")].concat());
            let within =
                peers.filter(|peer| peer["namespaceSelector"].is_null()).map(|peer| &peer["podSelector"]);
            let own = [&spec["podSelector"], &spec["selector"]];
            for selector in within.chain(own).filter(|selector| selector.is_object()) {
                ensure!(
                    about_somebody(selector),
                    "{}: {}: {selector}",
                    tree.name,
                    policy["metadata"]["name"]
                );
                all += 1;
            }
            let sources = list(spec, "rules").into_iter().flat_map(|rule| list(rule, "from"));
            for account in sources.flat_map(|from| list(&from["source"], "serviceAccounts")) {
                let account = account.as_str().unwrap_or_default();
                let known = account.contains('/') || workloads.iter().any(|it| it.account() == account);
                ensure!(known, "{}: nobody is {account}", tree.name);
            }
        }
    }
    ensure!(all > 50, "only {all} selectors were found");
    Ok(())
}
