//! What a mesh's own container runs: the program of its image, as its injector has it run, and nothing else.
//!
//! What injectors write is in Istio's files/injection-template.yaml and in Linkerd's charts/partials. What they don't
//! write makes a container one as any other.

use serde_json::Value;

use super::Kind;
use super::mounts::are_mounts;
use super::variables::are_variables;
use crate::object::{Fields, get};

/// Whether no field of a container has another program run.
pub(super) fn is_mesh_s_own(kind: Kind, container: &Fields) -> bool {
    let unset = |field: &&str| get(container, &[*field]).is_none();
    ["command", "workingDir", "envFrom", "volumeDevices"].iter().all(unset)
        && are_texts(container, "args").is_some_and(|args| args.is_empty() || are_args(kind, &args))
        && ["livenessProbe", "readinessProbe", "startupProbe"].iter().all(|probe| {
            get(container, &[probe]).is_none_or(|probe| probe.get("exec").is_none_or(Value::is_null))
        })
        && get(container, &["lifecycle"]).is_none_or(|lifecycle| is_lifecycle(kind, lifecycle))
        && are_variables(kind, container)
        && are_mounts(kind, container)
}

/// The texts of a list; `None` where anything else is there.
fn are_texts<'c>(container: &'c Fields, field: &str) -> Option<Vec<&'c str>> {
    match get(container, &[field]) {
        None => Some(Vec::new()),
        Some(list) => list.as_array()?.iter().map(Value::as_str).collect(),
    }
}

/// An option of a mesh's program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// A value, in the same argument or in the next.
    Value,
    /// None, or one in the same argument: what follows is an argument of its own.
    Nothing,
}

/// Options of Istio's proxy that say how it logs and what it is called.
const PROXY_OPTIONS: [(&str, Takes); 11] = [
    ("--domain", Takes::Value),
    ("--serviceCluster", Takes::Value),
    ("--proxyLogLevel", Takes::Value),
    ("--proxyComponentLogLevel", Takes::Value),
    ("--log_output_level", Takes::Value),
    ("--log_as_json", Takes::Nothing),
    ("--log_caller", Takes::Value),
    ("--stsPort", Takes::Value),
    ("--trust-domain", Takes::Value),
    ("--concurrency", Takes::Value),
    ("--controlPlaneBootstrap", Takes::Nothing),
];

/// Options of what redirects traffic to Istio's proxy. What they may be is for the rule `requireTraffic` to say.
const ISTIO_OPTIONS: [(&str, Takes); 19] = [
    ("-p", Takes::Value),
    ("-z", Takes::Value),
    ("-u", Takes::Value),
    ("-m", Takes::Value),
    ("-i", Takes::Value),
    ("-x", Takes::Value),
    ("-b", Takes::Value),
    ("-d", Takes::Value),
    ("-q", Takes::Value),
    ("-o", Takes::Value),
    ("-k", Takes::Value),
    ("-c", Takes::Value),
    ("--log_output_level", Takes::Value),
    ("--log_as_json", Takes::Nothing),
    ("--run-validation", Takes::Nothing),
    ("--skip-rule-apply", Takes::Nothing),
    ("--native-nftables", Takes::Nothing),
    ("--dual-stack", Takes::Nothing),
    ("--drop-invalid", Takes::Nothing),
];

/// Options of what redirects traffic to Linkerd's proxy.
const LINKERD_OPTIONS: [(&str, Takes); 13] = [
    ("--firewall-bin-path", Takes::Value),
    ("--firewall-save-bin-path", Takes::Value),
    ("--incoming-proxy-port", Takes::Value),
    ("--outgoing-proxy-port", Takes::Value),
    ("--proxy-uid", Takes::Value),
    ("--proxy-gid", Takes::Value),
    ("--inbound-ports-to-ignore", Takes::Value),
    ("--outbound-ports-to-ignore", Takes::Value),
    ("--subnets-to-ignore", Takes::Value),
    ("--timeout-close-wait-secs", Takes::Value),
    ("--log-format", Takes::Value),
    ("--log-level", Takes::Value),
    ("--ipv6", Takes::Nothing),
];

fn are_args(kind: Kind, args: &[&str]) -> bool {
    match (kind, args) {
        (Kind::IstioProxy, ["proxy", "sidecar" | "router", options @ ..]) => {
            are_options(options, &PROXY_OPTIONS, |_, _| true)
        }
        (Kind::IstioInit, ["istio-iptables", options @ ..]) => {
            are_options(options, &ISTIO_OPTIONS, |_, _| true)
        }
        (Kind::LinkerdInit, options) => are_options(options, &LINKERD_OPTIONS, |option, value| {
            !option.ends_with("-bin-path") || is_iptables(value)
        }),
        _ => false,
    }
}

/// Whether all of these are options of the list, and their values right. A value with a reference to a variable is one
/// value still, whatever the variable holds; an argument of its own that begins with a reference could be any option.
fn are_options(args: &[&str], options: &[(&str, Takes)], is_right: impl Fn(&str, &str) -> bool) -> bool {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let (name, value) = match arg.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (*arg, None),
        };
        let Some((_, takes)) = options.iter().find(|(option, _)| *option == name) else { return false };
        // Of an option with a single dash, what follows the letter is all value, an equals sign too.
        if value.is_some() && !name.starts_with("--") {
            return false;
        }
        let value = match (takes, value) {
            (_, Some(value)) => value,
            (Takes::Nothing, None) => "",
            (Takes::Value, None) => match args.next() {
                Some(value) => value,
                None => return false,
            },
        };
        if !is_right(name, value) {
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
