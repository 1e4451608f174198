//! F5–F8: sign-in, limits, security headers and correlation at the ingress gateway and at the service.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use http::Request;
use sallyport_tests::proxy::Proxy;
use sallyport_tests::tokens::{Signer, seconds_from_now};
use sallyport_traffic::program::secret_variable;
use serde_json::{Value, json};

use super::{has, last_seen, policy};

const HOST: &str = "api.financial-planning.example";
/// 256 bits, as RFC 7518 §3.2 asks for HS256.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The gateway, with its keys from the Secret, and whoever signs with the private one.
async fn gateway() -> Result<(Proxy, Signer)> {
    let signer = Signer::rsa("2026")?;
    let variable = |key| secret_variable("istio-system", "jwt-keys", key);
    let setup = policy("financial-planning", "financial-planning")?
        .variable(&variable("JWT_PUBLIC_KEY"), &signer.public_pem()?)
        .variable(&variable("JWT_SECRET_KEY"), SECRET);
    Ok((setup.start().await?, signer))
}

fn claims(user: &str) -> Value {
    json!({
        "iss": "https://auth.financial-planning.example",
        "aud": "api",
        "sub": user,
        "exp": seconds_from_now(600),
    })
}

async fn ask(proxy: &Proxy, path: &str, headers: &[(&str, &str)]) -> Result<http::Response<bytes::Bytes>> {
    let mut request = Request::get(path).header("host", HOST);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    proxy.send(request.body("")?).await
}

#[tokio::test]
async fn f5_a_client_has_its_burst_and_then_100_a_minute() -> Result<()> {
    let (proxy, _) = gateway().await?;
    let start = Instant::now();
    let mut admitted = 0;
    for i in 0..60 {
        // What a client says of its address is not believed.
        let forged = format!("198.51.100.{i}");
        let response = ask(&proxy, "/health", &[("x-forwarded-for", &forged)]).await?;
        match response.status().as_u16() {
            200 => admitted += 1,
            429 => {
                ensure!(
                    response.headers()["ratelimit-policy"] == "\"per-client\";q=100;w=60",
                    "{response:?}"
                );
                let wait: u64 = response.headers()["retry-after"].to_str()?.parse()?;
                ensure!(wait == 1, "the next comes after 0.6 s: {response:?}");
            }
            _ => anyhow::bail!("{response:?}"),
        }
    }
    // 100 a minute are one every 0.6 s.
    let most = 20 + start.elapsed().as_millis() / 600 + 1;
    ensure!((20..=most).contains(&admitted), "{admitted} of 60 were admitted, where at most {most} may be");
    Ok(())
}

#[tokio::test]
async fn f5_at_the_service_nobody_but_the_gateway_says_who_a_user_is() -> Result<()> {
    let proxy = policy("financial-planning", "api")?.start().await?;
    // Not from the gateway, which its certificate would show.
    let response = ask(&proxy, "/accounts", &[("x-user-id", "alice")]).await?;
    ensure!(response.status() == 429, "{response:?}");
    ensure!(proxy.upstream.seen().is_empty(), "a forged name got through");
    ensure!(ask(&proxy, "/health", &[]).await?.status() == 200);
    Ok(())
}

#[tokio::test]
async fn f6_tokens_of_the_private_key_and_of_the_shared_secret_sign_in() -> Result<()> {
    let (proxy, rsa) = gateway().await?;
    let shared = Signer::shared(SECRET);
    for (signer, user) in [(&rsa, "alice"), (&shared, "bob")] {
        let token = format!("Bearer {}", signer.sign(&claims(user))?);
        let response = ask(&proxy, "/accounts", &[("authorization", &token), ("x-user-id", "root")]).await?;
        ensure!(response.status() == 200, "{user}: {response:?}");
        let seen = last_seen(&proxy)?;
        let users: Vec<_> = seen.get_all("x-user-id").iter().collect();
        ensure!(users == [user], "{users:?}");
        ensure!(seen["authorization"] == token.as_str(), "the policy forwards the token");
    }
    let reached = proxy.upstream.seen().len();
    let mut expired = claims("alice");
    expired["exp"] = json!(seconds_from_now(-600));
    let mut other = claims("alice");
    other["aud"] = json!("another");
    // The public key is known to all: whoever takes it for a secret signs for everybody (RFC 8725 §2.1).
    let confused = Signer::shared(rsa.public_pem()?);
    let stranger = Signer::rsa("2026")?;
    let tokens = [
        ("expired", rsa.sign(&expired)?),
        ("for another", rsa.sign(&other)?),
        ("of the public key", confused.sign(&claims("alice"))?),
        ("of a stranger", stranger.sign(&claims("alice"))?),
    ];
    for (what, token) in tokens {
        let response = ask(&proxy, "/accounts", &[("authorization", &format!("Bearer {token}"))]).await?;
        ensure!(response.status() == 401, "{what}: {response:?}");
        let challenge = response.headers()["www-authenticate"].to_str()?;
        ensure!(challenge.contains("error=\"invalid_token\""), "{what}: {challenge}");
    }
    ensure!(ask(&proxy, "/accounts", &[]).await?.status() == 401);
    ensure!(proxy.upstream.seen().len() == reached, "a request without a right token got through");
    Ok(())
}

#[tokio::test]
async fn f6_hosts_of_other_tenants_are_left_alone() -> Result<()> {
    let (proxy, _) = gateway().await?;
    let request = Request::get("/accounts").header("host", "another.example").body("")?;
    let response = proxy.send(request).await?;
    ensure!(response.status() == 200, "{response:?}");
    ensure!(!response.headers().contains_key("x-frame-options"), "{response:?}");
    Ok(())
}

#[tokio::test]
async fn f7_security_headers_are_on_answers_of_the_application_and_of_the_filter() -> Result<()> {
    let (proxy, _) = gateway().await?;
    for (path, status) in [("/health", 200), ("/accounts", 401)] {
        let response = ask(&proxy, path, &[]).await?;
        ensure!(response.status() == status, "{response:?}");
        has(
            &response,
            &[
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "deny"),
                ("referrer-policy", "no-referrer"),
                ("strict-transport-security", "max-age=63072000; includeSubDomains"),
                ("cross-origin-opener-policy", "same-origin"),
            ],
        )?;
    }
    Ok(())
}

#[tokio::test]
async fn f8_each_request_has_an_id_that_is_passed_on_answered_and_logged() -> Result<()> {
    let (proxy, _) = gateway().await?;
    let response = ask(&proxy, "/health?card=1", &[("x-correlation-id", "chosen-by-the-client")]).await?;
    let id = response.headers().get("x-correlation-id").context("the answer has no id")?.to_str()?;
    ensure!(id != "chosen-by-the-client", "the gateway makes its own");
    ensure!(last_seen(&proxy)?["x-correlation-id"] == id, "the application got another");
    let denied = ask(&proxy, "/accounts", &[]).await?;
    let of_denied = denied.headers().get("x-correlation-id").context("a refusal has no id")?.to_str()?;
    ensure!(of_denied != id, "two requests have one id");
    let lines = proxy.logged(2).await?;
    for (id, path, status) in [(id, "/health", 200), (of_denied, "/accounts", 401)] {
        let line = lines.iter().find(|line| line["correlation_id"] == id);
        let line = line.with_context(|| format!("{id} is not logged: {lines:?}"))?;
        ensure!(line["path"] == path && line["status"] == status && line["method"] == "GET", "{line}");
        ensure!(line["duration_ms"].is_number() && line["client"].is_string(), "{line}");
    }
    Ok(())
}

#[tokio::test]
async fn f8_the_service_keeps_the_id_of_the_gateway() -> Result<()> {
    let proxy = policy("financial-planning", "api")?.start().await?;
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let response = ask(&proxy, "/health", &[("x-correlation-id", id)]).await?;
    ensure!(response.status() == 200, "{response:?}");
    ensure!(last_seen(&proxy)?["x-correlation-id"] == id);
    ask(&proxy, "/health", &[]).await?;
    ensure!(last_seen(&proxy)?.contains_key("x-correlation-id"), "one that has none gets one");
    Ok(())
}
