//! Which policies are in force, and in which order a proxy has them.
//!
//! Those of the mesh's root namespace come first: they are for everybody. Of two policies of one scope that may be about
//! the same requests, the older is in force, as with the routes of the Gateway API: somebody who comes later takes
//! nothing from those who are there.

use std::cmp::Reverse;

use sallyport_traffic::program::PolicyName;

use super::Target;
use crate::Plugin;

/// A policy of the cluster's, and whom it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What it says.
    pub plugin: Plugin,
    /// When it was made, in Unix seconds.
    pub created: i64,
    /// Whether it stands in the mesh's root namespace, and is for the pods of all namespaces.
    pub mesh_wide: bool,
    /// Whom it is for.
    pub targets: Vec<Target>,
}

/// A policy where it stands among the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<'p> {
    /// The policy.
    pub policy: &'p Policy,
    /// The older policy that keeps it from being in force.
    pub conflicts_with: Option<&'p PolicyName>,
    /// The headers that policies before it set, wherever it is.
    pub(super) set_before: Vec<String>,
    /// Of two in one proxy, that with the greater comes first.
    pub(super) priority: i32,
}

/// The policies in the order in which a proxy has them.
#[must_use]
pub fn place(policies: &[Policy]) -> Vec<Placed<'_>> {
    let mut sorted: Vec<&Policy> = policies.iter().collect();
    sorted.sort_by_key(|policy| (Reverse(policy.mesh_wide), policy.created, &policy.plugin.policy));
    let mut placed: Vec<Placed<'_>> = Vec::new();
    for policy in sorted {
        let in_force =
            || placed.iter().filter(|before| before.conflicts_with.is_none()).map(|one| one.policy);
        let conflicts_with = in_force().find(|before| conflict(before, policy)).map(|it| &it.plugin.policy);
        // Of one that is only perhaps before it, a client could send what it sets.
        let before = in_force().filter(|before| is_always_before(before, policy));
        let mut set_before: Vec<String> = before.flat_map(|before| before.plugin.sets()).collect();
        set_before.sort_unstable();
        set_before.dedup();
        placed.push(Placed { policy, conflicts_with, set_before, priority: priority(policy) });
    }
    placed
}

/// Whether both are for the pods of the same namespaces.
fn same_scope(one: &Policy, other: &Policy) -> bool {
    one.mesh_wide == other.mesh_wide
        && (one.mesh_wide || one.plugin.policy.namespace == other.plugin.policy.namespace)
}

fn conflict(one: &Policy, other: &Policy) -> bool {
    let overlap = || one.targets.iter().any(|one| other.targets.iter().any(|other| one.overlaps(other)));
    same_scope(one, other) && overlap() && one.plugin.shares_hosts(&other.plugin)
}

/// Whether every proxy that has `policy` has `before` too, which comes before it.
fn is_always_before(before: &Policy, policy: &Policy) -> bool {
    let covered = |target: &Target| before.targets.iter().any(|before| before.covers(target));
    (before.mesh_wide || same_scope(before, policy)) && policy.targets.iter().all(covered)
}

/// By age, so that a policy which is made changes nothing about the others: the beginning of 2024 and the middle of 2055
/// are as far apart as half of the numbers.
fn priority(policy: &Policy) -> i32 {
    const EPOCH: i64 = 1_704_067_200;
    const HALF: i64 = 1_000_000_000;
    let age = (policy.created - EPOCH).clamp(0, HALF - 1);
    let first = if policy.mesh_wide { 2 * HALF } else { HALF };
    i32::try_from(first - age).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::Proxies;
    use super::*;

    fn policy(namespace: &str, name: &str, created: i64, labels: &[(&str, &str)], spec: &str) -> Policy {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Policy {
            plugin: Plugin {
                policy: PolicyName { namespace: namespace.to_owned(), name: name.to_owned() },
                spec: serde_saphyr::from_str(&format!("{{selector: {{}}, {spec}}}")).unwrap(),
            },
            created,
            mesh_wide: namespace == "istio-system",
            targets: vec![Target { labels: labels.collect(), proxies: Proxies::Any }],
        }
    }

    fn standing(policies: &[Policy]) -> Vec<(&str, Option<&str>)> {
        let placed = place(policies);
        let name = |one: &Placed<'_>| policies.iter().position(|policy| policy == one.policy).unwrap();
        let with = |one: &Placed<'_>| one.conflicts_with.map(|with| with.name.clone());
        let mut all: Vec<(&str, Option<String>)> =
            placed.iter().map(|one| (policies[name(one)].plugin.policy.name.as_str(), with(one))).collect();
        all.drain(..)
            .map(|(name, with)| {
                let with = policies
                    .iter()
                    .map(|it| it.plugin.policy.name.as_str())
                    .find(|it| Some(*it) == with.as_deref());
                (name, with)
            })
            .collect()
    }

    #[test]
    fn of_two_that_meet_the_older_is_in_force() {
        let (old, new) = (1_800_000_000, 1_800_000_001);
        let api = &[("app", "api")];
        let policies = [
            policy("shop", "newer", new, api, ""),
            policy("shop", "older", old, &[], ""),
            policy("shop", "of-another-host", new, api, "hosts: [a.example]"),
            policy("bank", "elsewhere", new, api, ""),
            policy("istio-system", "for-all", new, &[], ""),
        ];
        let wanted = [
            ("for-all", None),
            ("older", None),
            ("elsewhere", None),
            ("newer", Some("older")),
            ("of-another-host", Some("older")),
        ];
        assert_eq!(standing(&policies), wanted);
        // By the order in which they are known nothing changes.
        let mut turned = policies.clone();
        turned.reverse();
        assert_eq!(standing(&turned), wanted);
        // Made in the same second, the name decides.
        let same = [policy("shop", "b", old, api, ""), policy("shop", "a", old, api, "")];
        assert_eq!(standing(&same), [("a", None), ("b", Some("a"))]);
    }

    #[test]
    fn one_that_is_not_in_force_stands_in_nobodys_way() {
        let policies = [
            policy("shop", "a", 1, &[("app", "api")], ""),
            policy("shop", "b", 2, &[], "hosts: [a.example]"),
            policy("shop", "c", 3, &[("app", "web")], ""),
        ];
        assert_eq!(standing(&policies), [("a", None), ("b", Some("a")), ("c", None)]);
    }

    #[test]
    fn a_policy_knows_what_is_set_before_it_everywhere() {
        let jwt = |header: &str| {
            format!(
                "jwt: {{rules: [], providers: [{{name: c, issuer: c, algorithms: [HS256], jwks: {{env: {{name: KEYS}}}}, \
                 claimsToHeaders: [{{claim: [sub], header: {header}}}]}}]}}"
            )
        };
        let policies = [
            policy("istio-system", "all", 9, &[], &format!("hosts: [z.example], {}", jwt("x-all"))),
            policy(
                "istio-system",
                "gateway",
                9,
                &[("istio", "ingressgateway")],
                &format!("hosts: [a.example], {}", jwt("x-gateway")),
            ),
            policy("shop", "first", 1, &[("app", "api")], &format!("hosts: [b.example], {}", jwt("x-first"))),
            policy("shop", "second", 2, &[("app", "api")], "hosts: [c.example]"),
            policy("shop", "web", 3, &[("app", "web")], "hosts: [d.example]"),
        ];
        let placed = place(&policies);
        let before: Vec<(&str, Vec<&str>)> = placed
            .iter()
            .map(|one| {
                (one.policy.plugin.policy.name.as_str(), one.set_before.iter().map(String::as_str).collect())
            })
            .collect();
        assert_eq!(
            before,
            [
                ("all", vec![]),
                ("gateway", vec!["x-all"]),
                ("first", vec!["x-all"]),
                ("second", vec!["x-all", "x-first"]),
                ("web", vec!["x-all"]),
            ]
        );
        // And that order is what the proxies are told.
        let priorities: Vec<i32> = placed.iter().map(|one| one.priority).collect();
        assert!(priorities.is_sorted_by(|one, next| one >= next), "{priorities:?}");
    }
}
