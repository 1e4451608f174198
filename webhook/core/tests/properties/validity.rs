//! What of the API server's validation of a pod can be told from the pod alone.

use std::collections::{BTreeSet, HashSet};

use sallyport_policy::Quantity;
use serde_json::Value;

/// Everything that the API server would object to, as far as this knows.
pub(crate) fn problems(pod: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let spec = &pod["spec"];
    let windows = spec["os"]["name"] == "windows";
    let linux = spec["os"]["name"] == "linux";
    system("pod", &spec["securityContext"], windows, linux, &mut found);

    let volumes = names(list(&spec["volumes"]), "name", "volume", &mut found);
    let mut containers = HashSet::new();
    for field in ["initContainers", "containers", "ephemeralContainers"] {
        for container in list(&spec[field]) {
            let name = container["name"].as_str().unwrap_or_default();
            if !containers.insert(name) {
                found.insert(format!("two containers are called {name}"));
            }
            let ordinary_init = field == "initContainers" && container["restartPolicy"] != "Always";
            for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
                if (ordinary_init || field == "ephemeralContainers") && !container[probe].is_null() {
                    found.insert(format!("{name} has a {probe}"));
                }
            }
            system(name, &container["securityContext"], windows, linux, &mut found);
            escalation(name, &container["securityContext"], &mut found);
            root(name, &spec["securityContext"], &container["securityContext"], &mut found);
            resources(name, &container["resources"], &mut found);
            aggregate(name, container, spec, &mut found);
            names(list(&container["env"]), "name", &format!("variable of {name}"), &mut found);
            names(list(&container["volumeMounts"]), "mountPath", &format!("mount of {name}"), &mut found);
            let devices = list(&container["volumeDevices"]);
            for mount in list(&container["volumeMounts"]) {
                let volume = mount["name"].as_str().unwrap_or_default();
                if devices.iter().any(|it| it["name"] == volume || it["devicePath"] == mount["mountPath"]) {
                    found.insert(format!("{name} has {volume} as a device and mounted, or at one path"));
                }
                if !volumes.contains(volume) {
                    found.insert(format!("{name} mounts {volume}, which is missing"));
                }
            }
        }
    }
    node_ports(spec, &mut found);
    seccomp(pod, &mut found);
    let sum: i128 = ["initContainers", "containers"]
        .iter()
        .flat_map(|field| list(&spec[*field]).iter().map(move |container| (*field, container)))
        .filter(|(field, container)| *field == "containers" || container["restartPolicy"] == "Always")
        .filter_map(|(_, container)| quantity(&container["resources"]["requests"]["cpu"]))
        .map(Quantity::as_nanos)
        .sum();
    if quantity(&spec["resources"]["requests"]["cpu"]).is_some_and(|of_pod| sum > of_pod.as_nanos()) {
        found.insert("the containers request more than the pod".to_owned());
    }
    found
}

/// No two containers share a port of the node; with hostNetwork every port is one.
fn node_ports(spec: &Value, found: &mut BTreeSet<String>) {
    let mut taken = HashSet::new();
    for port in list(&spec["containers"]).iter().flat_map(|container| list(&container["ports"])) {
        let on_host = spec["hostNetwork"] == true;
        let number = port["hostPort"].as_i64().or_else(|| port["containerPort"].as_i64().filter(|_| on_host));
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        if let Some(number) = number
            && !taken.insert((number, protocol, port["hostIP"].as_str()))
        {
            found.insert(format!("two containers take port {number} of the node"));
        }
    }
}

/// A field says the same as its annotation, of the one value that the pods here have.
fn seccomp(pod: &Value, found: &mut BTreeSet<String>) {
    let said = |key: &str| pod["metadata"]["annotations"][key] == "localhost/own.json";
    let meets = |context: &Value| {
        let profile = &context["seccompProfile"];
        profile.is_null() || profile["localhostProfile"] == "own.json"
    };
    if said("seccomp.security.alpha.kubernetes.io/pod") && !meets(&pod["spec"]["securityContext"]) {
        found.insert("the pod's seccompProfile is not its annotation's".to_owned());
    }
    for container in list(&pod["spec"]["containers"]) {
        let name = container["name"].as_str().unwrap_or_default();
        if said(&format!("container.seccomp.security.alpha.kubernetes.io/{name}"))
            && !meets(&container["securityContext"])
        {
            found.insert(format!("{name}'s seccompProfile is not its annotation's"));
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn names(elements: &[Value], key: &str, what: &str, found: &mut BTreeSet<String>) -> HashSet<String> {
    let mut names = HashSet::new();
    for element in elements {
        let name = element[key].as_str().unwrap_or_default();
        if !names.insert(name.to_owned()) {
            found.insert(format!("{what} {name} is there twice"));
        }
    }
    names
}

/// KEP-2802: which fields a pod that names its system can't have.
fn system(whose: &str, context: &Value, windows: bool, linux: bool, found: &mut BTreeSet<String>) {
    const LINUX: [&str; 14] = [
        "runAsUser",
        "runAsGroup",
        "fsGroup",
        "fsGroupChangePolicy",
        "supplementalGroups",
        "seccompProfile",
        "appArmorProfile",
        "seLinuxOptions",
        "sysctls",
        "privileged",
        "allowPrivilegeEscalation",
        "procMount",
        "readOnlyRootFilesystem",
        "capabilities",
    ];
    for field in LINUX.iter().filter(|field| windows && !context[**field].is_null()) {
        found.insert(format!("{whose} has {field} on Windows"));
    }
    if linux && !context["windowsOptions"].is_null() {
        found.insert(format!("{whose} has windowsOptions on Linux"));
    }
}

fn escalation(name: &str, context: &Value, found: &mut BTreeSet<String>) {
    let admin = list(&context["capabilities"]["add"])
        .iter()
        .any(|capability| capability == "SYS_ADMIN" || capability == "CAP_SYS_ADMIN");
    if context["allowPrivilegeEscalation"] == false && (context["privileged"] == true || admin) {
        found.insert(format!("{name} can't be kept from escalating"));
    }
}

/// The kubelet's rule, not the API server's.
fn root(name: &str, of_pod: &Value, own: &Value, found: &mut BTreeSet<String>) {
    let effective = |field: &str| if own[field].is_null() { &of_pod[field] } else { &own[field] };
    if effective("runAsNonRoot") == &Value::Bool(true) && effective("runAsUser") == &Value::from(0) {
        let whose =
            if own["runAsNonRoot"].is_null() && own["runAsUser"].is_null() { "the pod" } else { name };
        found.insert(format!("{whose} is root and must not be"));
    }
}

fn resources(name: &str, resources: &Value, found: &mut BTreeSet<String>) {
    let Some(requests) = resources["requests"].as_object() else { return };
    for (resource, request) in requests {
        let limit = &resources["limits"][resource];
        if let (Some(request), Some(limit)) = (quantity(request), quantity(limit))
            && (request > limit || (resource.starts_with("hugepages-") && request != limit))
        {
            found.insert(format!("{name} requests more {resource} than its limit"));
        }
    }
}

/// KEP-2837: no limit of a container is above the pod's.
fn aggregate(name: &str, container: &Value, spec: &Value, found: &mut BTreeSet<String>) {
    for resource in ["cpu", "memory"] {
        let own = quantity(&container["resources"]["limits"][resource]);
        let of_pod = quantity(&spec["resources"]["limits"][resource]);
        if own.zip(of_pod).is_some_and(|(own, of_pod)| own > of_pod) {
            found.insert(format!("{name}'s limit of {resource} is above the pod's"));
        }
    }
}

fn quantity(value: &Value) -> Option<Quantity> {
    serde_json::from_value(value.clone()).ok()
}
