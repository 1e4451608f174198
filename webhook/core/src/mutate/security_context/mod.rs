//! Fills in security contexts of the pod and of its containers.

mod objections;

use sallyport_policy::{Diagnostics, FieldPath};
use serde_json::{Value, json};

use self::objections::{PodFacts, get_at, is_sys_admin, objection_in_container, objection_in_pod};
use super::log::Log;
use super::transformation::{Heeds, Subject, Terms, Transformation, for_each_selected};
use crate::object::{ContainerMut, PodMut, get};
use crate::resources::{ContainerSecurityContext, PodSecurityContext, SecurityContexts, Strategy};

pub(super) use self::objections::foreign_to;

/// Fields of security contexts. Each is filled in by itself, in the order in which they depend on each other.
#[derive(Debug)]
pub(crate) struct SecurityContextFill {
    pod: Vec<(&'static [&'static str], Value)>,
    container: Vec<(&'static [&'static str], Value)>,
}

/// The pod's fields under `securityContext`, in the order of filling: who a process is comes before what depends on it.
const POD_FIELDS: [&[&str]; 13] = [
    &["runAsUser"],
    &["runAsNonRoot"],
    &["runAsGroup"],
    &["fsGroup"],
    &["fsGroupChangePolicy"],
    &["supplementalGroups"],
    &["supplementalGroupsPolicy"],
    &["seccompProfile"],
    &["appArmorProfile"],
    &["seLinuxOptions"],
    &["seLinuxChangePolicy"],
    &["sysctls"],
    &["windowsOptions"],
];

/// A container's fields under `securityContext`; privileges come before `allowPrivilegeEscalation`.
const CONTAINER_FIELDS: [&[&str]; 13] = [
    &["runAsUser"],
    &["runAsNonRoot"],
    &["runAsGroup"],
    &["privileged"],
    &["capabilities", "add"],
    &["capabilities", "drop"],
    &["allowPrivilegeEscalation"],
    &["readOnlyRootFilesystem"],
    &["procMount"],
    &["seccompProfile"],
    &["appArmorProfile"],
    &["seLinuxOptions"],
    &["windowsOptions"],
];

/// A container's fields that the pod's field of the same name covers.
const COVERED_BY_POD: [&str; 7] = [
    "runAsUser",
    "runAsNonRoot",
    "runAsGroup",
    "seccompProfile",
    "appArmorProfile",
    "seLinuxOptions",
    "windowsOptions",
];

impl SecurityContextFill {
    pub(crate) fn compile(contexts: &SecurityContexts, path: &FieldPath, found: &mut Diagnostics) -> Self {
        let pod = contexts.pod.as_ref().map_or_else(Vec::new, |pod| given(&json!(pod), &POD_FIELDS));
        let container =
            contexts.container.as_ref().map_or_else(Vec::new, |c| given(&json!(c), &CONTAINER_FIELDS));
        if pod.is_empty() && container.is_empty() {
            found.error(path.clone(), "nothing to fill in; give fields under pod or container");
        }
        if let Some(pod) = &contexts.pod {
            check_pod(pod, &path.field("pod"), found);
            check_values(&json!(pod), &path.field("pod"), found);
        }
        if let Some(container) = &contexts.container {
            check_container(container, &path.field("container"), found);
            check_values(&json!(container), &path.field("container"), found);
        }
        Self { pod, container }
    }
}

/// The fields that stand in `context`, in the order of `known`.
fn given(context: &Value, known: &[&'static [&'static str]]) -> Vec<(&'static [&'static str], Value)> {
    let Some(context) = context.as_object() else { return Vec::new() };
    known.iter().filter_map(|path| Some((*path, get(context, path)?.clone()))).collect()
}

fn check_pod(pod: &PodSecurityContext, path: &FieldPath, found: &mut Diagnostics) {
    if pod.run_as_non_root == Some(true) && pod.run_as_user == Some(0) {
        found.error(path.field("runAsUser"), "0 is root, and runAsNonRoot is true");
    }
}

fn check_container(container: &ContainerSecurityContext, path: &FieldPath, found: &mut Diagnostics) {
    if container.run_as_non_root == Some(true) && container.run_as_user == Some(0) {
        found.error(path.field("runAsUser"), "0 is root, and runAsNonRoot is true");
    }
    if container.allow_privilege_escalation == Some(false) {
        if container.privileged == Some(true) {
            found.error(path.field("allowPrivilegeEscalation"), "false can't stand beside privileged: true");
        }
        let adds_admin = container.capabilities.as_ref().and_then(|c| c.add.as_ref());
        if adds_admin.is_some_and(|add| add.iter().any(|c| is_sys_admin(c))) {
            found.error(
                path.field("allowPrivilegeEscalation"),
                "false can't stand beside the capability SYS_ADMIN",
            );
        }
    }
}

/// What the types of both kinds of context let through: user and group IDs, profiles, names of capabilities.
fn check_values(context: &Value, path: &FieldPath, found: &mut Diagnostics) {
    for field in ["runAsUser", "runAsGroup", "fsGroup"] {
        if let Some(id) = context.get(field) {
            check_id(id, path.field(field), found);
        }
    }
    for (i, id) in
        context.get("supplementalGroups").and_then(Value::as_array).into_iter().flatten().enumerate()
    {
        check_id(id, path.field("supplementalGroups").index(i), found);
    }
    for field in ["seccompProfile", "appArmorProfile"] {
        let Some(profile) = context.get(field) else { continue };
        let local = profile.get("type") == Some(&json!("Localhost"));
        if local != profile.get("localhostProfile").is_some() {
            let wrong = if local {
                "type Localhost needs localhostProfile"
            } else {
                "localhostProfile goes with type Localhost"
            };
            found.error(path.field(field), wrong);
        }
    }
    for field in ["add", "drop"] {
        let named = context.pointer(&format!("/capabilities/{field}")).and_then(Value::as_array);
        for (i, name) in named.into_iter().flatten().filter_map(Value::as_str).enumerate() {
            if let Some(plain) = name.strip_prefix("CAP_") {
                let at = path.field("capabilities").field(field).index(i);
                found.error(at, format!("found {name}; Kubernetes writes it without CAP_: {plain}"));
            }
        }
    }
}

/// User and group IDs are from 0 to 2^31 - 1 (core validation, IsValidUserID).
fn check_id(id: &Value, path: FieldPath, found: &mut Diagnostics) {
    if id.as_i64().is_none_or(|id| i32::try_from(id).is_err() || id < 0) {
        found.error(path, format!("found {id}; expected 0 to {}", i32::MAX));
    }
}

impl Transformation for SecurityContextFill {
    fn heeds(&self) -> Heeds {
        Heeds { containers: !self.container.is_empty(), strategy: true }
    }

    fn apply(&self, terms: &Terms, subject: &mut Subject<'_>, log: &mut Log) {
        let Some(mut pod) = subject.pod(log) else { return };
        if pod.is_whole() {
            for (path, value) in &self.pod {
                let Some(now) = pod.read() else { return };
                if !wanted(get_at(now.spec(), path), value, terms.strategy) {
                    continue;
                }
                match objection_in_pod(now, path, value, terms.strategy, self.pod_user()) {
                    Some(mut reason) => {
                        if can_be_given_singly(path, terms.strategy)
                            && self.fill_each_container(&mut pod, path, value, log)
                        {
                            reason += "; the containers that can have it are given it one by one";
                        }
                        log.skip(format_args!("spec.securityContext.{}", path.join(".")), reason);
                    }
                    None => {
                        let Some(spec) = pod.spec() else { return };
                        log.set(spec, &under_context(path), value, "spec");
                    }
                }
            }
        }
        if self.container.is_empty() {
            return;
        }
        let Some(facts) = pod.read().map(PodFacts::of) else { return };
        for_each_selected(&mut pod, terms, |mut container| {
            self.fill_container(&facts, terms, &mut container, log);
        });
    }

    fn sets(&self) -> Vec<(String, Value)> {
        let named = |part: &'static str, fields: &[(&'static [&'static str], Value)]| {
            fields
                .iter()
                .map(|(path, value)| (format!("{part}.{}", path.join(".")), value.clone()))
                .collect::<Vec<_>>()
        };
        [named("pod.securityContext", &self.pod), named("container.securityContext", &self.container)]
            .concat()
    }
}

impl SecurityContextFill {
    fn fill_container(
        &self,
        facts: &PodFacts,
        terms: &Terms,
        container: &mut ContainerMut<'_>,
        log: &mut Log,
    ) {
        for (path, value) in &self.container {
            if !wanted(get_at(container.fields, path), value, terms.strategy) {
                continue;
            }
            let covered = path.first().is_some_and(|field| {
                COVERED_BY_POD.contains(field) && get(&facts.context, &[*field]).is_some()
            });
            if covered && terms.strategy == Strategy::Default {
                continue;
            }
            let user = self.container_user();
            match objection_in_container(facts, container.fields, &container.path.name, path, value, user) {
                Some(reason) => {
                    log.skip(format_args!("{}.securityContext.{}", container.path, path.join(".")), reason);
                }
                None => log.set(container.fields, &under_context(path), value, &container.path),
            }
        }
    }

    /// Gives a field that the pod can't have to each container that has none and can have it, so that one container
    /// does not decide for all others. Whether any container has it then.
    fn fill_each_container(&self, pod: &mut PodMut<'_>, path: &[&str], value: &Value, log: &mut Log) -> bool {
        let Some(facts) = pod.read().map(PodFacts::of) else { return false };
        let user = self.pod_user();
        let mut any = false;
        pod.for_each_container(|container| {
            let ContainerMut { fields, path: place, .. } = container;
            if get_at(fields, path).is_none()
                && objection_in_container(&facts, fields, &place.name, path, value, user).is_none()
            {
                log.set(fields, &under_context(path), value, &place);
            }
            any |= get_at(fields, path) == Some(value);
        });
        any
    }

    fn container_user(&self) -> Option<i64> {
        self.container.iter().find(|(path, _)| *path == ["runAsUser"]).and_then(|(_, value)| value.as_i64())
    }

    fn pod_user(&self) -> Option<i64> {
        self.pod.iter().find(|(path, _)| *path == ["runAsUser"]).and_then(|(_, value)| value.as_i64())
    }
}

/// Whether a field of the pod that a part of it stands against goes to the other containers one by one.
///
/// An annotation for the pod is its author's word about all containers, so under Default it keeps seccompProfile off
/// them too; the field of a container is not held against it, so Override sets that.
fn can_be_given_singly(path: &[&str], strategy: Strategy) -> bool {
    match path {
        ["runAsNonRoot" | "runAsGroup"] => true,
        ["seccompProfile"] => strategy == Strategy::Override,
        _ => false,
    }
}

/// The path under `securityContext`; no field there is deeper than two.
fn under_context<'p>(path: &[&'p str]) -> Vec<&'p str> {
    std::iter::once("securityContext").chain(path.iter().copied()).collect()
}

/// Whether a field that holds `now` is to become `value`.
fn wanted(now: Option<&Value>, value: &Value, strategy: Strategy) -> bool {
    now.is_none_or(|now| strategy == Strategy::Override && now != value)
}
