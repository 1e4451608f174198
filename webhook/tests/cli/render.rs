//! `sallyport render`.

use std::fs;

use super::desk::Desk;

const POLICY: &str = "\
apiVersion: sallyport.dev/v1alpha1
kind: TrafficPolicy
metadata: {name: api}
spec:
  selector: {}
  rateLimitService: {service: ratelimit, port: 8081}
  rateLimits: [{name: all, scope: Global, limit: {requests: 10, period: 1s}}]
  jwt:
    providers:
      - {name: a, issuer: a, audiences: [a], algorithms: [RS256], jwks: {uri: \"https://keys.example/jwks\"}}
      - {name: b, issuer: b, audiences: [a], algorithms: [HS256], jwks: {secretRef: {name: keys, key: k, format: Raw}}}
    rules: [{name: all, match: [{}], require: {anyOf: [a, b]}}]
";

const RENDER: &str = "render --target envoy --upstream 127.0.0.1:80 --module filter.wasm";

/// The policy, and a module that exports what filters do.
fn desk() -> Desk {
    let desk = Desk::new();
    let name = b"proxy_abi_version_0_2_1";
    let exports = [&[7, 27, 1, 23][..], name, &[0, 0]].concat();
    fs::write(desk.path("filter.wasm"), [b"\0asm\x01\0\0\0", &exports[..]].concat()).unwrap();
    fs::write(desk.path("api.yaml"), POLICY).unwrap();
    desk
}

#[test]
fn a_policy_without_a_namespace_is_in_the_one_that_is_given() {
    let desk = desk();
    for (given, namespace) in [("", "default"), ("-n shop", "shop"), ("--namespace shop", "shop")] {
        desk.check(
            &format!("{RENDER} api.yaml {given}"),
            0,
            &[
                &format!("address: ratelimit.{namespace}.svc.cluster.local"),
                &format!("root_id: {namespace}/api"),
            ],
            &[&format!(
                "{namespace}/api: proxies need the environment variable SALLYPORT_KEY_{namespace}__keys__k"
            )],
        );
    }
    let own = POLICY.replace("{name: api}", "{name: api, namespace: own}");
    fs::write(desk.path("own.yaml"), own).unwrap();
    desk.check(&format!("{RENDER} own.yaml -n shop"), 0, &["root_id: own/api"], &["own/api: proxies need"]);
    let wanted = "two TrafficPolicies are own/api: names must differ";
    desk.check(&format!("{RENDER} api.yaml own.yaml -n own"), 2, &[], &[wanted]);
}

#[test]
fn what_is_reached_elsewhere_is_what_a_policy_names() {
    let desk = desk();
    desk.check(
        &format!("{RENDER} api.yaml --connect-to keys.example:443=127.0.0.1:4443"),
        0,
        &["port_value: 4443"],
        &["proxies need"],
    );
    let wanted = "--connect-to keys.exmple:443: no policy names such a host of keys or rate limit service; they name \
        keys.example:443, ratelimit.default.svc.cluster.local:8081";
    desk.check(&format!("{RENDER} api.yaml --connect-to keys.exmple:443=127.0.0.1:4443"), 2, &[], &[wanted]);
}

#[test]
fn a_module_is_one() {
    let desk = desk();
    let whole = fs::read(desk.path("filter.wasm")).unwrap();
    for (module, wanted) in [
        (&b"#!/bin/sh"[..], "filter.wasm is not the filter: it is no WebAssembly"),
        (&whole[..20], "filter.wasm is not the filter: it is WebAssembly that ends too early"),
        (&whole[..8], "it is WebAssembly, and no filter: it does not export proxy_abi_version_0_2_1"),
    ] {
        fs::write(desk.path("filter.wasm"), module).unwrap();
        desk.check(&format!("{RENDER} api.yaml"), 2, &[], &[wanted]);
    }
}

#[test]
fn policies_for_the_same_hosts_are_told_of() {
    let desk = desk();
    let other = |hosts: &str| {
        POLICY
            .replace("{name: api}", "{name: other}")
            .replace("selector: {}", &format!("selector: {{}}\n  hosts: {hosts}"))
    };
    fs::write(desk.path("other.yaml"), other("[shop.example]")).unwrap();
    let told =
        "default/other comes after default/api and is about the same hosts: requests have to satisfy both";
    desk.check(&format!("{RENDER} api.yaml other.yaml"), 0, &[], &[told]);
    fs::write(desk.path("api.yaml"), POLICY.replace("selector: {}", "selector: {}\n  hosts: [api.example]"))
        .unwrap();
    let output = desk.run(&format!("{RENDER} api.yaml other.yaml"), "");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("comes after"));
}
