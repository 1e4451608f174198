use sallyport_traffic::program::{Configuration, PolicyName};

use super::*;
use crate::Endpoint;

fn plugin(name: &str, spec: &str) -> Plugin {
    let policy = PolicyName { namespace: "shop".to_owned(), name: name.to_owned() };
    Plugin { policy, spec: serde_saphyr::from_str(spec).unwrap() }
}

fn options() -> Options {
    Options {
        listen: Endpoint::new("127.0.0.1", 8080),
        upstream: Endpoint::new("api.shop.svc.cluster.local", 80),
        module: "/filter.wasm".to_owned(),
        module_sha256: "0123".to_owned(),
        ca_file: "/ca.pem".to_owned(),
        connect_to: BTreeMap::new(),
        admin: None,
        access_log: "/dev/stdout".to_owned(),
    }
}

const SIGNED_IN: &str = "
selector: {}
jwt:
  providers:
    - {name: a, issuer: https://keys.example, algorithms: [RS256], jwks: {uri: 'https://keys.example/a'}}
    - {name: b, issuer: https://keys.example, algorithms: [RS256], jwks: {uri: 'https://keys.example:443/b?c'}}
    - {name: c, issuer: https://c.example, algorithms: [HS256], jwks: {secretRef: {name: keys, key: raw, format: Raw}}}
  rules: []
";

const COUNTED: &str = "
selector: {}
failureMode: Open
rateLimitService: {service: ratelimit, port: 8081}
jwt:
  providers: [{name: d, issuer: d, algorithms: [HS256], jwks: {env: {name: KEYS}}}]
  rules: []
";

fn clusters(rendered: &Value) -> Vec<&str> {
    let clusters = rendered["static_resources"]["clusters"].as_array().unwrap();
    clusters.iter().map(|cluster| cluster["name"].as_str().unwrap()).collect()
}

/// The policies' filters, without the router.
fn filters(rendered: &Value) -> Vec<&Value> {
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
    let mut filters: Vec<&Value> = rendered.pointer(manager).unwrap().as_array().unwrap().iter().collect();
    assert_eq!(filters.pop().unwrap()["name"], "envoy.filters.http.router");
    filters.into_iter().map(|filter| &filter["typed_config"]["config"]).collect()
}

#[test]
fn each_host_has_one_cluster_and_must_prove_its_name() {
    let rendered = render(&[plugin("a", SIGNED_IN), plugin("b", COUNTED)], &options());
    let wanted = [
        "upstream",
        "sallyport_jwks_keys_example_443",
        "sallyport_rate_limit_ratelimit_shop_svc_cluster_local_8081",
    ];
    assert_eq!(clusters(&rendered), wanted);
    let cluster = &rendered["static_resources"]["clusters"][1];
    assert_eq!(cluster["type"], "STRICT_DNS");
    let tls = &cluster["transport_socket"]["typed_config"];
    assert_eq!(tls["sni"], "keys.example");
    let name = "/common_tls_context/validation_context/match_typed_subject_alt_names/0/matcher/exact";
    assert_eq!(tls.pointer(name).unwrap(), "keys.example");
}

#[test]
fn a_host_that_is_reached_elsewhere_proves_the_same_name() {
    let mut options = options();
    options.connect_to.insert(Endpoint::new("keys.example", 443), Endpoint::new("127.0.0.1", 4443));
    let rendered = render(&[plugin("a", SIGNED_IN)], &options);
    let cluster = &rendered["static_resources"]["clusters"][1];
    assert_eq!(cluster["type"], "STATIC");
    let address = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
    assert_eq!(cluster.pointer(address).unwrap(), 4443);
    assert_eq!(cluster["transport_socket"]["typed_config"]["sni"], "keys.example");
}

#[test]
fn each_policy_is_what_its_filter_is_configured_with() {
    let plugins = [plugin("a", SIGNED_IN), plugin("b", COUNTED)];
    let rendered = render(&plugins, &options());
    let read = |filter: &Value| -> Configuration {
        serde_json::from_str(filter["configuration"]["value"].as_str().unwrap()).unwrap()
    };
    let configurations: Vec<Configuration> = filters(&rendered).into_iter().map(read).collect();
    let wanted = |plugin: &Plugin| Configuration { logs_paths: true, ..plugin.configuration() };
    assert_eq!(configurations, plugins.each_ref().map(wanted));
    let jwks = &configurations[0].clusters.jwks;
    assert_eq!(jwks.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert!(jwks.values().all(|cluster| clusters(&rendered).contains(&cluster.as_str())));
    let service = configurations[1].clusters.rate_limit_service.as_deref().unwrap();
    assert!(clusters(&rendered).contains(&service));
}

#[test]
fn every_filter_gets_the_variables_of_all() {
    let rendered = render(&[plugin("a", SIGNED_IN), plugin("b", COUNTED)], &options());
    for filter in filters(&rendered) {
        let variables = &filter["vm_config"]["environment_variables"]["host_env_keys"];
        assert_eq!(*variables, json!(["KEYS", "SALLYPORT_KEY_shop__keys__raw"]));
    }
}

#[test]
fn only_a_policy_without_sign_in_that_fails_open_passes_requests_without_its_filter() {
    let unprotected = SIGNED_IN
        .replace("selector: {}", "selector: {}\nfailureMode: Open")
        .replace("jwt:\n", "jwt:\n  allowUnprotected: true\n");
    let plugins = [
        plugin("a", SIGNED_IN),
        plugin("b", "{selector: {}, failureMode: Open, rateLimits: []}"),
        plugin("c", &unprotected),
    ];
    assert_eq!(plugins[2].spec.failure_mode, sallyport_traffic::FailureMode::Open);
    let rendered = render(&plugins, &options());
    let policies: Vec<&Value> = filters(&rendered).iter().map(|filter| &filter["failure_policy"]).collect();
    assert_eq!(policies, ["FAIL_RELOAD", "FAIL_OPEN", "FAIL_RELOAD"]);
}

#[test]
fn each_filter_knows_what_those_before_it_set() {
    let sets = |mode: &str, header: &str| {
        let provider = "{name: c, issuer: c, algorithms: [HS256], jwks: {env: {name: KEYS}}, \
                        claimsToHeaders: [{claim: [sub], header: HEADER}]}";
        let provider = provider.replace("HEADER", header);
        format!("{{selector: {{}}, mode: {mode}, jwt: {{providers: [{provider}], rules: []}}}}")
    };
    let plugins = [
        plugin("a", &sets("Enforce", "X_User-Id")),
        plugin("b", &sets("Shadow", "x-shadow")),
        plugin("c", &sets("Enforce", "x-org")),
        plugin("d", "{selector: {}}"),
    ];
    let rendered = render(&plugins, &options());
    let read = |filter: &Value| -> Configuration {
        serde_json::from_str(filter["configuration"]["value"].as_str().unwrap()).unwrap()
    };
    let before: Vec<Vec<String>> =
        filters(&rendered).into_iter().map(|filter| read(filter).set_before).collect();
    let wanted: [&[&str]; 4] = [&[], &["x-user-id"], &["x-user-id"], &["x-user-id", "x-org"]];
    assert_eq!(before, wanted);
}

#[test]
fn policies_share_a_host_that_both_are_about() {
    let about = |hosts: &str| plugin("a", &format!("{{selector: {{}}, hosts: {hosts}}}"));
    for (one, other, shared) in [
        ("[]", "[a.example]", true),
        ("[a.example, b.example]", "[c.example, b.example]", true),
        ("[a.example]", "[b.example]", false),
        ("['*.example']", "[a.example]", true),
        ("['*.example']", "['*.a.example']", true),
        ("['*.a.example']", "[a.example]", false),
        ("['*.a.example']", "['*.b.example']", false),
    ] {
        let (one, other) = (about(one), about(other));
        assert_eq!(
            (one.shares_hosts(&other), other.shares_hosts(&one)),
            (shared, shared),
            "{one:?} {other:?}"
        );
    }
}
