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

/// Those that say which inbound connections are redirected, and where. What others the injector writes is about the
/// pod's own calls or about the work of the program itself.
const INBOUND: [Inbound; 6] = [
    ("-b", |ports| ports.trim() == "*", "*"),
    ("-d", are_the_proxy_s, "none but the proxy's own"),
    ("-z", |port| port == "15006", "15006"),
    ("-m", |mode| matches!(mode, "" | "REDIRECT" | "TPROXY"), "REDIRECT or TPROXY"),
    ("-k", |interfaces| interfaces.trim().is_empty(), "none"),
    ("-c", |interfaces| interfaces.trim().is_empty(), "none"),
];
/// Those without which the program redirects nothing, or what its image's variables say.
const NEEDED: [(&str, &str); 3] = [("-b", "*"), ("-d", "the proxy's own ports"), ("-z", "15006")];
/// Those of `istio-validation`, which only looks at what the CNI plugin has done.
const VALIDATION: [&str; 2] = ["--run-validation", "--skip-rule-apply"];

/// Reports arguments by which a port is not redirected.
pub(super) fn judge(container: &Container<'_>, report: &mut Report) {
    let redirects = container.name() == "istio-init";
    if !redirects && container.name() != "istio-validation" {
        return;
    }
    let args: Vec<&str> =
        get_list(container.fields, &["args"]).iter().filter_map(|arg| arg.as_str()).collect();
    let mut violation = |found: String| {
        let message = format!("{found}, so that every port passes the proxy");
        report.violation(FieldAt(&container.path, "args"), message);
    };
    let mut needed = NEEDED.to_vec();
    let mut args = args.iter().skip(1);
    while let Some(option) = args.next() {
        let name = option.split('=').next().unwrap_or_default();
        if redirects && VALIDATION.contains(&name) {
            violation(format!("found {name}; wanted it from istio-validation alone"));
        }
        // Every option with a single dash has its value in the next argument.
        if name.starts_with("--") {
            continue;
        }
        let value = args.next().copied().unwrap_or_default();
        needed.retain(|(own, _)| own != option);
        if let Some((_, is_right, wanted)) = INBOUND.iter().find(|(own, ..)| own == option)
            && !is_right(value)
        {
            violation(format!("found {option} {}; wanted {wanted}", quoted(value)));
        }
    }
    for (option, wanted) in needed.into_iter().filter(|_| redirects) {
        violation(format!("found no {option}; wanted {option} with {wanted}"));
    }
}
