//! What a policy's keys need of the proxy.

use std::collections::BTreeSet;

use sallyport_traffic::program::secret_variable;
use sallyport_traffic::{HttpsUri, JwksSource, TrafficPolicySpec};

use crate::Endpoint;

/// The environment variables in which a policy's keys reach the proxy.
#[must_use]
pub fn environment_variables(namespace: &str, spec: &TrafficPolicySpec) -> BTreeSet<String> {
    let providers = spec.jwt.iter().flat_map(|jwt| &jwt.providers);
    let variables = providers.filter_map(|provider| match provider.jwks.source()? {
        JwksSource::Env(env) => Some(env.name.clone()),
        JwksSource::Secret(secret) => Some(secret_variable(namespace, &secret.name, &secret.key)),
        JwksSource::Inline(_) | JwksSource::Uri(_) => None,
    });
    variables.collect()
}

/// Where the keys at an https URI (RFC 3986 §3) are fetched. `None` if it is no such URI.
#[must_use]
pub fn jwks_endpoint(uri: &str) -> Option<Endpoint> {
    let uri = HttpsUri::parse(uri).ok()?;
    Some(Endpoint::new(uri.host, uri.port))
}

#[cfg(test)]
mod tests {
    use sallyport_traffic::program::{Clusters, Configuration, KeySource, PolicyName, compile};

    use super::*;

    /// A proxy is given what the filter looks for, whatever the names are.
    #[test]
    fn the_variables_are_those_that_the_filter_reads() {
        let spec: TrafficPolicySpec = serde_saphyr::from_str(
            "
            selector: {}
            jwt:
              rules: [{name: all, match: [{}], require: {anyOf: [a, b]}}]
              providers:
                - {name: a, issuer: a, algorithms: [HS256], jwks: {env: {name: KEYS, format: Raw}}}
                - {name: b, issuer: b, algorithms: [HS256], jwks: {secretRef: {name: a.b-c, key: d_e.f, format: Raw}}}
            ",
        )
        .unwrap();
        let configuration = Configuration {
            policy: PolicyName { namespace: "shop-1".to_owned(), name: "api".to_owned() },
            spec: spec.clone(),
            clusters: Clusters::default(),
            forwarded_for: Default::default(),
            verification: Default::default(),
            set_before: Vec::new(),
            logs_paths: false,
        };
        let compiled = compile(&configuration);
        let jwt = compiled.program.and_then(|program| program.jwt);
        let read = jwt.unwrap_or_else(|| panic!("{:?}", compiled.findings)).providers;
        let read = read.iter().filter_map(|provider| match &provider.keys {
            KeySource::Environment { name, .. } => Some(name.clone()),
            KeySource::Inline(_) | KeySource::Remote(_) => None,
        });
        let variables = environment_variables("shop-1", &spec);
        assert_eq!(variables, read.collect());
        assert_eq!(variables.len(), 2);
    }
}
