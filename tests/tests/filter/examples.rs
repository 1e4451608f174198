//! The five systems' TrafficPolicies.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::examples::Example;
use sallyport_tests::proxy::{Envoy, Setup};

/// Envoy builds the configuration of each filter, and so asks the filter itself.
#[test]
fn envoy_takes_what_is_rendered_for_each_system() -> Result<()> {
    for system in Example::all()? {
        let yaml = traffic(&system.policies())?;
        let setup = Setup::of(&yaml).with_context(|| format!("of {}", system.name))?;
        setup.validate().with_context(|| format!("Envoy refuses that of {}", system.name))?;
    }
    Ok(())
}

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
