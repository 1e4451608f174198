//! M5: sign-ins that fail are counted by their reason.

use anyhow::{Result, ensure};
use sallyport_tests::proxy::Proxy;
use sallyport_tests::tokens::{Signer, seconds_from_now};
use sallyport_traffic::program::secret_variable;
use serde_json::json;

use super::policy;

const SECRET: &str = "a shared secret of 32 bytes, long";

async fn counted(proxy: &Proxy, reason: &str) -> Result<u64> {
    let reason = format!("reason=\"{reason}\"");
    proxy.envoy.metric("sallyport_requests", &["verdict=\"denied\"", &reason]).await
}

#[tokio::test]
async fn m5_failed_sign_ins_are_counted_by_their_reason() -> Result<()> {
    let variable = secret_variable("mita-production", "mita-jwt", "secret");
    let proxy = policy("mita", "backend")?.variable(&variable, SECRET).start().await?;
    let signer = Signer::shared(SECRET);
    let claims =
        |lives: i64| json!({"iss": "mita", "aud": "mita", "sub": "alice", "exp": seconds_from_now(lives)});
    ensure!(proxy.get("/accounts", Some(&signer.sign(&claims(600))?)).await?.status() == 200);
    for _ in 0..3 {
        ensure!(proxy.get("/accounts", None).await?.status() == 401);
    }
    for _ in 0..2 {
        ensure!(proxy.get("/accounts", Some(&signer.sign(&claims(-600))?)).await?.status() == 401);
    }
    let forged = Signer::shared("another secret, as long as that is").sign(&claims(600))?;
    ensure!(proxy.get("/accounts", Some(&forged)).await?.status() == 401);
    for (reason, times) in [("no_token", 3), ("expired", 2), ("signature", 1)] {
        let count = counted(&proxy, reason).await?;
        let page = proxy.envoy.admin("/stats/prometheus").await?;
        ensure!(count == times, "{reason}: {count}, expected {times}\n{}", ours(&page));
    }
    Ok(())
}

/// The filter's own lines of a page of metrics.
fn ours(page: &str) -> String {
    page.lines().filter(|line| line.contains("sallyport")).collect::<Vec<_>>().join("\n")
}
