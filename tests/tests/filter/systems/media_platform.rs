//! P8: keys from a Secret.

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::tokens::{Signer, seconds_from_now};
use sallyport_traffic::program::secret_variable;
use serde_json::json;

use super::{last_seen, policy};

#[tokio::test]
async fn p8_keys_come_from_a_secret_and_stand_in_no_configuration() -> Result<()> {
    let signer = Signer::rsa("platform")?;
    let variable = secret_variable("production", "jwt-signing-keys", "public.pem");
    let pem = signer.public_pem()?;
    let setup = policy("media-platform", "api-service")?.variable(&variable, &pem);
    let rendered = setup.render(([127, 0, 0, 1], 9).into())?.to_string();
    let line = pem.lines().nth(1).context("a key has lines")?;
    ensure!(rendered.contains(&variable) && !rendered.contains(line), "{rendered}");

    let proxy = setup.start().await?;
    let claims = json!({
        "iss": "https://auth.media-platform.example",
        "aud": "media-platform",
        "sub": "alice",
        "exp": seconds_from_now(600),
    });
    let response = proxy.get("/upload", Some(&signer.sign(&claims)?)).await?;
    ensure!(response.status() == 200, "{response:?}");
    ensure!(last_seen(&proxy)?["x-user-id"] == "alice");
    let another = Signer::rsa("platform")?.sign(&claims)?;
    ensure!(proxy.get("/upload", Some(&another)).await?.status() == 401);
    ensure!(proxy.get("/health/ready", None).await?.status() == 200);
    // Nor does Envoy tell them to whoever may look at it, or write them down.
    let dump = proxy.envoy.admin("/config_dump").await?;
    ensure!(!dump.contains(line) && !proxy.envoy.output().contains(line), "the key can be read");
    Ok(())
}
