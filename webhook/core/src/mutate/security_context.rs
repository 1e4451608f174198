//! Fills in security contexts of the pod and of its containers.
//!
//! The rules of what may stand beside what are those of the API server's own validation (k8s.io/kubernetes,
//! pkg/apis/core/validation) and of the kubelet, which refuses to start a container that says both
//! `runAsNonRoot: true` and `runAsUser: 0`.

use sallyport_policy::{Diagnostics, FieldPath};
use serde_json::{Value, json};

use super::log::Log;
use super::transformation::{Heeds, Subject, Terms, Transformation, for_each_selected};
use crate::object::{
    ContainerMut, Fields, Os, Pod, PodMut, get, get_list, get_object, get_str, name_of, named_element,
};
use crate::resources::{ContainerSecurityContext, PodSecurityContext, SecurityContexts, Strategy};

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

const APP_ARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";
/// Deprecated, and still held against the fields by the API server's validation.
const SECCOMP_OF_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_OF_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";

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

fn is_sys_admin(capability: &str) -> bool {
    matches!(capability, "SYS_ADMIN" | "CAP_SYS_ADMIN")
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
                match objection_in_pod(now, path, value, terms.strategy, self) {
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

fn get_at<'v>(fields: &'v Fields, path: &[&str]) -> Option<&'v Value> {
    get(get_object(fields, &["securityContext"])?, path)
}

/// Whether a field that holds `now` is to become `value`.
fn wanted(now: Option<&Value>, value: &Value, strategy: Strategy) -> bool {
    now.is_none_or(|now| strategy == Strategy::Override && now != value)
}

/// What of a pod bears on its containers' security contexts.
struct PodFacts {
    os: Os,
    context: Fields,
    host_users: Option<bool>,
    host_network: bool,
    app_armor_annotations: Vec<String>,
    /// By the container's name.
    seccomp_annotations: Vec<(String, String)>,
}

impl PodFacts {
    fn of(pod: Pod<'_>) -> Self {
        Self {
            os: pod.os(),
            context: get_object(pod.spec(), &["securityContext"]).cloned().unwrap_or_default(),
            host_users: get(pod.spec(), &["hostUsers"]).and_then(Value::as_bool),
            host_network: get(pod.spec(), &["hostNetwork"]) == Some(&json!(true)),
            app_armor_annotations: app_armor_annotations(pod),
            seccomp_annotations: pod
                .annotations()
                .filter_map(|(key, value)| {
                    Some((key.strip_prefix(SECCOMP_OF_CONTAINER)?.to_owned(), value.to_owned()))
                })
                .collect(),
        }
    }
}

/// Whether a seccomp annotation says the same as a `seccompProfile` (KEP-135).
fn is_seccomp(annotation: &str, profile: &Value) -> bool {
    let said = match annotation {
        "runtime/default" | "docker/default" => json!({"type": "RuntimeDefault"}),
        "unconfined" => json!({"type": "Unconfined"}),
        other => match other.strip_prefix("localhost/") {
            Some(file) => json!({"type": "Localhost", "localhostProfile": file}),
            None => return false,
        },
    };
    &said == profile
}

fn app_armor_annotations(pod: Pod<'_>) -> Vec<String> {
    pod.annotations()
        .filter_map(|(key, _)| key.strip_prefix(APP_ARMOR_ANNOTATION))
        .map(str::to_owned)
        .collect()
}

/// Why this field of the pod's context is better left alone.
fn objection_in_pod(
    pod: Pod<'_>,
    path: &[&str],
    value: &Value,
    strategy: Strategy,
    fill: &SecurityContextFill,
) -> Option<String> {
    let field = *path.first()?;
    if let Some(reason) = os_objection(pod.os(), field) {
        return Some(reason);
    }
    let context = |name: &str| get(pod.spec(), &["securityContext", name]);
    match field {
        "runAsNonRoot" if value == &json!(true) => {
            if context("runAsUser") == Some(&json!(0)) {
                return Some("the pod sets runAsUser: 0".to_owned());
            }
            let root = pod.containers().find(|(_, c)| {
                get(c, &["securityContext", "runAsUser"]) == Some(&json!(0))
                    && get(c, &["securityContext", "runAsNonRoot"]).is_none()
            })?;
            Some(format!("container {} sets runAsUser: 0", name(root.1)))
        }
        "runAsUser" if value == &json!(0) => {
            if context("runAsNonRoot") == Some(&json!(true)) {
                return Some("the pod sets runAsNonRoot: true".to_owned());
            }
            let other = pod.containers().find(|(_, c)| {
                get(c, &["securityContext", "runAsNonRoot"]) == Some(&json!(true))
                    && get(c, &["securityContext", "runAsUser"]).is_none()
            })?;
            Some(format!("container {} sets runAsNonRoot: true", name(other.1)))
        }
        "runAsGroup" | "fsGroup" | "supplementalGroups" if strategy == Strategy::Default => {
            let user = fill.pod_user()?;
            let concerned = |container: &Fields| match field {
                "runAsGroup" => get_at(container, &["runAsGroup"]).is_none(),
                "fsGroup" => mounts_what_fs_group_changes(pod, container),
                _ => true,
            };
            foreign_user(pod, user, concerned).map(|who| format!("it goes with runAsUser: {user}, but {who}"))
        }
        // An annotation of AppArmor is about one container, and goes before the pod's field: the API server makes a
        // field of it (KEP-24).
        "seccompProfile" => {
            let annotation = pod.annotation(SECCOMP_OF_POD).filter(|it| !is_seccomp(it, value))?;
            Some(format!("the pod says {annotation} with the annotation {SECCOMP_OF_POD}"))
        }
        "windowsOptions"
            if value.get("hostProcess") == Some(&json!(true))
                && get(pod.spec(), &["hostNetwork"]) != Some(&json!(true)) =>
        {
            Some("a HostProcess pod needs hostNetwork: true".to_owned())
        }
        "sysctls" => {
            let names = |prefix: &[&str]| {
                value
                    .as_array()
                    .into_iter()
                    .flatten()
                    .any(|sysctl| prefix.iter().any(|p| name_of(sysctl).starts_with(p)))
            };
            let on = |host: &str| get(pod.spec(), &[host]) == Some(&json!(true));
            if on("hostNetwork") && names(&["net."]) {
                Some("net.* can't be set with hostNetwork".to_owned())
            } else if on("hostIPC") && names(&["kernel.", "fs.mqueue."]) {
                Some("kernel.* can't be set with hostIPC".to_owned())
            } else {
                None
            }
        }
        _ => None,
    }
}

/// Who in the pod was set to run as another user than `user`: the pod, or a container that is `concerned`.
fn foreign_user(pod: Pod<'_>, user: i64, concerned: impl Fn(&Fields) -> bool) -> Option<String> {
    let of_pod = get(pod.spec(), &["securityContext", "runAsUser"]).and_then(Value::as_i64);
    if let Some(other) = of_pod.filter(|other| *other != user) {
        return Some(format!("the pod sets runAsUser: {other}"));
    }
    pod.own_containers().find_map(|(_, container)| {
        let other =
            get(container, &["securityContext", "runAsUser"])?.as_i64().filter(|other| *other != user)?;
        concerned(container).then(|| format!("container {} sets runAsUser: {other}", name(container)))
    })
}

/// Whether a container mounts a volume that lasts, and whose files `fsGroup` would give to another group: a database
/// does not start when others than its user may write to its directory. What is made anew for each pod only becomes
/// easier to read, and what the node shares stays as it is.
fn mounts_what_fs_group_changes(pod: Pod<'_>, container: &Fields) -> bool {
    const UNHARMED: [&str; 8] =
        ["emptyDir", "configMap", "secret", "downwardAPI", "projected", "hostPath", "nfs", "image"];
    let unharmed = |name: &str| {
        let volume = named_element(get_list(pod.spec(), &["volumes"]), name);
        let source = |source: &str| volume.is_some_and(|it| it.get(source).is_some_and(|it| !it.is_null()));
        UNHARMED.into_iter().any(source)
    };
    get_list(container, &["volumeMounts"]).iter().map(name_of).any(|name| !unharmed(name))
}

fn name(container: &Fields) -> &str {
    get_str(container, &["name"]).unwrap_or_default()
}

/// Why this field of a container's context is better left alone. `user` is the one that `runAsGroup` goes with.
fn objection_in_container(
    facts: &PodFacts,
    container: &Fields,
    name: &str,
    path: &[&str],
    value: &Value,
    user: Option<i64>,
) -> Option<String> {
    let field = *path.first()?;
    if let Some(reason) = os_objection(facts.os, field) {
        return Some(reason);
    }
    let own = |path: &[&str]| get_at(container, path);
    // A container's own field hides the pod's.
    let effective = |field: &str| own(&[field]).or_else(|| facts.context.get(field));
    match path {
        ["runAsNonRoot"] if value == &json!(true) && effective("runAsUser") == Some(&json!(0)) => {
            Some("the container runs as user 0".to_owned())
        }
        ["runAsUser"] if value == &json!(0) && effective("runAsNonRoot") == Some(&json!(true)) => {
            Some("runAsNonRoot is true".to_owned())
        }
        ["runAsGroup"] => {
            let user = user?;
            let other = effective("runAsUser")?.as_i64().filter(|other| *other != user)?;
            Some(format!("it goes with runAsUser: {user}, but the container runs as {other}"))
        }
        ["allowPrivilegeEscalation"] if value == &json!(false) => {
            if own(&["privileged"]) == Some(&json!(true)) {
                Some("the container is privileged".to_owned())
            } else if adds_sys_admin(container) {
                Some("the container adds the capability SYS_ADMIN".to_owned())
            } else {
                None
            }
        }
        ["privileged"]
            if value == &json!(true) && own(&["allowPrivilegeEscalation"]) == Some(&json!(false)) =>
        {
            Some("the container sets allowPrivilegeEscalation: false".to_owned())
        }
        ["capabilities", "add"]
            if own(&["allowPrivilegeEscalation"]) == Some(&json!(false))
                && value.as_array().into_iter().flatten().filter_map(Value::as_str).any(is_sys_admin) =>
        {
            Some("SYS_ADMIN can't stand beside allowPrivilegeEscalation: false".to_owned())
        }
        ["procMount"] if value == &json!("Unmasked") && facts.host_users != Some(false) => {
            Some("an unmasked proc mount needs hostUsers: false".to_owned())
        }
        ["windowsOptions"] if value.get("hostProcess") == Some(&json!(true)) && !facts.host_network => {
            Some("a HostProcess container needs hostNetwork: true".to_owned())
        }
        ["appArmorProfile"] if facts.app_armor_annotations.iter().any(|annotated| annotated == name) => {
            Some(format!("the pod says it with the annotation {APP_ARMOR_ANNOTATION}{name}"))
        }
        ["seccompProfile"] => {
            let (_, annotation) =
                facts.seccomp_annotations.iter().find(|(annotated, _)| annotated == name)?;
            (!is_seccomp(annotation, value)).then(|| {
                format!("the pod says {annotation} with the annotation {SECCOMP_OF_CONTAINER}{name}")
            })
        }
        _ => None,
    }
}

fn adds_sys_admin(container: &Fields) -> bool {
    get_list(container, &["securityContext", "capabilities", "add"])
        .iter()
        .filter_map(Value::as_str)
        .any(is_sys_admin)
}

/// The field of a container's security context that a pod of this system can't have.
pub(super) fn foreign_to(os: Os, container: &Fields) -> Option<&str> {
    let context = get_object(container, &["securityContext"])?;
    let mut given = context.iter().filter(|(_, value)| !value.is_null()).map(|(field, _)| field.as_str());
    given.find(|field| os_objection(os, field).is_some())
}

/// Windows pods have `windowsOptions` and `runAsNonRoot`, Linux pods all but `windowsOptions` (KEP-2802).
fn os_objection(os: Os, field: &str) -> Option<String> {
    match os {
        Os::Windows if !matches!(field, "windowsOptions" | "runAsNonRoot") => {
            Some("the pod is for Windows".to_owned())
        }
        Os::Linux if field == "windowsOptions" => Some("the pod is for Linux".to_owned()),
        _ => None,
    }
}
