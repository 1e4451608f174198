//! Why a field of a security context is better left alone.
//!
//! The rules of what may stand beside what are those of the API server's own validation (k8s.io/kubernetes,
//! pkg/apis/core/validation) and of the kubelet, which refuses to start a container that says both
//! `runAsNonRoot: true` and `runAsUser: 0`.

use serde_json::{Value, json};

use crate::object::{Fields, Os, Pod, get, get_list, get_object, get_str, name_of, named_element};
use crate::resources::Strategy;

const APP_ARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";
/// Deprecated, and still held against the fields by the API server's validation.
const SECCOMP_OF_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_OF_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";

pub(super) fn get_at<'v>(fields: &'v Fields, path: &[&str]) -> Option<&'v Value> {
    get(get_object(fields, &["securityContext"])?, path)
}

pub(super) fn is_sys_admin(capability: &str) -> bool {
    matches!(capability, "SYS_ADMIN" | "CAP_SYS_ADMIN")
}

/// What of a pod bears on its containers' security contexts.
pub(super) struct PodFacts {
    os: Os,
    pub(super) context: Fields,
    host_users: Option<bool>,
    host_network: bool,
    app_armor_annotations: Vec<String>,
    /// By the container's name.
    seccomp_annotations: Vec<(String, String)>,
}

impl PodFacts {
    pub(super) fn of(pod: Pod<'_>) -> Self {
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

/// Why this field of the pod's context is better left alone. `user` is the one that a group goes with.
pub(super) fn objection_in_pod(
    pod: Pod<'_>,
    path: &[&str],
    value: &Value,
    strategy: Strategy,
    user: Option<i64>,
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
            let user = user?;
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
pub(super) fn objection_in_container(
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
pub(in crate::mutate) fn foreign_to(os: Os, container: &Fields) -> Option<&str> {
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
