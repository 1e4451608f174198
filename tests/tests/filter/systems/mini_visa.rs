//! V3, V8: every call is on record, and no card number is.

use anyhow::{Context as _, Result, ensure};
use http::Request;

use super::{has, last_seen, policy};

const CARD: &str = "4111111111111111";

#[tokio::test]
async fn v3_every_call_is_logged_with_what_was_decided() -> Result<()> {
    let proxy = policy("mini-visa", "payment-service")?.start().await?;
    let mut ids = Vec::new();
    for _ in 0..80 {
        let response = proxy.send(Request::post("/payments").body("{}")?).await?;
        has(&response, &[("cache-control", "no-store")])?;
        let id = response.headers().get("x-correlation-id").context("no id")?.to_str()?.to_owned();
        ids.push((id, response.status().as_u16()));
    }
    ensure!(ids.iter().any(|(_, status)| *status == 200), "none was admitted");
    let lines = proxy.logged(ids.len()).await?;
    ensure!(lines.len() == ids.len(), "{} lines for {} calls", lines.len(), ids.len());
    for (id, status) in ids {
        let line =
            lines.iter().find(|line| line["correlation_id"] == id.as_str()).context("a call is missing")?;
        ensure!(line["status"] == status && line["method"] == "POST", "{line}");
        let decision = line["decision"].as_str().context("no decision")?;
        let verdict = if status == 200 { "verdict=allowed" } else { "verdict=denied reason=over_limit" };
        ensure!(decision.starts_with(verdict), "{line}");
        ensure!(decision.contains("policy=mini-visa/payment-service"), "{line}");
        ensure!(line["client"] == "127.0.0.1" && line["time"].is_string(), "{line}");
    }
    Ok(())
}

#[tokio::test]
async fn v8_a_card_number_reaches_no_log() -> Result<()> {
    let proxy = policy("mini-visa", "payment-service")?.start().await?;
    let spaced = "4111 1111 1111 1111";
    let request = Request::post(format!("/payments/{CARD}?pan={CARD}&exp=12%2F30"))
        .header("x-card", CARD)
        .header("x-correlation-id", CARD)
        .header("referer", format!("https://shop.example/?pan={CARD}"))
        .header("user-agent", spaced)
        .header("x-request-id", CARD)
        .body(format!("{{\"pan\": \"{CARD}\"}}"))?;
    let response = proxy.send(request).await?;
    ensure!(response.status() == 200, "{response:?}");
    // The application gets what was sent to it.
    ensure!(last_seen(&proxy)?["x-card"] == CARD);
    let lines = proxy.logged(1).await?;
    ensure!(lines[0]["path"] == "/payments/[redacted-card-number]", "{lines:?}");
    let stats = proxy.envoy.admin("/stats").await?;
    for (what, text) in
        [("access log", format!("{lines:?}")), ("log", proxy.envoy.output()), ("metrics", stats)]
    {
        ensure!(!text.contains(CARD) && !text.contains(spaced), "a card number is in the {what}: {text}");
    }
    Ok(())
}
