//! What a mesh's own container runs: the program of its image, as its injector has it run, and nothing else.
//!
//! What injectors write is in Istio's files/injection-template.yaml and in Linkerd's charts/partials. What they don't
//! write makes a container one as any other.

use serde_json::{Map, Value};

use super::Kind;
use crate::object::{Fields, get, get_list, get_str, name_of};

/// Whether no field of a container has another program run.
pub(super) fn is_mesh_s_own(kind: Kind, container: &Fields) -> bool {
    let unset = |field: &&str| get(container, &[*field]).is_none();
    ["command", "workingDir", "envFrom", "volumeDevices"].iter().all(unset)
        && are_texts(container, "args").is_some_and(|args| args.is_empty() || are_args(kind, &args))
        && ["livenessProbe", "readinessProbe", "startupProbe"].iter().all(|probe| {
            get(container, &[probe]).is_none_or(|probe| probe.get("exec").is_none_or(Value::is_null))
        })
        && get(container, &["lifecycle"]).is_none_or(|lifecycle| is_lifecycle(kind, lifecycle))
        && are_all(container, "env", is_variable)
        && are_all(container, "volumeMounts", is_mount)
}

/// The texts of a list; `None` where anything else is there.
fn are_texts<'c>(container: &'c Fields, field: &str) -> Option<Vec<&'c str>> {
    match get(container, &[field]) {
        None => Some(Vec::new()),
        Some(list) => list.as_array()?.iter().map(Value::as_str).collect(),
    }
}

fn are_all(container: &Fields, field: &str, is_right: fn(&Value) -> bool) -> bool {
    get(container, &[field]).is_none_or(Value::is_array) && get_list(container, &[field]).iter().all(is_right)
}

/// Options of Istio's proxy that say how it logs and what it is called.
const PROXY_OPTIONS: [&str; 11] = [
    "--domain",
    "--serviceCluster",
    "--proxyLogLevel",
    "--proxyComponentLogLevel",
    "--log_output_level",
    "--log_as_json",
    "--log_caller",
    "--stsPort",
    "--trust-domain",
    "--concurrency",
    "--controlPlaneBootstrap",
];

/// Options of what redirects traffic to Linkerd's proxy.
const LINKERD_OPTIONS: [&str; 13] = [
    "--firewall-bin-path",
    "--firewall-save-bin-path",
    "--incoming-proxy-port",
    "--outgoing-proxy-port",
    "--proxy-uid",
    "--proxy-gid",
    "--inbound-ports-to-ignore",
    "--outbound-ports-to-ignore",
    "--subnets-to-ignore",
    "--timeout-close-wait-secs",
    "--log-format",
    "--log-level",
    "--ipv6",
];

fn are_args(kind: Kind, args: &[&str]) -> bool {
    match (kind, args) {
        (Kind::IstioProxy, ["proxy", "sidecar" | "router", options @ ..]) => {
            are_options(options, |option, _| PROXY_OPTIONS.contains(&option))
        }
        (Kind::IstioInit, ["istio-iptables", ..]) => true,
        (Kind::LinkerdInit, options) => are_options(options, |option, value| {
            LINKERD_OPTIONS.contains(&option) && (!option.ends_with("-bin-path") || is_iptables(value))
        }),
        _ => false,
    }
}

/// Whether these are options, with their values behind them or in the next argument, and all of them right.
fn are_options(args: &[&str], is_right: impl Fn(&str, &str) -> bool) -> bool {
    let mut args = args.iter().peekable();
    while let Some(arg) = args.next() {
        let (option, value) = arg.split_once('=').unwrap_or_else(|| {
            (arg, args.next_if(|next| !next.starts_with("--")).copied().unwrap_or_default())
        });
        if !option.starts_with("--") || !is_right(option, value) {
            return false;
        }
    }
    true
}

/// Whether it is what sets up redirection, and is looked for where the image has its programs.
fn is_iptables(program: &str) -> bool {
    let backend = program.strip_prefix("iptables").map(|rest| rest.strip_suffix("-save").unwrap_or(rest));
    matches!(backend, Some("" | "-nft" | "-legacy"))
}

/// Whether the hooks run nothing but what waits for the proxy, and what drains it.
fn is_lifecycle(kind: Kind, lifecycle: &Value) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_debug_port = |arg: &str| arg.strip_prefix("--debug-port=").is_some_and(is_number);
    let Some(hooks) = lifecycle.as_object() else { return false };
    hooks.values().filter_map(|hook| hook.get("exec").filter(|exec| !exec.is_null())).all(|exec| {
        let Some(command) = exec.as_object().and_then(|exec| are_texts(exec, "command")) else {
            return false;
        };
        match (kind, &command[..]) {
            (Kind::IstioProxy, ["pilot-agent", "wait"] | ["pilot-agent", "request", "POST", "drain"]) => true,
            (Kind::IstioProxy, ["pilot-agent", "request", port, "POST", "drain"]) => is_debug_port(port),
            (Kind::LinkerdProxy, ["/usr/lib/linkerd/linkerd-await", options @ ..]) => {
                options.iter().all(|option| option.starts_with("--timeout=") || option.starts_with("--port="))
            }
            (Kind::LinkerdProxy, ["/bin/sleep", time]) => is_number(time),
            (Kind::LinkerdProxy, ["/bin/bash", "-c", sleep]) => {
                sleep.strip_prefix("sleep ").is_some_and(is_number)
            }
            _ => false,
        }
    })
}

/// Whether a variable has no other program or library run, and no other configuration read.
fn is_variable(variable: &Value) -> bool {
    let name = name_of(variable);
    match name {
        "" | "PATH" | "ENV" | "BASH_ENV" => false,
        "PROXY_CONFIG" => variable.as_object().is_some_and(|variable| {
            get(variable, &["valueFrom"]).is_none()
                && get_str(variable, &["value"]).is_none_or(is_proxy_config)
        }),
        _ => !name.starts_with("LD_") && !name.starts_with("ISTIO_BOOTSTRAP") && !name.starts_with("ENVOY_"),
    }
}

/// Istio's ProxyConfig as its injector writes it, in JSON, without another binary and another bootstrap.
fn is_proxy_config(config: &str) -> bool {
    const OTHERS: [&str; 4] = ["binaryPath", "configPath", "customConfigFile", "proxyBootstrapTemplatePath"];
    let is_other = |option: &String| OTHERS.iter().any(|other| spelt_alike(option, other));
    serde_json::from_str::<Map<String, Value>>(config).is_ok_and(|options| !options.keys().any(is_other))
}

/// Protobuf's JSON takes a field in camelCase and in snake_case.
fn spelt_alike(option: &str, name: &str) -> bool {
    let letters = |text: &str| text.replace('_', "").to_ascii_lowercase();
    letters(option) == letters(name)
}

/// Where injectors mount what the proxy reads and writes. None of its programs and libraries are there.
const FOLDERS: [&str; 7] = [
    "/etc/certs",
    "/etc/istio/pod",
    "/etc/istio/proxy",
    "/run/secrets",
    "/var/lib/istio/data",
    "/var/run/linkerd",
    "/var/run/secrets",
];

fn is_mount(mount: &Value) -> bool {
    let Some(path) = mount.get("mountPath").and_then(Value::as_str) else { return false };
    // Linkerd leaves the first slash out.
    let path = format!("/{}", path.trim_start_matches('/'));
    let path = path.trim_end_matches('/');
    let is_plain = path.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
    let is_within = |folder: &&str| {
        path.strip_prefix(*folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    // Linkerd mounts the lock of iptables at /run.
    is_plain && (path == "/run" || FOLDERS.iter().any(is_within))
}
