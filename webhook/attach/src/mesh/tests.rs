use sallyport_traffic::program::PolicyName;

use super::*;

fn policy(namespace: &str, spec: &str) -> Policy {
    let plugin = Plugin {
        policy: PolicyName { namespace: namespace.to_owned(), name: "api".to_owned() },
        spec: serde_saphyr::from_str(spec).unwrap(),
    };
    let service = json!({ "spec": { "selector": { "app": "api" } } });
    let targets = targets(&plugin, |_| Some(&service)).unwrap();
    Policy { plugin, created: 1_800_000_000, mesh_wide: namespace == "istio-system", targets }
}

fn options(resources: &[Resource]) -> Options {
    Options {
        url: "http://sallyport.sallyport.svc:8081/filter/0123.wasm".to_owned(),
        sha256: "0123".to_owned(),
        ca_file: "/ca.pem".to_owned(),
        connect_to: BTreeMap::new(),
        resources: resources.iter().copied().collect(),
    }
}

fn rendered(policy: &Policy, resources: &[Resource]) -> Result<Vec<Value>, NotAttachable> {
    render(&place(std::slice::from_ref(policy))[0], &options(resources))
}

fn kinds(spec: &str, resources: &[Resource]) -> Vec<String> {
    let objects = rendered(&policy("shop", &format!("{{{spec}}}")), resources).unwrap();
    objects.iter().map(|object| object["kind"].as_str().unwrap().to_owned()).collect()
}

const BY_URI: &str = "jwt: {rules: [], providers: [{name: a, issuer: https://a.example, algorithms: [RS256], \
                      jwks: {uri: 'https://keys.example/a'}}]}";
const BY_SECRET: &str = "jwt: {rules: [], providers: [{name: a, issuer: a, algorithms: [HS256], \
                         jwks: {secretRef: {name: keys, key: raw, format: Raw}}}]}";

#[test]
fn the_best_resource_is_that_which_can_do_what_is_needed() {
    use Resource::{EnvoyFilter, TrafficExtension, WasmPlugin};
    let service = "targetRefs: [{kind: Service, name: api}]";
    let all = Resource::ALL;
    assert_eq!(kinds("selector: {}", &all), ["EnvoyFilter"]);
    assert_eq!(kinds(service, &all), ["WasmPlugin"]);
    assert_eq!(kinds(service, &[EnvoyFilter, TrafficExtension]), ["TrafficExtension"]);
    assert_eq!(kinds(service, &[EnvoyFilter]), ["EnvoyFilter"]);
    // Whoever says which one gets it, with what it can't do beside it.
    assert_eq!(kinds("selector: {}, attach: WasmPlugin", &all), ["WasmPlugin"]);
    assert_eq!(
        kinds(&format!("{service}, attach: WasmPlugin, {BY_URI}"), &all),
        ["WasmPlugin", "EnvoyFilter"]
    );
    assert_eq!(kinds(&format!("{service}, {BY_SECRET}"), &all), ["EnvoyFilter"]);
    let limit = "rateLimits: [{name: all, key: [], limit: {requests: 1, period: 1m}}]";
    assert_eq!(kinds(&format!("{service}, {limit}"), &all), ["EnvoyFilter"]);
    for (spec, resources, missing) in [
        ("{selector: {}}", &[][..], EnvoyFilter),
        ("{selector: {}, attach: TrafficExtension}", &[EnvoyFilter, WasmPlugin], TrafficExtension),
        (&format!("{{{service}, {BY_URI}}}"), &[WasmPlugin], EnvoyFilter),
    ] {
        assert_eq!(rendered(&policy("shop", spec), resources), Err(NotAttachable::NoResource(missing)));
    }
}

#[test]
fn an_envoy_filter_is_for_gateways_and_for_what_comes_into_sidecars() {
    let policy =
        policy("shop", &format!("{{selector: {{matchLabels: {{app: api}}}}, trustedHops: 1, {BY_URI}}}"));
    let objects = rendered(&policy, &Resource::ALL).unwrap();
    let [object] = objects.as_slice() else { panic!("{objects:#?}") };
    assert_eq!(object["metadata"]["name"], "sallyport-api.pods");
    assert_eq!(object["metadata"]["namespace"], "shop");
    assert_eq!(object["metadata"]["labels"], json!({ MANAGED_BY.0: "sallyport", POLICY: "api" }));
    assert_eq!(object["spec"]["workloadSelector"]["labels"], json!({ "app": "api" }));
    let patches = object["spec"]["configPatches"].as_array().unwrap();
    let what: Vec<(&str, &str)> = patches
        .iter()
        .map(|patch| (patch["applyTo"].as_str().unwrap(), patch["match"]["context"].as_str().unwrap()))
        .collect();
    assert_eq!(
        what,
        [
            ("EXTENSION_CONFIG", "GATEWAY"),
            ("HTTP_FILTER", "GATEWAY"),
            ("EXTENSION_CONFIG", "SIDECAR_INBOUND"),
            ("HTTP_FILTER", "SIDECAR_INBOUND"),
            ("CLUSTER", "ANY"),
        ]
    );
    // Each filter waits for the configuration of its own name.
    let name = |at: usize| &patches[at]["patch"]["value"]["name"];
    assert_eq!((name(0), name(2)), (name(1), name(3)));
    assert_ne!(name(0), name(2));
    let configuration = |at: usize| -> Configuration {
        let value = &patches[at]["patch"]["value"]["typed_config"]["config"]["configuration"]["value"];
        serde_json::from_str(value.as_str().unwrap()).unwrap()
    };
    // A gateway has appended its client's address before the filter sees it.
    assert_eq!(configuration(0).forwarded_for, ForwardedFor::Appended);
    assert_eq!(configuration(2).forwarded_for, ForwardedFor::Received);
    assert_eq!(configuration(2).spec, policy.plugin.spec);
    let cluster = &patches[4]["patch"]["value"]["name"];
    assert_eq!(configuration(0).clusters.jwks["a"], cluster.as_str().unwrap());
}

#[test]
fn a_plugin_is_for_one_side() {
    let mode = |labels: &str| {
        let spec = format!("{{attach: WasmPlugin, selector: {{matchLabels: {{{labels}}}}}}}");
        rendered(&policy("shop", &spec), &Resource::ALL).unwrap()[0]["spec"]["match"][0]["mode"].clone()
    };
    assert_eq!(mode("app: api"), "SERVER");
    assert_eq!(mode("istio: ingressgateway"), "CLIENT");
}

#[test]
fn both_resources_of_extensions_say_the_same() {
    let spec = |attach: &str| {
        let spec =
            format!("{{attach: {attach}, failureMode: Open, targetRefs: [{{kind: Service, name: api}}]}}");
        rendered(&policy("shop", &spec), &Resource::ALL).unwrap().remove(0)["spec"].take()
    };
    let plugin = spec("WasmPlugin");
    assert_eq!(plugin["failStrategy"], "FAIL_OPEN");
    assert_eq!(plugin["pluginConfig"]["spec"]["attach"], "WasmPlugin");
    let mut extension = spec("TrafficExtension");
    let mut wasm = extension["wasm"].take();
    wasm["pluginConfig"]["spec"]["attach"] = "WasmPlugin".into();
    for (field, value) in extension.as_object().unwrap().iter().filter(|(field, _)| *field != "wasm") {
        wasm[field] = value.clone();
    }
    assert_eq!(plugin, wasm);
}

#[test]
fn policies_with_the_same_variables_share_a_machine_and_others_do_not() {
    let machine = |spec: &str| {
        let objects =
            rendered(&policy("shop", &format!("{{selector: {{}}, {spec}}}")), &Resource::ALL).unwrap();
        let vm = "/spec/configPatches/0/patch/value/typed_config/config/vm_config/vm_id";
        objects[0].pointer(vm).unwrap().clone()
    };
    assert_eq!(machine("rateLimits: []"), "sallyport");
    assert_eq!(machine(BY_URI), "sallyport");
    assert_eq!(machine(BY_SECRET), "sallyport,SALLYPORT_KEY_shop__keys__raw");
}

#[test]
fn the_rate_limit_service_is_reached_as_the_mesh_reaches_it() {
    let spec = "{selector: {}, rateLimitService: {service: ratelimit, port: 8081}}";
    let objects = rendered(&policy("shop", spec), &Resource::ALL).unwrap();
    let text = objects[0].to_string();
    assert!(text.contains("outbound|8081||ratelimit.shop.svc.cluster.local"), "{text}");
    assert!(!text.contains("CLUSTER"), "the mesh has one: {text}");
}

#[test]
fn what_cannot_be_attached_says_why() {
    let secret = policy("istio-system", &format!("{{selector: {{}}, {BY_SECRET}}}"));
    assert_eq!(rendered(&secret, &Resource::ALL), Err(NotAttachable::SecretOfRoot("a".to_owned())));
    let mut long = policy("shop", "{selector: {}}");
    long.plugin.policy.name = "a".repeat(240);
    assert_eq!(rendered(&long, &Resource::ALL), Err(NotAttachable::Name));
    let twice = Plugin {
        spec: serde_saphyr::from_str("targetRefs: [{kind: Service, name: a}, {kind: Service, name: b}]")
            .unwrap(),
        ..long.plugin
    };
    let pods = json!({ "spec": { "selector": { "app": "api" } } });
    assert_eq!(targets(&twice, |_| Some(&pods)), Err(NotAttachable::TargetsOverlap));
    let apart = |name: &str| json!({ "spec": { "selector": { "app": name } } });
    let (a, b) = (apart("a"), apart("b"));
    let found = targets(&twice, |target| Some(if target.name == "a" { &a } else { &b }));
    assert_eq!(found.unwrap().len(), 2);
}
