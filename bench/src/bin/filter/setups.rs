//! The Envoys that are compared. All have one configuration, that which `sallyport render` prints, but for three things:
//! the filters, no access log, and a route that answers by itself.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use sallyport_tests::proxy::{Module, Setup};
use serde_json::{Value, json};

use crate::bare_filter;
use crate::issuer::Issuer;

const POLICY: &str = include_str!("../../../data/filter/policy.yaml");
const NATIVE: &str = include_str!("../../../data/filter/native.yaml");

/// What Envoys are made of.
pub(crate) struct Setups {
    policy: String,
    native: Vec<Value>,
    bare: PathBuf,
    pub(crate) issuer: Issuer,
}

impl Setups {
    /// Makes keys, and builds both filters.
    pub(crate) fn prepare() -> Result<Self> {
        Module::built()?;
        let issuer = Issuer::new()?;
        let mut policy: Value = serde_saphyr::from_str(POLICY)?;
        let inline = policy.pointer_mut("/spec/jwt/providers/0/jwks/inline");
        *inline.context("the policy has a place for keys")? = issuer.key_set()?.into();
        let mut native: Value = serde_saphyr::from_str(NATIVE)?;
        let inline = native.pointer_mut("/0/typed_config/providers/staff/local_jwks/inline_string");
        *inline.context("jwt_authn has a place for keys")? = issuer.key_set()?.into();
        let native = native.as_array().context("native.yaml is a list")?.clone();
        Ok(Self { policy: policy.to_string(), native, bare: bare_filter::build()?, issuer })
    }

    /// The headers that the policy sets on each response.
    pub(crate) fn response_headers(&self) -> Result<Vec<(String, String)>> {
        let policy: Value = serde_json::from_str(&self.policy)?;
        let set = policy.pointer("/spec/headers/response/set").and_then(Value::as_array);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let pairs =
            set.into_iter().flatten().map(|header| Some((text(&header["name"])?, text(&header["value"])?)));
        pairs.collect::<Option<_>>().context("each header has a name and a value")
    }

    /// With the filter and the policy.
    pub(crate) fn sallyport(&self) -> Result<Setup> {
        self.changed(|_| ())
    }

    /// Without a filter.
    pub(crate) fn nothing(&self) -> Result<Setup> {
        self.changed(Vec::clear)
    }

    /// With Envoy's own.
    pub(crate) fn native(&self) -> Result<Setup> {
        let native = self.native.clone();
        self.changed(move |filters| filters.clone_from(&native))
    }

    /// The same, with its cache of verified tokens, in its own size.
    pub(crate) fn native_cached(&self) -> Result<Setup> {
        let mut native = self.native.clone();
        let provider = native.first_mut().and_then(|jwt| jwt.pointer_mut("/typed_config/providers/staff"));
        provider.context("jwt_authn has a provider")?["jwt_cache_config"] = json!({});
        self.changed(move |filters| filters.clone_from(&native))
    }

    /// With the bare filter, which makes these calls, a line each.
    pub(crate) fn bare(&self, calls: &str) -> Result<Setup> {
        let (module, calls) = (self.bare.display().to_string(), calls.to_owned());
        self.changed(move |filters| {
            for filter in filters {
                let config = &mut filter["typed_config"]["config"];
                config["vm_config"]["vm_id"] = "bare".into();
                config["vm_config"]["code"]["local"]["filename"] = module.clone().into();
                config["configuration"]["value"] = calls.clone().into();
            }
        })
    }

    /// With what stands before the router changed.
    fn changed(&self, change: impl Fn(&mut Vec<Value>) + 'static) -> Result<Setup> {
        Ok(Setup::of(&self.policy)?.edited(move |bootstrap| {
            let manager = bootstrap
                .pointer_mut("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config")
                .expect("the listener has a connection manager");
            manager["access_log"] = json!([]);
            manager["route_config"] = json!({
                "name": "direct",
                "virtual_hosts": [{
                    "name": "direct",
                    "domains": ["*"],
                    "routes": [{
                        "match": { "prefix": "/" },
                        "direct_response": { "status": 200, "body": { "inline_string": "ok" } },
                    }],
                }],
            });
            let filters = manager["http_filters"].as_array_mut().expect("there are filters");
            let router = filters.pop().expect("the router is the last");
            filters.iter_mut().for_each(log_no_paths);
            change(filters);
            filters.push(router);
        }))
    }
}

/// Without what the filter sets for the access log alone, where there is none.
fn log_no_paths(filter: &mut Value) {
    let configuration = &mut filter["typed_config"]["config"]["configuration"]["value"];
    let text = configuration.as_str().expect("the filter has a configuration");
    let mut told: Value = serde_json::from_str(text).expect("it is JSON");
    told.as_object_mut().expect("of a policy").remove("logsPaths");
    *configuration = told.to_string().into();
}
