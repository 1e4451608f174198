//! The container that redirects a pod's traffic to Istio's proxy, and what of the traffic it leaves out.
//!
//! Istio's injector writes its arguments from the annotations that are judged beside this, but whoever writes the pod can
//! write the container too.

use crate::object::{Container, get_list};
use crate::validate::Report;
use crate::validate::quoted::quoted;
use crate::validate::shape::FieldAt;

use super::proxy_annotations::are_the_proxy_s;

/// An option of istio-iptables, and what it may be.
type Inbound = (&'static str, fn(&str) -> bool, &'static str);

/// Those that say which inbound connections are redirected, and where. What others there are is about the pod's own
/// calls or about the work of the program itself.
const INBOUND: [Inbound; 6] = [
    ("-b", |ports| ports.trim() == "*", "*"),
    ("-d", are_the_proxy_s, "none but the proxy's own"),
    ("-z", |port| port == "15006", "15006"),
    ("-m", |mode| matches!(mode, "" | "REDIRECT" | "TPROXY"), "REDIRECT or TPROXY"),
    ("-k", |interfaces| interfaces.trim().is_empty(), "none"),
    ("-c", |interfaces| interfaces.trim().is_empty(), "none"),
];
/// Those that are about the pod's own calls, each with a value.
const OUTBOUND: [&str; 6] = ["-p", "-u", "-i", "-x", "-o", "-q"];
/// Those that are about the program's own work, alone or with a value behind an equals sign.
const WORK: [&str; 7] = [
    "--log_output_level",
    "--log_as_json",
    "--run-validation",
    "--skip-rule-apply",
    "--native-nftables",
    "--dual-stack",
    "--drop-invalid",
];

/// Reports arguments by which a port is not redirected. Without arguments the program does nothing at all, and no more
/// does one that only looks at what the CNI plugin has done.
pub(super) fn judge(container: &Container<'_>, report: &mut Report) {
    if !matches!(container.name(), "istio-init" | "istio-validation") {
        return;
    }
    let args: Vec<&str> =
        get_list(container.fields, &["args"]).iter().filter_map(|arg| arg.as_str()).collect();
    let mut args = args.iter().skip(1);
    while let Some(option) = args.next() {
        let name = option.split('=').next().unwrap_or_default();
        let wanted = if WORK.contains(&name) {
            None
        } else if OUTBOUND.contains(option) {
            args.next();
            None
        } else if let Some((_, is_right, wanted)) = INBOUND.iter().find(|(own, ..)| own == option) {
            let value = args.next().copied().unwrap_or_default();
            (!is_right(value)).then(|| format!("found {option} {}; wanted {wanted}", quoted(value)))
        } else {
            Some(format!("found {}; wanted what Istio's injector writes", quoted(option)))
        };
        if let Some(wanted) = wanted {
            let message = format!("{wanted}, so that every port passes the proxy");
            report.violation(FieldAt(&container.path, "args"), message);
        }
    }
}
