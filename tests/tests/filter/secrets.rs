//! Keys in the proxy's environment.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use anyhow::{Result, ensure};
use http::{Request, StatusCode};
use sallyport_tests::proxy::{Proxy, Setup};
use sallyport_tests::tokens::{Signer, claims};

/// A policy that asks for a token that is signed with what a variable holds.
fn policy(name: &str, host: &str, keys: &str) -> String {
    format!(
        "
kind: TrafficPolicy
metadata: {{name: {name}, namespace: shop}}
spec:
  selector: {{}}
  hosts: [{host}]
  jwt:
    providers:
      - {{name: shared, issuer: 'https://issuer.example', audiences: [shop], algorithms: [HS256], jwks: {{{keys}}}}}
    rules: [{{name: all, match: [{{path: {{prefix: /}}}}], require: {{anyOf: [shared]}}}}]
---"
    )
}

async fn ask(proxy: &Proxy, host: &str, secret: &[u8]) -> Result<StatusCode> {
    let token = Signer::shared(secret).sign(&claims("alice", 3600))?;
    let request = Request::get("/").header("host", host).header("authorization", format!("Bearer {token}"));
    Ok(proxy.send(request.body("")?).await?.status())
}

#[tokio::test]
async fn a_secret_may_be_any_bytes_but_nul() -> Result<()> {
    let secret: Vec<u8> = (1..=255).rev().collect();
    let yaml = policy("api", "a.example", "env: {name: SECRET, format: Raw}");
    let proxy = Setup::of(&yaml)?.variable("SECRET", OsString::from_vec(secret.clone())).start().await?;
    ensure!(ask(&proxy, "a.example", &secret).await? == 200);
    ensure!(ask(&proxy, "a.example", String::from_utf8_lossy(&secret).as_bytes()).await? == 401);
    Ok(())
}

/// One virtual machine has the variables that it was started with, for whichever policy: all policies' are in each.
#[tokio::test]
async fn each_of_several_policies_has_its_own_secrets_in_every_worker() -> Result<()> {
    let secrets = ["one secret, which is long enough", "and another, as long as that is."];
    let yaml = [
        policy("a", "a.example", "env: {name: FIRST, format: Raw}"),
        policy("b", "b.example", "secretRef: {name: keys, key: raw, format: Raw}"),
    ];
    for yaml in [yaml.concat(), yaml.iter().rev().map(String::as_str).collect()] {
        let setup = Setup::of(&yaml)?.workers(2).variable("FIRST", secrets[0]);
        let proxy = setup.variable("SALLYPORT_KEY_shop__keys__raw", secrets[1]).start().await?;
        for (host, right, wrong) in [("a.example", 0, 1), ("b.example", 1, 0)] {
            // More connections than workers: each gets some.
            for _ in 0..8 {
                ensure!(ask(&proxy, host, secrets[right].as_bytes()).await? == 200, "{host}");
                ensure!(ask(&proxy, host, secrets[wrong].as_bytes()).await? == 401, "{host}");
            }
        }
    }
    Ok(())
}
