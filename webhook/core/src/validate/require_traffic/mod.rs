//! TrafficPolicies that must select a pod, and a proxy that no inbound connection goes round.
//!
//! A TrafficPolicy is in force where the pod's connections pass the proxy that has it. Who writes the pod can ask Istio
//! to leave the proxy out, to leave ports out of its redirection, or to run another one; each of these is refused.

mod proxy_annotations;
mod proxy_config;

use sallyport_policy::{Diagnostics, FieldPath};
use serde_json::Value;

use super::quoted::quoted;
use super::shape::{ElementAt, FieldAt, list_in, object_in, type_of, wrong_type};
use super::{Report, Rule, Subject};
use crate::object::{Container, Keys, Pod, Reads, is_mesh_container};
use crate::resources::TrafficRequirement;
use crate::traffic::TrafficSelector;

/// The rule, compiled.
#[derive(Debug)]
pub(crate) struct RequireTraffic {
    rate_limits: bool,
    jwt: bool,
}

/// Whether a TrafficPolicy does what is asked.
type Has = fn(&TrafficSelector) -> bool;

/// Says whether the proxy is injected, as a label and, in older installations, as an annotation.
const INJECT: &str = "sidecar.istio.io/inject";

impl RequireTraffic {
    pub(crate) fn compile(rule: &TrafficRequirement, path: &FieldPath, found: &mut Diagnostics) -> Self {
        if !rule.rate_limits && !rule.jwt {
            found.error(path.clone(), "the rule asks for nothing; give rateLimits: true or jwt: true");
        }
        Self { rate_limits: rule.rate_limits, jwt: rule.jwt }
    }

    /// Whether TrafficPolicies that do what is asked select the pod.
    fn judge_selection(&self, pod: Pod<'_>, subject: &Subject<'_>, report: &mut Report) {
        let namespace = subject.request().namespace.as_str();
        let selects = |policy: &&TrafficSelector| {
            (policy.mesh_wide || policy.namespace == namespace)
                && policy.selector.matches(|key| pod.label(key))
        };
        let selecting = || subject.traffic.iter().filter(selects);
        let asked: [(bool, Has, &str); 2] = [
            (self.rate_limits, |policy| policy.rate_limits, "rate limits"),
            (self.jwt, |policy| policy.jwt, "token checks"),
        ];
        for (asked, has, what) in asked {
            if !asked || selecting().any(has) {
                continue;
            }
            let found = match selecting().count() {
                0 => "found no TrafficPolicy that selects the pod".to_owned(),
                1 => format!("found one TrafficPolicy that selects the pod, without {what}"),
                others => format!("found {others} TrafficPolicies that select the pod, none with {what}"),
            };
            let message =
                format!("{found}; wanted one with {what}, of namespace {namespace} or of the whole mesh");
            report.violation("metadata.labels", message);
        }
    }
}

impl Rule for RequireTraffic {
    fn reads(&self) -> Reads {
        // Which labels a TrafficPolicy selects by is not known here.
        let annotations = proxy_annotations::keys().chain([INJECT]);
        Reads { labels: Keys::All, annotations: Keys::these(annotations), ..Reads::default() }
    }

    fn judge(&self, subject: &Subject<'_>, report: &mut Report) {
        let Some(pod) = subject.readable_pod(report) else { return };
        self.judge_selection(pod, subject, report);
        judge_network(pod, report);
        judge_metadata(pod, subject.mesh_images, report);
        for container in pod.named_containers() {
            judge_container(&container, subject.mesh_images, report);
        }
    }
}

/// A pod on its node's network has no network of its own in which to redirect anything.
fn judge_network(pod: Pod<'_>, report: &mut Report) {
    match pod.spec().get("hostNetwork") {
        None | Some(Value::Null | Value::Bool(false)) => {}
        Some(Value::Bool(true)) => report.violation(
            "spec.hostNetwork",
            "found true; wanted a network of the pod's own, since no proxy is injected into the node's",
        ),
        Some(other) => wrong_type("spec.hostNetwork", other, "false", report),
    }
}

fn judge_metadata(pod: Pod<'_>, mesh_images: &[String], report: &mut Report) {
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

fn judge_container(container: &Container<'_>, mesh_images: &[String], report: &mut Report) {
    if container.is_mesh_s_own(mesh_images) {
        return;
    }
    if is_mesh_container(container.name()) && !is_placeholder(container) {
        report.violation(
            &container.path,
            "found another image or command than a mesh's under the name of its container; wanted the mesh's own",
        );
    }
    let Some(context) = object_in(container.fields, &container.path, "securityContext", report) else {
        return;
    };
    let at = FieldAt(&container.path, "securityContext");
    let wanted = "so that the redirection to the proxy stands";
    match context.get("privileged") {
        None | Some(Value::Null | Value::Bool(false)) => {}
        Some(Value::Bool(true)) => {
            report.violation(FieldAt(&at, "privileged"), format!("found true; wanted false, {wanted}"));
        }
        Some(other) => wrong_type(FieldAt(&at, "privileged"), other, "false", report),
    }
    let Some(capabilities) = object_in(context, &at, "capabilities", report) else { return };
    let at = FieldAt(&at, "capabilities");
    for capability in list_in(capabilities, &at, "add", report) {
        match capability.as_str() {
            Some(name) if !may_administer_network(name) => {}
            Some(name) => {
                let message = format!("found {}; wanted it not added, {wanted}", quoted(name));
                report.violation(FieldAt(&at, "add"), message);
            }
            None => wrong_type(FieldAt(&at, "add"), capability, "names of capabilities", report),
        }
    }
}

/// A container of the proxy's name that awaits injection, to which its author adds (image: auto).
fn is_placeholder(container: &Container<'_>) -> bool {
    container.name() == "istio-proxy"
        && container.fields.get("image").and_then(Value::as_str) == Some("auto")
        && container.fields.get("command").is_none_or(Value::is_null)
}

/// Runtimes take a capability's name in any case, and some of them its prefix too.
fn may_administer_network(capability: &str) -> bool {
    let prefix = capability.get(..4).filter(|prefix| prefix.eq_ignore_ascii_case("CAP_"));
    let name = prefix.and_then(|prefix| capability.get(prefix.len()..)).unwrap_or(capability);
    name.eq_ignore_ascii_case("NET_ADMIN") || name.eq_ignore_ascii_case("ALL")
}
