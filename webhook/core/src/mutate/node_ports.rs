//! The ports of the node that containers take.

use serde_json::{Value, json};

use crate::object::{ContainerList, Fields, Pod, container_type, get, get_list, get_str};
use crate::resources::ContainerType;

/// Why the container can't have its ports in this pod: no two containers share a port of the node (core
/// validation, checkHostPortConflicts), and with the node's network every port is the node's.
pub(super) fn objection(pod: Pod<'_>, list: ContainerList, container: &Fields) -> Option<String> {
    let runs_on = |list, container: &Fields| container_type(list, container) != ContainerType::Init;
    if !runs_on(list, container) {
        return None;
    }
    let on_host = get(pod.spec(), &["hostNetwork"]) == Some(&json!(true));
    let ports = |container| get_list(container, &["ports"]).iter().filter_map(Value::as_object);
    if let Some(port) = ports(container).find(|port| on_host && port_of_node(port, on_host) != number(port)) {
        let number = number(port).unwrap_or_default();
        return Some(format!("with hostNetwork its port {number} can't have another hostPort"));
    }
    let others = pod
        .containers()
        .filter(|(list, other)| runs_on(*list, other) && get(other, &["name"]) != container.get("name"));
    others.into_iter().find_map(|(_, other)| {
        let clash = |port: &&Fields| ports(other).any(|taken| same_port_of_node(port, taken, on_host));
        let port = port_of_node(ports(container).find(clash)?, on_host)?;
        let other = get_str(other, &["name"]).unwrap_or_default();
        Some(format!("container {other} has the node's port {port}, which it needs"))
    })
}

/// The number of a container's port.
fn number(port: &Fields) -> Option<i64> {
    get(port, &["containerPort"])?.as_i64()
}

/// The port of the node that a container's port takes.
fn port_of_node(port: &Fields, on_host: bool) -> Option<i64> {
    let given = get(port, &["hostPort"]).and_then(Value::as_i64).filter(|port| *port != 0);
    given.or_else(|| number(port).filter(|_| on_host))
}

fn same_port_of_node(a: &Fields, b: &Fields, on_host: bool) -> bool {
    let protocol = |port| get_str(port, &["protocol"]).unwrap_or("TCP").to_owned();
    let address = |port| get_str(port, &["hostIP"]).filter(|ip| !["", "0.0.0.0", "::"].contains(ip));
    let meet = address(a).zip(address(b)).is_none_or(|(a, b)| a == b);
    let taken = port_of_node(a, on_host);
    taken.is_some() && taken == port_of_node(b, on_host) && protocol(a) == protocol(b) && meet
}
