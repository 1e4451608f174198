//! The five systems' TrafficPolicies.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::examples::Example;
use sallyport_tests::proxy::{Envoy, Setup, policies};
use sallyport_traffic::program::secret_variable;
use sallyport_traffic::{JwksSource, KeyFormat};

/// Envoy builds the configuration of each filter, and so asks the filter itself.
#[test]
fn envoy_takes_what_is_rendered_for_each_system() -> Result<()> {
    for system in Example::all()? {
        let yaml = traffic(&system.policies())?;
        let mut setup = Setup::of(&yaml).with_context(|| format!("of {}", system.name))?;
        for (variable, keys) in keys(&yaml)? {
            setup = setup.variable(&variable, keys);
        }
        setup.validate().with_context(|| format!("Envoy refuses that of {}", system.name))?;
    }
    Ok(())
}

/// What the policies' variables may hold.
fn keys(yaml: &str) -> Result<Vec<(String, String)>> {
    let policies = policies(yaml)?;
    let providers = policies.iter().flat_map(|plugin| {
        let providers = plugin.spec.jwt.iter().flat_map(|jwt| &jwt.providers);
        providers.map(|provider| (plugin.policy.namespace.as_str(), provider))
    });
    let variables = providers.filter_map(|(namespace, provider)| match provider.jwks.source()? {
        JwksSource::Env(env) => Some((env.name.clone(), env.format)),
        JwksSource::Secret(secret) => {
            Some((secret_variable(namespace, &secret.name, &secret.key), secret.format))
        }
        JwksSource::Inline(_) | JwksSource::Uri(_) => None,
    });
    let pem = rcgen::KeyPair::generate()?.public_key_pem();
    let keys = |format| match format {
        KeyFormat::Jwks => JWKS.to_owned(),
        KeyFormat::Pem => pem.clone(),
        KeyFormat::Raw => "k".repeat(64),
    };
    Ok(variables.map(|(variable, format)| (variable, keys(format))).collect())
}

/// RFC 8037 appendix A.2.
const JWKS: &str =
    r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// What the test above would see if a configuration were wrong.
#[test]
fn envoy_refuses_what_is_not_right() -> Result<()> {
    let setup = Setup::of(ANY)?;
    let mut bootstrap = setup.render(([127, 0, 0, 1], 9).into())?;
    let cluster =
        bootstrap.pointer_mut("/static_resources/clusters/0/connect_timeout").context("no cluster")?;
    *cluster = "soon".into();
    ensure!(Envoy::validate(&bootstrap, &[]).is_err(), "this passed:\n{bootstrap}");
    Ok(())
}

const ANY: &str = "
kind: TrafficPolicy
metadata: {name: any, namespace: shop}
spec: {selector: {}, headers: {response: {remove: [server]}}}
";

fn traffic(policies: &Path) -> Result<String> {
    let file = policies.join("traffic.yaml");
    fs::read_to_string(&file).with_context(|| file.display().to_string())
}
