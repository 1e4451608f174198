//! The rule `podSecurity` gives the verdict of the API server's own plugin, for the same reasons.

mod random_pods;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use kube::Error;
use sallyport_admission::resources::WorkloadPolicySpec;
use sallyport_admission::{Context, PodBearing, Policy, PolicySet, Request, offline, validate};
use sallyport_tests::control_plane::ControlPlane;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use random_pods::Random;

/// Every version in which a control changes and the one before it, and versions that are newer than any change.
const VERSIONS: [&str; 23] = [
    "v1.0", "v1.7", "v1.8", "v1.18", "v1.19", "v1.21", "v1.22", "v1.23", "v1.24", "v1.25", "v1.26", "v1.27",
    "v1.28", "v1.29", "v1.30", "v1.31", "v1.32", "v1.33", "v1.34", "v1.35", "v1.36", "v1.99", "latest",
];

/// What the plugin says of a pod that a control refuses, by the control's identifier.
const REASONS: [(&str, &str); 19] = [
    ("allowPrivilegeEscalation", "allowPrivilegeEscalation != false"),
    ("appArmorProfile", "forbidden AppArmor profile"),
    ("capabilities_baseline", "non-default capabilities"),
    ("capabilities_restricted", "unrestricted capabilities"),
    ("hostNamespaces", "host namespaces"),
    ("hostPathVolumes", "hostPath volumes"),
    ("hostPorts", "hostPort"),
    ("hostProbesAndHostLifecycle", "probe or lifecycle host"),
    ("privileged", "privileged"),
    ("procMount", "procMount"),
    ("procMount_restricted", "procMount"),
    ("restrictedVolumes", "restricted volume types"),
    ("runAsNonRoot", "runAsNonRoot != true"),
    ("runAsUser", "runAsUser=0"),
    ("seLinuxOptions", "seLinuxOptions"),
    ("seccompProfile_baseline", "seccompProfile"),
    ("seccompProfile_restricted", "seccompProfile"),
    ("sysctls", "forbidden sysctls"),
    ("windowsHostProcess", "hostProcess"),
];

const PODS: u64 = 3000;
const WORKERS: u64 = 16;

/// A level in a version: a policy, and a namespace with the labels that say the same.
struct Standard {
    name: String,
    namespace: String,
    set: PolicySet,
}

impl Standard {
    async fn install(cluster: &ControlPlane, level: &str, version: &str) -> Result<Self> {
        let labels = [
            ("pod-security.kubernetes.io/enforce", level),
            ("pod-security.kubernetes.io/enforce-version", version),
        ];
        let spec: WorkloadPolicySpec = serde_json::from_value(json!({
            "match": { "kinds": ["Pod"] },
            "validate": [{ "name": "level", "podSecurity": { "level": level, "version": version } }],
        }))?;
        let (policy, found) = Policy::compile("standard", &spec);
        let set = PolicySet::new(vec![policy.with_context(|| format!("{found:?}"))?]);
        let namespace = cluster.namespace(&labels).await?;
        Ok(Self { name: format!("{level}:{version}"), namespace, set })
    }

    /// The controls that refuse the pod, each with what it says.
    fn refused(&self, pod: &Value) -> Result<BTreeMap<String, String>> {
        let request: Request = serde_json::from_value(json!({
            "uid": "1",
            "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "namespace": self.namespace,
            "operation": "CREATE",
            "object": pod,
        }))?;
        let decision = validate(&self.set, &request, &Context::default());
        ensure!(decision.allowed == decision.violations.is_empty(), "{:?}", decision.violations);
        let mut refused = BTreeMap::new();
        for violation in decision.violations {
            let (_, control) = violation.message.rsplit_once(" (control ").context("no control")?;
            let control = control.trim_end_matches(')');
            refused.insert(control.to_owned(), format!("{}: {}", violation.path, violation.message));
        }
        Ok(refused)
    }
}

/// The reasons that are given for these controls.
fn reasons(controls: &BTreeMap<String, String>) -> BTreeSet<&'static str> {
    let of = |control: &String| REASONS.iter().find(|(id, _)| id == control).map(|(_, reason)| *reason);
    controls.keys().map(|control| of(control).unwrap_or("a control without a reason")).collect()
}

/// The reasons in `pods "web" is forbidden: violates PodSecurity "baseline:latest": reason (detail), reason`; `None`
/// where it was not the plugin that refused.
fn reasons_told(message: &str) -> Option<BTreeSet<String>> {
    let (_, told) = message.split_once("violates PodSecurity \"")?.1.split_once("\": ")?;
    let (mut depth, mut without_details) = (0, String::new());
    for character in told.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 => without_details.push(character),
            _ => {}
        }
    }
    let profiles = ("forbidden AppArmor profiles", "forbidden AppArmor profile");
    let singular =
        |reason: &str| if reason == profiles.0 { profiles.1.to_owned() } else { reason.to_owned() };
    Some(without_details.split(", ").map(|reason| singular(reason.trim())).collect())
}

/// What came of a worker's pods.
#[derive(Default)]
struct Tally {
    /// How many pods each standard lets in, and how many it refuses.
    allowed: BTreeMap<String, usize>,
    refused: BTreeMap<String, usize>,
    /// Those that the API server's own validation refuses, before the plugin is asked.
    invalid: BTreeMap<String, usize>,
    controls: BTreeSet<String>,
    wrong: Vec<String>,
}

fn add(all: &mut BTreeMap<String, usize>, more: BTreeMap<String, usize>) {
    for (what, count) in more {
        *all.entry(what).or_default() += count;
    }
}

#[tokio::test]
async fn random_pods_are_refused_by_the_api_server_s_own_plugin_and_by_the_rule_for_the_same_reasons()
-> Result<()> {
    let seed = match std::env::var("SALLYPORT_SEED") {
        Ok(seed) => seed.parse()?,
        Err(_) => 1_579_127,
    };
    println!("seed: {seed}; SALLYPORT_SEED is another");
    let cluster = ControlPlane::shared().await;
    let mut standards = Vec::new();
    for version in VERSIONS {
        for level in ["baseline", "restricted"] {
            standards.push(Standard::install(cluster, level, version).await?);
        }
    }
    let standards = Arc::new(standards);
    let objects = cluster.objects();
    let mut workers = JoinSet::new();
    for worker in 0..WORKERS {
        let (standards, objects) = (Arc::clone(&standards), objects.clone());
        workers.spawn(async move {
            let mut tally = Tally::default();
            for number in (worker..PODS).step_by(WORKERS as usize) {
                let standard = &standards[number as usize % standards.len()];
                let mut pod = random_pods::pod(&mut Random::new(seed, number));
                pod["metadata"]["namespace"] = json!(standard.namespace);
                let answer = objects.dry_run_create(&pod).await;
                // The plugin sees what static defaulting leaves.
                let mut judged = pod.clone();
                offline::apply_defaults(PodBearing::Pod, &mut judged);
                let ours = standard.refused(&judged)?;
                let theirs = match answer {
                    Ok(stored) => {
                        let of_stored = standard.refused(&stored)?;
                        if !of_stored.is_empty() {
                            tally.wrong.push(format!("as it came back: {of_stored:#?}\n{stored:#}"));
                        }
                        *tally.allowed.entry(standard.name.clone()).or_default() += 1;
                        BTreeSet::new()
                    }
                    Err(Error::Api(status)) if status.code == 403 => {
                        let told = reasons_told(&status.message);
                        *tally.refused.entry(standard.name.clone()).or_default() += 1;
                        told.with_context(|| status.message.clone())?
                    }
                    Err(Error::Api(status)) if status.code == 422 => {
                        let field = status.details.iter().flat_map(|it| &it.causes).next();
                        let what =
                            field.map(|it| format!("{}: {}", it.field, it.message)).unwrap_or_default();
                        *tally.invalid.entry(what).or_default() += 1;
                        continue;
                    }
                    Err(error) => return Err(error).with_context(|| format!("{pod:#}")),
                };
                if reasons(&ours) != theirs.iter().map(String::as_str).collect() {
                    let name = &standard.name;
                    tally.wrong.push(format!("{name}: {theirs:?}, and by the rule {ours:#?}\n{pod:#}"));
                }
                tally.controls.extend(ours.into_keys());
            }
            Ok(tally)
        });
    }
    let mut all = Tally::default();
    while let Some(tally) = workers.join_next().await {
        let tally = tally??;
        add(&mut all.allowed, tally.allowed);
        add(&mut all.refused, tally.refused);
        add(&mut all.invalid, tally.invalid);
        all.controls.extend(tally.controls);
        all.wrong.extend(tally.wrong);
    }
    let (allowed, refused) = (all.allowed.values().sum::<usize>(), all.refused.values().sum::<usize>());
    println!("{allowed} allowed, {refused} refused, invalid by themselves: {:#?}", all.invalid);
    let shown = all.wrong.iter().take(5).map(String::as_str).collect::<Vec<_>>().join("\n");
    ensure!(all.wrong.is_empty(), "seed {seed}: {} are judged otherwise:\n{shown}", all.wrong.len());
    ensure!(allowed + refused >= 2000, "only {allowed} and {refused}");
    for standard in standards.iter() {
        let of = |tally: &BTreeMap<String, usize>| tally.get(&standard.name).copied().unwrap_or_default();
        let both = (of(&all.allowed), of(&all.refused));
        ensure!(both.0 > 0 && both.1 > 0, "{} lets {} in and refuses {}", standard.name, both.0, both.1);
    }
    let known: BTreeSet<String> = REASONS.iter().map(|(control, _)| control.to_string()).collect();
    ensure!(all.controls == known, "only {:?} refused any", all.controls);
    Ok(())
}
