//! What becomes of requests, counts and metrics while the configuration changes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use http::{Request, Response};
use sallyport_tests::proxy::{Client, Conduct, Delivery, KeyHost, Proxy, Setup, Upstream};
use sallyport_tests::tokens::{Signer, claims, key_set};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const CLIENTS: usize = 4;
/// What all clients together have in a day.
const QUOTA: u32 = 2_000;
const DAY: Duration = Duration::from_secs(86_400);
/// How often the configuration changes, at least in all and at least once the quota is used up.
const CHANGES: u32 = 12;
const CHANGES_THEN: u32 = 4;
/// Long enough for any machine: it ends a test that hangs, and decides none.
const HANGS: Duration = Duration::from_secs(60);

/// A policy whose answers tell its version: of two limits one stays as it is, and the other never refuses.
fn policy(version: u32, also: &str) -> String {
    format!(
        "
kind: TrafficPolicy
metadata: {{name: api, namespace: shop}}
spec:
  selector: {{}}
  rateLimits:
    - {{name: daily, key: [{{header: {{name: x-team}}}}], limit: {{requests: {QUOTA}, period: 24h}}}}
    - {{name: changing, limit: {{requests: {}, period: 1s}}}}
  headers: {{response: {{set: [{{name: x-version, value: '{version}'}}]}}}}
{also}",
        1_000_000 + version
    )
}

/// The last version, which lets nobody in but this signer's users.
fn closed(version: u32, signer: &Signer) -> Result<String> {
    let keys = key_set(&[signer])?;
    let also = format!(
        "  jwt:
    providers: [{{name: own, issuer: 'https://issuer.example', algorithms: [EdDSA], jwks: {{inline: '{keys}'}}}}]
    rules: [{{name: all, match: [{{path: {{prefix: /}}}}], require: {{anyOf: [own]}}}}]
"
    );
    Ok(policy(version, &also))
}

/// What a client was told by now.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    admitted: usize,
    over: usize,
    unknown: usize,
    connections: usize,
    version: u32,
}

fn version(response: &Response<Bytes>) -> Result<u32> {
    let version = response.headers().get("x-version").with_context(|| format!("no version: {response:?}"))?;
    Ok(version.to_str()?.parse()?)
}

/// Sends requests without a pause until told to stop, and connects anew where Envoy asks for it.
async fn send(address: SocketAddr, told: &watch::Sender<Told>, stop: watch::Receiver<bool>) -> Result<()> {
    while !*stop.borrow() {
        let mut client = Client::connect(address).await?;
        told.send_modify(|told| told.connections += 1);
        let mut since = 0;
        while !*stop.borrow() {
            let response = client.send(Request::get("/").header("x-team", "one").body("")?).await?;
            let version = version(&response)?;
            ensure!(version >= since, "a connection went back from {since} to {version}");
            since = version;
            let mut now = *told.borrow();
            now.version = version;
            match response.status().as_u16() {
                200 => now.admitted += 1,
                429 => now.over += 1,
                401 => now.unknown += 1,
                _ => bail!("{response:?}"),
            }
            told.send_replace(now);
            if response.headers().get("connection").is_some_and(|value| value == "close") {
                break;
            }
        }
    }
    Ok(())
}

/// Clients at work.
struct Load {
    clients: Vec<(watch::Receiver<Told>, JoinHandle<Result<()>>)>,
    stop: watch::Sender<bool>,
}

impl Load {
    fn start(address: SocketAddr) -> Self {
        let (stop, stopped) = watch::channel(false);
        let clients = (0..CLIENTS).map(|_| {
            let (sender, told) = watch::channel(Told::default());
            let stopped = stopped.clone();
            (told, tokio::spawn(async move { send(address, &sender, stopped).await }))
        });
        Self { clients: clients.collect(), stop }
    }

    /// Waits until each client was answered by this version, or one has failed; what all were told by then.
    async fn see(&mut self, version: u32) -> Result<Told> {
        for (told, _) in &mut self.clients {
            let seen = tokio::time::timeout(HANGS, told.wait_for(|told| told.version >= version)).await;
            // A client that failed says why when it is asked to stop.
            let Ok(_) = seen.with_context(|| format!("version {version} is not in force"))? else { break };
        }
        Ok(self.told())
    }

    /// What all clients were told by now.
    fn told(&self) -> Told {
        let mut all = Told::default();
        for (told, _) in &self.clients {
            let Told { admitted, over, unknown, connections, .. } = *told.borrow();
            all.admitted += admitted;
            all.over += over;
            all.unknown += unknown;
            all.connections += connections;
        }
        all
    }

    /// Stops; what all clients were told.
    async fn stop(mut self) -> Result<Told> {
        self.stop.send_replace(true);
        for (_, client) in &mut self.clients {
            client.await??;
        }
        Ok(self.told())
    }
}

/// How many may be admitted by now: a burst at the start, and what came back since, which is none unless this takes
/// minutes.
fn most(start: Instant) -> usize {
    QUOTA as usize + (start.elapsed().as_nanos() * u128::from(QUOTA) / DAY.as_nanos()) as usize
}

async fn changes_lose_nothing(delivery: Delivery) -> Result<()> {
    let upstream = Upstream::answering(|_| Response::new(Bytes::new())).await?;
    let setup = Setup::of(&policy(0, ""))?.workers(2).delivered(delivery);
    let proxy = setup.start_before(upstream).await?;
    let start = Instant::now();
    let mut load = Load::start(proxy.envoy.address());
    let (mut version, mut then) = (0, 0);
    while version < CHANGES || then < CHANGES_THEN {
        version += 1;
        proxy.reconfigure(&Setup::of(&policy(version, ""))?)?;
        let told = load.see(version).await?;
        then += u32::from(told.over > 0);
        if told.admitted > most(start) || load.clients.iter().any(|(_, client)| client.is_finished()) {
            load.stop().await.with_context(|| proxy.envoy.output())?;
            bail!("more than the limit were admitted in version {version}: {told:?}");
        }
    }
    version += 1;
    let signer = Signer::ed25519("a")?;
    proxy.reconfigure(&Setup::of(&closed(version, &signer)?)?)?;
    load.see(version).await?;
    if delivery == Delivery::Listener {
        drained(&proxy).await?;
    }
    let told = load.stop().await.with_context(|| proxy.envoy.output())?;

    let (least, most) = (QUOTA as usize, most(start));
    ensure!((least..=most).contains(&told.admitted), "{told:?}, not {least} to {most}");
    ensure!(told.over > 0 && told.unknown >= CLIENTS, "{told:?}");
    ensure!(proxy.upstream.seen().len() == told.admitted, "not what the application got");
    for (labels, wanted) in [
        (["verdict=\"allowed\"", "reason=\"ok\""], told.admitted),
        (["verdict=\"denied\"", "reason=\"over_limit\""], told.over),
        (["verdict=\"denied\"", "reason=\"no_token\""], told.unknown),
    ] {
        let counted = proxy.envoy.metric("sallyport_requests", &labels).await?;
        ensure!(counted == wanted as u64, "{labels:?}: {counted} are counted, not {wanted}");
    }

    if delivery == Delivery::Extension {
        ensure!(told.connections == CLIENTS, "connections ended: {told:?}");
    } else {
        // On every worker.
        let token = signer.sign(&claims("alice", 3600))?;
        for (token, status) in [(None, 401), (Some(&*token), 200)] {
            for _ in 0..8 {
                let response = proxy.get("/", token).await?;
                ensure!(self::version(&response)? == version && response.status() == status, "{response:?}");
            }
        }
    }
    let output = proxy.envoy.output();
    ensure!(!output.contains("[critical]") && !output.contains("[error]"), "{output}");
    Ok(())
}

/// Waits until all filters but the last are gone, in all workers.
async fn drained(proxy: &Proxy) -> Result<()> {
    const DRAINING: &str = "listener_manager.total_filter_chains_draining";
    let start = Instant::now();
    loop {
        let page = proxy.envoy.admin("/stats").await?;
        let draining = page.lines().find_map(|line| line.strip_prefix(DRAINING)?.strip_prefix(": "));
        if draining.context("Envoy does not say what is draining")? == "0" {
            return Ok(());
        }
        ensure!(start.elapsed() < HANGS, "{draining:?} are draining still");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_replaced_with_their_listener_lose_no_request_and_no_count() -> Result<()> {
    changes_lose_nothing(Delivery::Listener).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filters_replaced_under_open_connections_lose_no_request_and_no_count() -> Result<()> {
    changes_lose_nothing(Delivery::Extension).await
}

/// Its filter is another's predecessor by then, and still looks for keys and wakes it.
#[tokio::test]
async fn a_request_that_waits_for_keys_is_answered_by_the_filter_that_it_waits_in() -> Result<()> {
    const LONGEST_WAIT: Duration = Duration::from_secs(5);
    let signer = Signer::ed25519("a")?;
    let host = KeyHost::start("keys.example", Conduct::Silent).await?;
    let setup = |version: u32| {
        let also = "  jwt:
    providers:
      - {name: far, issuer: 'https://issuer.example', algorithms: [EdDSA], jwks: {uri: 'https://keys.example/jwks'}}
    rules:
      - {name: open, match: [{path: {exact: /open}}], require: None}
      - {name: all, match: [{path: {prefix: /}}], require: {anyOf: [far]}}
";
        let setup = Setup::of(&policy(version, also))?.connect("keys.example", 443, host.address());
        Ok::<_, anyhow::Error>(setup.trusting(host.ca_file()).delivered(Delivery::Extension))
    };
    let proxy = setup(0)?.start().await?;
    let token = signer.sign(&claims("alice", 3600))?;
    let start = Instant::now();
    let waiting = async {
        let response = proxy.get("/", Some(&token)).await?;
        Ok::<_, anyhow::Error>((response, start.elapsed()))
    };
    let replaced = async {
        host.fetched(1).await?;
        proxy.reconfigure(&setup(1)?)?;
        while version(&proxy.get("/open", None).await?)? == 0 {
            ensure!(start.elapsed() < HANGS, "the other filter is not in force");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        host.behave(Conduct::serves(key_set(&[&signer])?));
        Ok(())
    };
    let both = async { tokio::try_join!(waiting, replaced) };
    let ((response, took), ()) = tokio::time::timeout(HANGS, both).await.context("it is not answered")??;
    ensure!(version(&response)? == 0, "{response:?}");
    // On a machine that has no time for it, it is told to come again.
    let is_late = took >= LONGEST_WAIT && response.status() == 503;
    ensure!(response.status() == 200 || is_late, "{response:?} after {took:?}\n{}", proxy.envoy.output());
    ensure!(proxy.get("/", Some(&token)).await?.status() == 200, "nor by the other filter");
    Ok(())
}
