//! A rate limit service that crashes or is too slow, and comes back: what each policy says of that, and what is counted.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use http::Request;
use sallyport_tests::proxy::{Proxy, RateLimitService, Setup, send};
use tokio::task::JoinSet;

/// What a user has in a day.
const QUOTA: usize = 6;
/// How many requests are sent where it matters whether all pass.
const MANY: usize = QUOTA + 3;
/// What policies say of a service that does not answer.
const MODES: [&str; 3] = ["Allow", "Deny", "Local"];

/// Requests wait long enough for the service, as long as it works at all.
fn policy(mode: &str) -> String {
    format!(
        "
kind: TrafficPolicy
metadata: {{name: {}, namespace: shop}}
spec:
  selector: {{}}
  rateLimitService: {{service: ratelimit, port: 8081, timeout: 5s, whenUnavailable: {mode}}}
  rateLimits:
    - name: daily
      scope: Global
      key: [{{header: {{name: x-user}}}}]
      limit: {{requests: {QUOTA}, period: 24h}}
",
        mode.to_lowercase()
    )
}

/// A proxy before a service, and which of its requests was logged last.
struct Asked {
    mode: &'static str,
    proxy: Proxy,
    logged: usize,
}

impl Asked {
    async fn all(service: &RateLimitService) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        for mode in MODES {
            let setup = Setup::of(&policy(mode))?;
            let setup = setup.connect("ratelimit.shop.svc.cluster.local", 8081, service.address());
            all.push(Self { mode, proxy: setup.start().await?, logged: 0 });
        }
        Ok(all)
    }

    /// Sends so many requests of a user at once: how many were admitted, and what was logged of the others, which were
    /// answered 429 with a time to come again.
    async fn send(&mut self, user: &str, requests: usize) -> Result<(usize, Vec<String>)> {
        let mut sent = JoinSet::new();
        for _ in 0..requests {
            let request = Request::get("/").header("x-user", user).body("")?;
            sent.spawn(send(self.proxy.envoy.address(), request));
        }
        let mut admitted = 0;
        while let Some(response) = sent.join_next().await {
            let response = response??;
            match response.status().as_u16() {
                200 => admitted += 1,
                429 => ensure!(response.headers().contains_key("retry-after"), "{response:?}"),
                _ => anyhow::bail!("{}: {response:?}", self.mode),
            }
        }
        let lines = self.proxy.logged(self.logged + requests).await?;
        let refused = lines.iter().skip(self.logged).filter(|line| line["status"] == 429);
        let decisions = refused.map(|line| line["decision"].as_str().map(str::to_owned));
        let decisions = decisions.collect::<Option<Vec<_>>>().context("a decision is not logged")?;
        self.logged += requests;
        Ok((admitted, decisions))
    }

    /// The service does not answer: what the policy says of that happens.
    async fn goes_by_the_policy(&mut self, user: &str) -> Result<()> {
        let (admitted, refused) = self.send(user, MANY).await?;
        let (wanted, reason) = match self.mode {
            "Allow" => (MANY, ""),
            "Deny" => (0, "limit_service_unavailable"),
            // As one proxy counts: a burst is as much as a day's.
            _ => (QUOTA, "over_limit"),
        };
        ensure!(admitted == wanted, "{}: {admitted} were admitted, not {wanted}", self.mode);
        let told = format!("verdict=denied reason={reason} limit=daily ");
        ensure!(refused.iter().all(|decision| decision.starts_with(&told)), "{}: {refused:?}", self.mode);
        self.is_told().await
    }

    /// That the service does not count is told: each time by a number and the decision, and once in the log.
    async fn is_told(&self) -> Result<()> {
        let failures =
            self.proxy.envoy.metric("sallyport_limit_service_failures", &["limit=\"daily\""]).await?;
        ensure!(failures == MANY as u64, "{}: {failures} failures", self.mode);
        let decisions = self.proxy.logged(self.logged).await?;
        let is_told = |line: &&serde_json::Value| {
            line["decision"]
                .as_str()
                .is_some_and(|told| told.contains("reason=limit_service_unavailable limit=daily"))
        };
        let told = decisions.iter().filter(is_told).count();
        // Locally some are over the limit.
        let wanted = if self.mode == "Local" { QUOTA } else { MANY };
        ensure!(told == wanted, "{}: {decisions:?}", self.mode);
        let output = self.proxy.envoy.output();
        let lines = output.matches("the rate limit service does not count for limit daily").count();
        ensure!(lines == 1, "{}: {lines} lines\n{output}", self.mode);
        Ok(())
    }

    /// The service counts: of so many that are left to a user, that many are admitted, and more only of another day.
    async fn admits(&mut self, user: &str, left: usize, since: u64) -> Result<()> {
        let (admitted, refused) = self.send(user, left + 2).await?;
        let is_new_day = day()? > since;
        ensure!(admitted == left || is_new_day, "{}: {admitted} were admitted, not {left}", self.mode);
        let told = "verdict=denied reason=over_limit limit=daily ";
        ensure!(refused.iter().all(|decision| decision.starts_with(told)), "{}: {refused:?}", self.mode);
        Ok(())
    }
}

/// The day by this machine's clock, which is the service's too: its windows begin with it.
fn day() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / 86_400)
}

#[tokio::test]
async fn while_the_service_is_gone_policies_say_what_happens_and_then_it_counts_on() -> Result<()> {
    let mut service = RateLimitService::start("domain: sallyport").await?;
    let mut all = Asked::all(&service).await?;
    let since = day()?;
    for asked in &mut all {
        let (admitted, _) = asked.send("alice", 2).await?;
        ensure!(admitted == 2, "{}: {admitted} were admitted", asked.mode);
    }
    service.crash()?;
    for asked in &mut all {
        asked.goes_by_the_policy("alice").await?;
    }
    service.start_again().await?;
    for asked in &mut all {
        // What was admitted without the service, it does not know of.
        asked.admits("alice", QUOTA - 2, since).await?;
        asked.admits("bob", QUOTA, since).await?;
    }
    Ok(())
}

#[tokio::test]
async fn while_the_service_is_too_slow_policies_say_what_happens_and_then_it_counts_on() -> Result<()> {
    let service = RateLimitService::start("domain: sallyport").await?;
    let mut all = Asked::all(&service).await?;
    let since = day()?;
    for asked in &mut all {
        let (admitted, _) = asked.send("alice", 2).await?;
        ensure!(admitted == 2, "{}: {admitted} were admitted", asked.mode);
    }
    service.stall()?;
    let mut waiting = JoinSet::new();
    for mut asked in all {
        waiting.spawn(async move {
            // By a connection that it has, and by a user whom the service may yet count when it goes on.
            asked.goes_by_the_policy("bob").await?;
            anyhow::Ok(asked)
        });
    }
    let all = waiting.join_all().await;
    service.go_on()?;
    for asked in all {
        asked?.admits("alice", QUOTA - 2, since).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_service_that_knows_no_limits_of_ours_is_told_of() -> Result<()> {
    let service = RateLimitService::start("domain: other").await?;
    let setup = Setup::of(&policy("Allow"))?;
    let setup = setup.connect("ratelimit.shop.svc.cluster.local", 8081, service.address());
    let proxy = setup.start().await?;
    let response = proxy.send(Request::get("/").header("x-user", "alice").body("")?).await?;
    ensure!(response.status() == 200, "{response:?}");
    let line = proxy.logged(1).await?.pop().context("no line")?;
    let told = "verdict=allowed reason=limit_service_unavailable limit=daily policy=shop/allow";
    ensure!(line["decision"] == told, "{line}");
    let outcome = ["limit=\"daily\"", "outcome=\"not_counted\""];
    ensure!(
        proxy.envoy.metric("sallyport_limit_service_failures", &outcome).await? == 1,
        "it is not counted"
    );
    let output = proxy.envoy.output();
    ensure!(
        output.contains("does not count for limit daily of TrafficPolicy shop/allow: it knows no limit"),
        "{output}"
    );
    Ok(())
}
