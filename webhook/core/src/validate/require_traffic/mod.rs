//! TrafficPolicies that must select a pod, and a proxy that no inbound connection goes round.
//!
//! A TrafficPolicy is in force where the pod's connections pass the proxy that has it. Who writes the pod can ask Istio
//! to leave the proxy out, to leave ports out of its redirection, or to run another one; each of these is refused.

mod proxy_annotations;
mod proxy_keys;
mod proxy_volumes;
mod redirection;

use std::fmt;

use sallyport_policy::{Diagnostics, FieldPath};
use serde_json::Value;

use super::mesh::{MeshImages, awaits_injection, is_mesh_s_own};
use super::quoted::quoted;
use super::shape::{ElementAt, FieldAt, list_in, object_in, type_of, wrong_type};
use super::{Report, Rule, Subject};
use crate::object::{Container, ContainerList, Fields, Keys, Pod, Reads, get_list, is_mesh_container};
use crate::resources::TrafficRequirement;
use crate::traffic::TrafficSelector;

/// The rule, compiled.
#[derive(Debug)]
pub(crate) struct RequireTraffic {
    rate_limits: bool,
    jwt: bool,
}

/// Whether a TrafficPolicy does what is asked.
pub(crate) type Has = fn(&TrafficSelector) -> bool;

/// Says whether the proxy is injected, as a label and, in older installations, as an annotation.
const INJECT: &str = "sidecar.istio.io/inject";

impl RequireTraffic {
    pub(crate) fn compile(rule: &TrafficRequirement, path: &FieldPath, found: &mut Diagnostics) -> Self {
        if !rule.rate_limits && !rule.jwt {
            found.error(path.clone(), "the rule asks for nothing; give rateLimits: true or jwt: true");
        }
        Self { rate_limits: rule.rate_limits, jwt: rule.jwt }
    }

    /// What is asked, each with its name.
    pub(crate) fn asked(&self) -> impl Iterator<Item = (Has, &'static str)> {
        let all: [(bool, Has, &str); 2] = [
            (self.rate_limits, |policy| policy.rate_limits, "rate limits"),
            (self.jwt, |policy| policy.jwt, "token checks"),
        ];
        all.into_iter().filter_map(|(asked, has, what)| asked.then_some((has, what)))
    }

    /// Whether TrafficPolicies in mode Enforce that do what is asked select a pod of this namespace with these labels.
    pub(crate) fn is_met<'l>(
        &self,
        traffic: &[TrafficSelector],
        namespace: &str,
        label: impl Fn(&str) -> Option<&'l str> + Copy,
    ) -> bool {
        let selecting =
            || traffic.iter().filter(|policy| policy.enforced && policy.selects(namespace, label));
        self.asked().all(|(has, _)| selecting().any(has))
    }

    /// Reports what is asked of TrafficPolicies and done by none that selects the pod.
    fn judge_selection(&self, pod: Pod<'_>, subject: &Subject<'_>, report: &mut Report) {
        let namespace = subject.request().namespace.as_str();
        let selects = |policy: &&TrafficSelector| policy.selects(namespace, |key| pod.label(key));
        let selecting = || subject.traffic.iter().filter(selects);
        for (has, what) in self.asked() {
            if selecting().any(|policy| policy.enforced && has(policy)) {
                continue;
            }
            let found = match selecting().count() {
                _ if selecting().any(has) => {
                    format!("found {what} only in mode Shadow, which refuses nothing")
                }
                0 => "found no TrafficPolicy that selects the pod".to_owned(),
                1 => format!("found one TrafficPolicy that selects the pod, without {what}"),
                others => format!("found {others} TrafficPolicies that select the pod, none with {what}"),
            };
            let message = format!(
                "{found}; wanted a TrafficPolicy with {what} in mode Enforce, of namespace {namespace} or of the whole mesh"
            );
            report.violation("metadata.labels", message);
        }
    }
}

impl Rule for RequireTraffic {
    fn required_traffic(&self) -> Option<&RequireTraffic> {
        Some(self)
    }

    fn reads(&self) -> Reads {
        // Which labels a TrafficPolicy selects by is not known here.
        let annotations = proxy_annotations::keys().chain([INJECT]);
        Reads { labels: Keys::All, annotations: Keys::these(annotations), ..Reads::default() }
    }

    fn judge(&self, subject: &Subject<'_>, report: &mut Report) {
        let Some(pod) = subject.readable_pod(report) else { return };
        self.judge_selection(pod, subject, report);
        judge_namespaces(pod, report);
        if let Some(context) = object_in(pod.spec(), &"spec", "securityContext", report) {
            judge_user(context, &"spec.securityContext", report);
        }
        judge_metadata(pod, subject.mesh_images, report);
        proxy_volumes::judge(pod, report);
        judge_router(pod, report);
        for container in pod.named_containers() {
            judge_container(&container, subject, report);
        }
    }
}

/// Namespaces of the node's, or of all of the pod's containers, and why a pod must not be in them.
const NAMESPACES: [(&str, &str); 3] = [
    ("hostNetwork", "a network of the pod's own, since no proxy is injected into the node's"),
    ("hostPID", "false, since the node's processes lead into its network"),
    ("shareProcessNamespace", "false, so that the proxy's process is the proxy's alone"),
];

/// A pod on its node's network has no network of its own in which to redirect anything, and from the node's processes a
/// way leads there.
fn judge_namespaces(pod: Pod<'_>, report: &mut Report) {
    for (field, wanted) in NAMESPACES {
        let at = FieldAt(&"spec", field);
        match pod.spec().get(field) {
            None | Some(Value::Null | Value::Bool(false)) => {}
            Some(Value::Bool(true)) => report.violation(at, format!("found true; wanted {wanted}")),
            Some(other) => wrong_type(at, other, "false", report),
        }
    }
}

fn judge_metadata(pod: Pod<'_>, mesh_images: &MeshImages, report: &mut Report) {
    let metadata = match pod.template().get("metadata") {
        None | Some(Value::Null) => return,
        Some(Value::Object(metadata)) => metadata,
        Some(other) => return wrong_type("metadata", other, "an object", report),
    };
    for map in ["labels", "annotations"] {
        let at = FieldAt(&"metadata", map);
        let Some(entries) = object_in(metadata, &"metadata", map, report) else { continue };
        for (key, value) in entries {
            let objection = match value {
                Value::Null => None,
                _ if key == INJECT => value.as_str().is_none_or(|v| !is_injected(v)).then_some("true"),
                _ if map == "labels" => None,
                Value::String(value) => proxy_annotations::wanted(key, value, mesh_images),
                _ => proxy_annotations::keys().any(|own| own == key).then_some("a text"),
            };
            if let Some(wanted) = objection {
                let found =
                    value.as_str().map_or_else(|| type_of(value).to_owned(), |v| quoted(v).to_string());
                let message = format!("found {found}; wanted {wanted}, so that every port passes the proxy");
                report.violation(ElementAt(&at, key), message);
            }
        }
    }
}

/// Whether Istio takes it for a yes, or for nothing said (pkg/kube/inject, injectRequired).
fn is_injected(value: &str) -> bool {
    ["y", "yes", "true", "on", ""].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

/// A proxy that runs as a gateway's takes in what is sent to its own ports, and nothing that is sent to another container.
fn judge_router(pod: Pod<'_>, report: &mut Report) {
    let is_router = |container: &Container<'_>| {
        let args = get_list(container.fields, &["args"]);
        container.name() == "istio-proxy" && args.get(1).and_then(Value::as_str) == Some("router")
    };
    let has_others = pod.named_containers().any(|container| {
        container.path.list == ContainerList::Containers && !is_mesh_container(container.name())
    });
    for container in pod.named_containers().filter(|container| has_others && is_router(container)) {
        report.violation(
            FieldAt(&container.path, "args"),
            "found router beside another container; wanted sidecar, so that every port passes the proxy",
        );
    }
}

const STANDS: &str = "so that the redirection to the proxy stands";

fn judge_container(container: &Container<'_>, subject: &Subject<'_>, report: &mut Report) {
    let list = container.path.list;
    let is_own = is_mesh_s_own(list, container.fields, subject.mesh_images);
    let is_proxy_s = is_own || awaits_injection(list, container.fields);
    if is_own {
        redirection::judge(container, report);
    }
    if is_proxy_s {
        proxy_keys::judge(container, &subject.request().namespace, report);
    }
    if !is_proxy_s {
        proxy_volumes::judge_mounts(container, report);
    }
    if is_mesh_container(container.name()) && !is_proxy_s {
        report.violation(
            &container.path,
            "found another image or another program than a mesh's under the name of its container; wanted the \
             mesh's own",
        );
    }
    let target = container.fields.get("targetContainerName").and_then(Value::as_str);
    if let Some(target) = target.filter(|target| is_mesh_container(target)) {
        let found = quoted(target);
        let message =
            format!("found {found}; wanted another container, so that the proxy's process is its own");
        report.violation(FieldAt(&container.path, "targetContainerName"), message);
    }
    let Some(context) = object_in(container.fields, &container.path, "securityContext", report) else {
        return;
    };
    let at = FieldAt(&container.path, "securityContext");
    match context.get("privileged") {
        None | Some(Value::Null | Value::Bool(false)) => {}
        Some(Value::Bool(true)) => {
            report.violation(FieldAt(&at, "privileged"), format!("found true; wanted false, {STANDS}"));
        }
        Some(other) => wrong_type(FieldAt(&at, "privileged"), other, "false", report),
    }
    if !is_proxy_s {
        judge_user(context, &at, report);
    }
    let Some(capabilities) = object_in(context, &at, "capabilities", report) else { return };
    let at = FieldAt(&at, "capabilities");
    for capability in list_in(capabilities, &at, "add", report) {
        match capability.as_str() {
            Some(name) if !leads_round(name) || (is_own && sets_redirection(name)) => {}
            Some(name) => {
                let message = format!("found {}; wanted it not added, {STANDS}", quoted(name));
                report.violation(FieldAt(&at, "add"), message);
            }
            None => wrong_type(FieldAt(&at, "add"), capability, "names of capabilities", report),
        }
    }
}

/// The proxy's own user. Its processes may reach into the proxy's, may listen where it listens, and their traffic is
/// not redirected.
const PROXY_USER: u64 = 1337;

fn judge_user(context: &Fields, at: &dyn fmt::Display, report: &mut Report) {
    let is_proxy_s =
        |user: &Value| user.as_u64() == Some(PROXY_USER) || user.as_f64().is_some_and(|user| user == 1337.0);
    if context.get("runAsUser").is_some_and(is_proxy_s) {
        let message = format!("found {PROXY_USER}; wanted another user than the proxy's, {STANDS}");
        report.violation(FieldAt(at, "runAsUser"), message);
    }
}

/// What lets a process change the pod's network or look past it, or leave its own namespaces or process.
const LEADING_ROUND: [&str; 9] =
    ["ALL", "NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE", "SYS_RAWIO", "BPF", "PERFMON"];

fn leads_round(capability: &str) -> bool {
    LEADING_ROUND.iter().any(|name| plain(capability).eq_ignore_ascii_case(name))
}

/// What it takes to set the redirection up.
fn sets_redirection(capability: &str) -> bool {
    ["NET_ADMIN", "NET_RAW"].iter().any(|name| plain(capability).eq_ignore_ascii_case(name))
}

/// Runtimes take a capability's name in any case, and some of them its prefix too.
fn plain(capability: &str) -> &str {
    let prefix = capability.get(..4).filter(|prefix| prefix.eq_ignore_ascii_case("CAP_"));
    prefix.and_then(|prefix| capability.get(prefix.len()..)).unwrap_or(capability)
}
