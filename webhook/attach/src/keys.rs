//! What a policy's keys need of the proxy.

use std::collections::BTreeSet;

use sallyport_traffic::{JwksSource, TrafficPolicySpec};

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
    let authority = uri.strip_prefix("https://")?.split(['/', '?']).next()?;
    if authority.contains(':') { authority.parse().ok() } else { format!("{authority}:443").parse().ok() }
}

/// The environment variable by which a key of a Secret reaches the proxies.
fn secret_variable(namespace: &str, secret: &str, key: &str) -> String {
    let mut name = "SALLYPORT_KEY".to_owned();
    for part in [namespace, secret, key] {
        name.push('_');
        for c in part.chars() {
            match c {
                'a'..='z' | 'A'..='Z' | '0'..='9' => name.push(c),
                other => {
                    name.push('_');
                    name.push_str(&u32::from(other).to_string());
                    name.push('_');
                }
            }
        }
    }
    name
}
