//! A2–A4: security headers, one limit over all replicas, sign-in with Firebase.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use http::Response;
use sallyport_tests::proxy::{Conduct, KeyHost, Proxy, RateLimitService, Setup};
use sallyport_tests::tokens::{Signer, key_set, seconds_from_now};
use serde_json::{Value, json};

use super::{has, last_seen, policy};

/// Long enough for any machine: it ends a test that hangs, and decides none.
const HANGS: Duration = Duration::from_secs(60);

/// Google's host of keys, the rate limit service, and what starts a replica that reaches both.
struct Firebase {
    signer: Signer,
    keys: KeyHost,
    _limits: RateLimitService,
    setup: Setup,
}

impl Firebase {
    async fn start() -> Result<Self> {
        let signer = Signer::rsa("monday")?;
        let keys = KeyHost::start("www.googleapis.com", serves(&[&signer], 3600)?).await?;
        let limits = RateLimitService::start("domain: sallyport").await?;
        let setup = policy("ai-imutis", "api")?
            .connect("www.googleapis.com", 443, keys.address())
            .connect("ratelimit.ai-imutis.svc.cluster.local", 8081, limits.address())
            .trusting(keys.ca_file());
        Ok(Self { signer, keys, _limits: limits, setup })
    }

    fn token(&self, user: &str) -> Result<String> {
        self.signer.sign(&claims(user))
    }
}

/// Answers with the public keys, to be kept for so many seconds.
fn serves(signers: &[&Signer], max_age: u32) -> Result<Conduct> {
    let response = Response::builder()
        .header("content-type", "application/json")
        .header("cache-control", format!("public, max-age={max_age}, must-revalidate"))
        .body(key_set(signers)?.into())?;
    Ok(Conduct::Answers(response))
}

/// <https://firebase.google.com/docs/auth/admin/verify-id-tokens>
fn claims(user: &str) -> Value {
    json!({
        "iss": "https://securetoken.google.com/ai-imutis",
        "aud": "ai-imutis",
        "sub": user,
        "iat": seconds_from_now(-10),
        "auth_time": seconds_from_now(-10),
        "exp": seconds_from_now(3590),
    })
}

#[tokio::test]
async fn a2_csp_hsts_and_frame_options_are_on_every_answer() -> Result<()> {
    let firebase = Firebase::start().await?;
    let proxy = firebase.setup.start().await?;
    for (path, status) in [("/health", 200), ("/predict", 401)] {
        let response = proxy.get(path, None).await?;
        ensure!(response.status() == status, "{response:?}");
        has(
            &response,
            &[
                ("content-security-policy", "default-src 'self'; frame-ancestors 'none'"),
                ("strict-transport-security", "max-age=31536000; includeSubDomains"),
                ("x-frame-options", "DENY"),
            ],
        )?;
        ensure!(!response.headers().contains_key("server"), "{response:?}");
    }
    Ok(())
}

/// How many windows of a minute there were since then.
fn windows(start: SystemTime) -> Result<u64> {
    let minute = |time: SystemTime| Ok::<_, anyhow::Error>(time.duration_since(UNIX_EPOCH)?.as_secs() / 60);
    Ok(minute(SystemTime::now())? - minute(start)? + 1)
}

#[tokio::test]
async fn a3_replicas_share_a_limit_through_redis() -> Result<()> {
    let firebase = Firebase::start().await?;
    let replicas = [firebase.setup.start().await?, firebase.setup.start().await?];
    let (alice, bob) = (firebase.token("alice")?, firebase.token("bob")?);
    let start = SystemTime::now();
    let mut admitted = 0;
    for i in 0..300 {
        let response = replicas[i % 2].get("/predict", Some(&alice)).await?;
        match response.status().as_u16() {
            200 => admitted += 1,
            429 => ensure!(response.headers().contains_key("retry-after"), "{response:?}"),
            _ => anyhow::bail!("{response:?}"),
        }
    }
    let most = 100 * windows(start)?;
    ensure!(admitted <= most, "{admitted} were admitted, where {most} may be");
    // What a replica has asked for it may not have needed by the end: at most a lease of ten each.
    ensure!(admitted >= 80, "only {admitted} were admitted");
    ensure!(replicas[0].get("/predict", Some(&bob)).await?.status() == 200, "another user pays for it");
    ensure!(replicas[1].get("/health", None).await?.status() == 200);
    Ok(())
}

async fn is(proxy: &Proxy, token: &str, status: u16) -> Result<()> {
    let response = proxy.get("/predict", Some(token)).await?;
    ensure!(response.status() == status, "expected {status}: {response:?}");
    Ok(())
}

#[tokio::test]
async fn a4_firebase_signs_in_whom_it_knows_for_this_project() -> Result<()> {
    let firebase = Firebase::start().await?;
    let proxy = firebase.setup.start().await?;
    is(&proxy, &firebase.token("alice")?, 200).await?;
    ensure!(last_seen(&proxy)?["x-user-id"] == "alice");
    let reached = proxy.upstream.seen().len();
    let with = |claim: &str, value: Value| {
        let mut claims = claims("alice");
        claims[claim] = value;
        firebase.signer.sign(&claims)
    };
    is(&proxy, &with("iss", json!("https://securetoken.google.com/another"))?, 401).await?;
    is(&proxy, &with("aud", json!("another"))?, 401).await?;
    is(&proxy, &with("exp", json!(seconds_from_now(-120)))?, 401).await?;
    is(&proxy, &with("exp", json!(seconds_from_now(48 * 3600)))?, 401).await?;
    ensure!(proxy.get("/predict", None).await?.status() == 401);
    ensure!(proxy.upstream.seen().len() == reached, "something got through");
    for open in ["/health", "/metrics"] {
        ensure!(proxy.get(open, None).await?.status() == 200, "{open} stays open");
    }
    Ok(())
}

#[tokio::test]
async fn a4_keys_that_rotate_are_fetched_when_the_first_token_of_a_new_one_comes() -> Result<()> {
    let firebase = Firebase::start().await?;
    let proxy = firebase.setup.start().await?;
    is(&proxy, &firebase.token("alice")?, 200).await?;
    let tuesday = Signer::rsa("tuesday")?;
    let new = tuesday.sign(&claims("alice"))?;
    firebase.keys.behave(serves(&[&firebase.signer, &tuesday], 3600)?);
    let before = firebase.keys.fetches();
    // Nobody makes the filter fetch more often than every ten seconds, whatever keys he names.
    let accepted = async {
        while proxy.get("/predict", Some(&new)).await?.status() != 200 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok::<_, anyhow::Error>(())
    };
    tokio::time::timeout(HANGS, accepted).await??;
    ensure!(firebase.keys.fetches() == before + 1, "{} fetches", firebase.keys.fetches() - before);
    is(&proxy, &firebase.token("alice")?, 200).await?;
    Ok(())
}
