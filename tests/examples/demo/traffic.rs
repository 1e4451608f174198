//! Envoy with the filter and each system's TrafficPolicy, and what clients are answered.

use std::io::Write;
use std::time::Instant;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request, Response};
use sallyport_tests::examples::Example;
use sallyport_tests::proxy::{Conduct, KeyHost, Proxy, Setup};
use sallyport_tests::tokens::{Signer, key_set, seconds_from_now};
use sallyport_traffic::program::secret_variable;
use serde_json::{Value, json};

use crate::{CYAN, FAINT, GREEN, STRONG, YELLOW};

/// 256 bits, as RFC 7518 section 3.2 asks for HS256.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Sends each system's proxy some requests, and prints the answers.
pub(crate) async fn show(out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "{STRONG}The second gate{STRONG:#}  an Envoy with the filter for each TrafficPolicy, requests as clients send them"
    )?;
    let started = Instant::now();
    let mut sent = 0;
    sent += mita(out).await?;
    sent += financial_planning(out).await?;
    sent += ai_imutis(out).await?;
    sent += mini_visa(out).await?;
    sent += media_platform(out).await?;
    writeln!(
        out,
        "\n{STRONG}{sent} requests through five Envoys{STRONG:#}  {FAINT}in {:.1} s with their start{FAINT:#}",
        started.elapsed().as_secs_f64()
    )?;
    writeln!(out, "\nHow to run such an Envoy yourself:\n  docs/envoy.md\n")?;
    Ok(())
}

/// Sends requests to one proxy.
struct Shown<'o, W> {
    out: &'o mut W,
    proxy: Proxy,
    host: &'static str,
    sent: usize,
}

/// A request, and the status that it must have.
struct Asked<'a> {
    what: &'a str,
    method: Method,
    path: &'a str,
    token: Option<String>,
    status: u16,
}

impl<'a> Asked<'a> {
    fn get(what: &'a str, path: &'a str, status: u16) -> Self {
        Self { what, method: Method::GET, path, token: None, status }
    }

    fn with(mut self, token: String) -> Self {
        self.token = Some(token);
        self
    }
}

impl<'o, W: Write> Shown<'o, W> {
    async fn of(
        out: &'o mut W,
        (system, policy): (&str, &str),
        host: &'static str,
        setup: &Setup,
    ) -> anyhow::Result<Self> {
        writeln!(out, "\n{STRONG}{system}{STRONG:#}  {FAINT}TrafficPolicy {policy}{FAINT:#}")?;
        Ok(Self { out, proxy: setup.start().await?, host, sent: 0 })
    }

    async fn send(&mut self, asked: &Asked<'_>) -> anyhow::Result<Response<Bytes>> {
        let mut request = Request::builder().method(&asked.method).uri(asked.path).header("host", self.host);
        if let Some(token) = &asked.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.sent += 1;
        self.proxy.send(request.body("")?).await
    }

    /// Sends a request, and prints the answer with those of its headers.
    async fn ask(&mut self, asked: Asked<'_>, headers: &[&str]) -> anyhow::Result<()> {
        let response = self.send(&asked).await?;
        self.print(&asked, &response, "", headers)
    }

    /// Sends a request until it is refused.
    async fn exhaust(&mut self, asked: Asked<'_>, most: usize) -> anyhow::Result<()> {
        for admitted in 0..most {
            let response = self.send(&asked).await?;
            if response.status() == asked.status {
                let after = format!("after {admitted} others");
                return self.print(&asked, &response, &after, &["retry-after", "ratelimit-policy"]);
            }
        }
        bail!("{} was not refused in {most} requests", asked.path)
    }

    fn print(
        &mut self,
        asked: &Asked<'_>,
        response: &Response<Bytes>,
        after: &str,
        headers: &[&str],
    ) -> anyhow::Result<()> {
        let status = response.status().as_u16();
        if status != asked.status {
            bail!("{} {}: {status} instead of {}: {response:?}", asked.path, asked.what, asked.status);
        }
        let colour = if response.status().is_success() { GREEN } else { YELLOW };
        let said: Vec<String> = headers
            .iter()
            .filter_map(|name| {
                let value = response.headers().get(*name)?.to_str().ok()?;
                Some(format!("{name}: {value}"))
            })
            .collect();
        let what = if after.is_empty() { asked.what.to_owned() } else { format!("{} {after}", asked.what) };
        writeln!(
            self.out,
            "  {colour}{status}{colour:#} {:<30} {CYAN}{what:<44}{CYAN:#} {FAINT}{}{FAINT:#}",
            format!("{} {}", asked.method, asked.path),
            said.join(" · ")
        )?;
        Ok(())
    }
}

/// What starts the TrafficPolicy of this name of an example.
fn policy(system: &str, name: &str) -> anyhow::Result<Setup> {
    let examples = Example::all()?;
    let example = examples.iter().find(|example| example.name == system).context("no such example")?;
    let documents = example.traffic_policies()?;
    let policy = documents.iter().find(|policy| policy["metadata"]["name"] == name);
    Setup::of(&policy.with_context(|| format!("{system} has no TrafficPolicy {name}"))?.to_string())
}

fn claims(issuer: &str, audience: &str, lives: i64) -> Value {
    json!({"iss": issuer, "aud": audience, "sub": "alice", "exp": seconds_from_now(lives)})
}

async fn mita(out: &mut impl Write) -> anyhow::Result<usize> {
    let variable = secret_variable("mita-production", "mita-jwt", "secret");
    let setup = policy("mita", "backend")?.variable(&variable, SECRET);
    let signer = Signer::shared(SECRET);
    let mut shown = Shown::of(out, ("mita", "backend"), "mita.example", &setup).await?;
    let token = |lives| signer.sign(&claims("mita", "mita", lives));
    shown.ask(Asked::get("without a token", "/accounts", 401), &["www-authenticate"]).await?;
    shown
        .ask(
            Asked::get("with one that has expired", "/accounts", 401).with(token(-600)?),
            &["www-authenticate"],
        )
        .await?;
    shown
        .ask(
            Asked::get("with one of the application", "/accounts", 200).with(token(600)?),
            &["x-frame-options"],
        )
        .await?;
    let guess = Asked { method: Method::POST, ..Asked::get("one more password", "/auth/login", 429) };
    shown.exhaust(guess, 20).await?;
    Ok(shown.sent)
}

async fn financial_planning(out: &mut impl Write) -> anyhow::Result<usize> {
    let signer = Signer::rsa("2026")?;
    let variable = |key| secret_variable("istio-system", "jwt-keys", key);
    let setup = policy("financial-planning", "financial-planning")?
        .variable(&variable("JWT_PUBLIC_KEY"), &signer.public_pem()?)
        .variable(&variable("JWT_SECRET_KEY"), SECRET);
    let host = "api.financial-planning.example";
    let mut shown = Shown::of(out, ("financial-planning", "financial-planning"), host, &setup).await?;
    let claims = claims("https://auth.financial-planning.example", "api", 600);
    // The public key is known to all: whoever takes it for a shared secret signs for everybody.
    let confused = Signer::shared(signer.public_pem()?).sign(&claims)?;
    shown
        .ask(
            Asked::get("signed RS256 by the private key", "/plans", 200).with(signer.sign(&claims)?),
            &["x-correlation-id"],
        )
        .await?;
    shown
        .ask(
            Asked::get("signed HS256 with the public key", "/plans", 401).with(confused),
            &["www-authenticate"],
        )
        .await?;
    shown.exhaust(Asked::get("one more request", "/health", 429), 200).await?;
    Ok(shown.sent)
}

async fn ai_imutis(out: &mut impl Write) -> anyhow::Result<usize> {
    let signer = Signer::rsa("today")?;
    let keys = key_set(&[&signer])?;
    let host = KeyHost::start("www.googleapis.com", Conduct::serves(keys)).await?;
    let setup = policy("ai-imutis", "api")?
        .connect("www.googleapis.com", 443, host.address())
        .trusting(host.ca_file());
    let mut shown = Shown::of(out, ("ai-imutis", "api"), "imutis.example", &setup).await?;
    let mut claims = claims("https://securetoken.google.com/ai-imutis", "ai-imutis", 600);
    claims["iat"] = json!(seconds_from_now(-10));
    let token = signer.sign(&claims)?;
    shown
        .ask(
            Asked::get("with a token of Firebase's", "/predict", 200).with(token),
            &["content-security-policy"],
        )
        .await?;
    claims.as_object_mut().context("claims are an object")?.remove("sub");
    let nobody = signer.sign(&claims)?;
    shown
        .ask(Asked::get("with one that names nobody", "/predict", 403).with(nobody), &["www-authenticate"])
        .await?;
    shown.ask(Asked::get("which stays open", "/health", 200), &["strict-transport-security"]).await?;
    Ok(shown.sent)
}

async fn mini_visa(out: &mut impl Write) -> anyhow::Result<usize> {
    let setup = policy("mini-visa", "payment-service")?;
    let mut shown = Shown::of(out, ("mini-visa", "payment-service"), "pay.example", &setup).await?;
    let pay = |status| Asked { method: Method::POST, ..Asked::get("a payment", "/payments", status) };
    shown.ask(pay(200), &["x-correlation-id", "cache-control"]).await?;
    let lines = shown.proxy.logged(1).await?;
    writeln!(
        shown.out,
        "      {FAINT}access log: {}{FAINT:#}",
        lines[0]["decision"].as_str().unwrap_or_default()
    )?;
    Ok(shown.sent)
}

async fn media_platform(out: &mut impl Write) -> anyhow::Result<usize> {
    let signer = Signer::rsa("platform")?;
    let variable = secret_variable("production", "jwt-signing-keys", "public.pem");
    let setup = policy("media-platform", "api-service")?.variable(&variable, &signer.public_pem()?);
    let mut shown = Shown::of(out, ("media-platform", "api-service"), "media.example", &setup).await?;
    let claims = claims("https://auth.media-platform.example", "media-platform", 600);
    shown
        .ask(
            Asked::get("with a token of the platform", "/upload", 200).with(signer.sign(&claims)?),
            &["referrer-policy"],
        )
        .await?;
    let stranger = Signer::rsa("platform")?.sign(&claims)?;
    shown
        .ask(Asked::get("with one of a stranger", "/upload", 401).with(stranger), &["www-authenticate"])
        .await?;
    Ok(shown.sent)
}
