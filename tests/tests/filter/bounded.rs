//! Whatever clients send, a proxy's memory stays what it is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use http::{HeaderMap, Request};
use sallyport_tests::proxy::{Http2Client, Setup};
use sallyport_tests::tokens::{SECRET, Signer, claims};
use sallyport_traffic::limit::table::{SETS, SLOTS};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// What each user has in a day, where counts stay for hours.
const BURST: usize = 5;
/// How many a user has in a second, where counts are forgotten at once.
const RATE: u32 = 100;

/// Every request has a token, a limit and a key that nobody had before.
fn policy() -> String {
    format!(
        "
kind: TrafficPolicy
metadata: {{name: api, namespace: shop}}
spec:
  selector: {{}}
  jwt:
    providers:
      - name: shared
        issuer: https://issuer.example
        audiences: [shop]
        algorithms: [HS256]
        jwks: {{env: {{name: SECRET, format: Raw}}}}
    rules: [{{name: all, match: [{{path: {{prefix: /}}}}], require: {{anyOf: [shared]}}}}]
  rateLimits:
    - name: lasting
      match: [{{path: {{exact: /lasting}}}}]
      key: [{{claim: {{provider: shared, path: [sub]}}}}]
      limit: {{requests: {BURST}, period: 24h}}
    - name: fleeting
      match: [{{path: {{exact: /fleeting}}}}]
      key: [{{claim: {{provider: shared, path: [sub]}}}}]
      limit: {{requests: {RATE}, period: 1s, burst: 1}}
"
    )
}

/// How many keys a limit's table has slots for.
const KEYS: usize = SETS as usize * SLOTS;
/// How many requests are sent between two looks at the memory: of each limit, twice as many keys as its table has slots
/// for, and 16 times as many tokens as a worker remembers (4,096).
const ROUND: usize = 4 * KEYS;
/// In all, some 260,000 tokens, and for each limit 130,000 keys: what was kept of each request, be it 32 bytes, would show
/// as 4 MiB in the rounds that count.
const ROUNDS: usize = 4;
/// After so many rounds everything is as full as it gets.
const FULL_AFTER: usize = 2;
/// By how much the resident memory may differ still: what allocators and the virtual machine do by themselves.
const SLACK: u64 = 2 << 20;

const CONNECTIONS: usize = 4;
/// How many requests are under way on each connection.
const STREAMS: usize = 25;
/// How seldom the known user comes.
const SELDOM: usize = 64;

/// How many requests were admitted.
#[derive(Clone, Copy, Debug, Default)]
struct Admitted {
    strangers_lasting: usize,
    strangers_fleeting: usize,
    known_lasting: usize,
    known_fleeting: usize,
}

async fn admits(client: &mut Http2Client, path: &str, token: &str) -> Result<bool> {
    let request = Request::get(path).header("authorization", format!("Bearer {token}")).body("")?;
    match client.send(request, HeaderMap::new()).await?.0.status().as_u16() {
        200 => Ok(true),
        429 => Ok(false),
        status => bail!("{path} is answered {status}"),
    }
}

/// Sends the requests of the strangers of these numbers, and now and then of the known user.
async fn strangers(
    mut client: Http2Client,
    signer: Arc<Signer>,
    known: Arc<str>,
    numbers: impl Iterator<Item = usize>,
) -> Result<Admitted> {
    let mut admitted = Admitted::default();
    for number in numbers {
        let token = signer.sign(&claims(&format!("stranger-{number}"), 3600))?;
        if number % 2 == 0 {
            admitted.strangers_lasting += usize::from(admits(&mut client, "/lasting", &token).await?);
        } else {
            admitted.strangers_fleeting += usize::from(admits(&mut client, "/fleeting", &token).await?);
        }
        if number % SELDOM == 0 {
            admitted.known_lasting += usize::from(admits(&mut client, "/lasting", &known).await?);
            admitted.known_fleeting += usize::from(admits(&mut client, "/fleeting", &known).await?);
        }
    }
    Ok(admitted)
}

/// Answers by itself, and keeps no log: both would only take time.
fn alone(bootstrap: &mut Value) {
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let manager = bootstrap.pointer_mut(manager).expect("a manager");
    manager["access_log"] = json!([]);
    let route = manager.pointer_mut("/route_config/virtual_hosts/0/routes/0").expect("a route");
    *route = json!({"match": {"prefix": "/"}, "direct_response": {"status": 200}});
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_thousands_of_keys_and_tokens_leave_memory_as_it_was_and_limits_exact() -> Result<()> {
    let setup = Setup::of(&policy())?.workers(2).variable("SECRET", SECRET).edited(alone);
    let proxy = setup.start().await?;
    let signer = Arc::new(Signer::shared(SECRET));
    let known: Arc<str> = signer.sign(&claims("alice", 3600))?.into();
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(Http2Client::connect(proxy.envoy.address()).await?);
    }

    let start = Instant::now();
    // The known user has a place of her own from the start.
    let mut all = Admitted::default();
    all.known_lasting += usize::from(admits(&mut clients[0], "/lasting", &known).await?);
    let mut resident = Vec::new();
    for round in 0..ROUNDS {
        let mut tasks = JoinSet::new();
        for at in 0..CONNECTIONS * STREAMS {
            let numbers = (round * ROUND + at..(round + 1) * ROUND).step_by(CONNECTIONS * STREAMS);
            let client = clients[at % CONNECTIONS].clone();
            tasks.spawn(strangers(client, Arc::clone(&signer), Arc::clone(&known), numbers));
        }
        while let Some(admitted) = tasks.join_next().await {
            let admitted = admitted??;
            all.strangers_lasting += admitted.strangers_lasting;
            all.strangers_fleeting += admitted.strangers_fleeting;
            all.known_lasting += admitted.known_lasting;
            all.known_fleeting += admitted.known_fleeting;
        }
        resident.push(proxy.envoy.resident_bytes()?);
    }
    let elapsed = start.elapsed();
    let full = resident[FULL_AFTER - 1];
    for (round, now) in resident.iter().enumerate().skip(FULL_AFTER) {
        ensure!(*now <= full + SLACK, "{full} bytes became {now} in round {round}: {resident:?}");
    }
    // Nobody took the known user's count from her, however many came.
    ensure!(all.known_lasting == BURST, "{all:?}");
    let most = 1 + (elapsed.as_nanos() * u128::from(RATE) / Duration::from_secs(1).as_nanos()) as usize;
    ensure!(all.known_fleeting <= most, "{all:?}, of {most}");
    // A slot of every set for each that came first, one of all slots being the known user's, and a burst for all others
    // of the set together.
    ensure!(all.strangers_lasting == usize::from(SETS) * (SLOTS + BURST) - 1, "{all:?}");
    ensure!(all.strangers_fleeting == ROUNDS * ROUND / 2, "{all:?}: somebody was taken for another");
    let output = proxy.envoy.output();
    ensure!(!output.contains("[critical]") && !output.contains("[error]"), "{output}");
    Ok(())
}
