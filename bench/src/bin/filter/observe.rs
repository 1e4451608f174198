//! Which host calls the filter makes for a request: counted by Envoy, not by us.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::proxy::{Envoy, Setup};

use crate::chain::{lines, made};
use crate::host_call::{HostCall, Kind};
use crate::load::{Want, send_each};
use crate::setups::Setups;
use crate::trace;

/// More tokens than the filter remembers, which it is asked to show.
const TOKENS: usize = 5000;
/// What is sent first: whatever is done only once, is done then.
const WARM_UP: usize = 3;
const LOG_TIMEOUT: Duration = Duration::from_secs(60);

/// What was observed.
pub(crate) struct Observed {
    /// A request for each of more tokens than the filter remembers.
    pub(crate) pool: Arc<[Vec<u8>]>,
    /// The calls for a request whose token is known, in their order.
    pub(crate) known_token: Vec<HostCall>,
    /// Those for one whose token is new.
    pub(crate) new_token: Vec<HostCall>,
}

impl Observed {
    /// What kinds of calls a request with a known token has.
    pub(crate) fn kinds(&self) -> BTreeSet<Kind> {
        self.known_token.iter().map(HostCall::kind).collect()
    }
}

/// Sends requests through an Envoy that logs every host call.
///
/// # Errors
/// When the filter still knows the first token after all others, or when the bare filter, told to make the same calls,
/// makes others.
pub(crate) async fn observe(setups: &Setups) -> Result<Observed> {
    let pool: Vec<Vec<u8>> = (0..TOKENS).map(|user| request(setups, user)).collect::<Result<_>>()?;
    let first = &pool[..1];
    let warm = first.iter().cycle().take(WARM_UP + 1);
    let want = Want { headers: setups.response_headers()?, made: 0 };
    let mut requests = watch(setups.sallyport()?, warm.chain(&pool[1..]).chain(first), &want).await?;
    let new_token = requests.pop().context("no request was logged")?;
    ensure!(requests.len() > WARM_UP, "not every request was logged");
    let known_token = requests.swap_remove(WARM_UP);
    let verifies =
        |calls: &[HostCall]| calls.iter().any(|call| call.function == "proxy_call_foreign_function");
    ensure!(!verifies(&known_token), "a token was verified twice");
    ensure!(verifies(&new_token), "after {TOKENS} others, the filter still knows a token");

    let same = setups.bare(&lines(&known_token))?;
    let requests = watch(same, first.iter().cycle().take(WARM_UP + 1), &made(&known_token)).await?;
    let bare = requests.last().context("no request was logged")?;
    let kinds = |calls: &[HostCall]| calls.iter().map(HostCall::kind).collect::<Vec<_>>();
    ensure!(kinds(bare) == kinds(&known_token), "the bare filter makes other calls: {bare:?}");
    Ok(Observed { pool: pool.into(), known_token, new_token })
}

/// The calls of each request, in the order of the requests.
async fn watch<'r>(
    setup: Setup,
    requests: impl Iterator<Item = &'r Vec<u8>>,
    want: &Want,
) -> Result<Vec<Vec<HostCall>>> {
    let proxy = setup.flags(&["--component-log-level", "wasm:trace"]).start().await?;
    let sent = send_each(proxy.envoy.address(), requests, want).await?;
    logged(&proxy.envoy, sent).await
}

/// What Envoy logs, once it has logged the end of so many requests.
async fn logged(envoy: &Envoy, requests: usize) -> Result<Vec<Vec<HostCall>>> {
    let start = Instant::now();
    loop {
        let output = envoy.output();
        // A line that is being written is not read.
        let whole = output.rfind('\n').map_or("", |end| &output[..end]);
        let logged = trace::requests(whole)?;
        if logged.len() >= requests {
            ensure!(logged.len() == requests, "more requests were logged than sent");
            return Ok(logged);
        }
        ensure!(start.elapsed() < LOG_TIMEOUT, "{} of {requests} requests were logged", logged.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A user's request.
fn request(setups: &Setups, user: usize) -> Result<Vec<u8>> {
    let token = setups.issuer.token(user)?;
    let text = format!(
        "GET /api/orders/4711 HTTP/1.1\r\nhost: shop.example.com\r\nuser-agent: bench\r\n\
         accept: application/json\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    Ok(text.into_bytes())
}
