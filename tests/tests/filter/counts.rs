//! A limit is exact, however many workers count.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use sallyport_tests::proxy::{Proxy, Setup, Upstream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How many requests, over all numbers of workers.
const REQUESTS: usize = 102_000;
const CLIENTS: usize = 4;
const CONNECTIONS_OF_EACH: usize = 4;
/// What a client has in a day.
const QUOTA: u32 = 500;
const DAY: Duration = Duration::from_secs(86_400);

/// What came of a connection's requests.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    admitted: usize,
    refused: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_thousand_requests_as_many_are_admitted_as_the_limit_allows() -> Result<()> {
    for workers in [1, 2, 4] {
        let policy = format!(
            "
kind: TrafficPolicy
metadata: {{name: api, namespace: shop}}
spec:
  selector: {{}}
  rateLimits:
    - {{name: daily, key: [{{header: {{name: x-client}}}}], onMissingKey: Deny, limit: {{requests: {QUOTA}, period: 24h}}}}
"
        );
        let upstream = Upstream::answering(|_| http::Response::new(bytes::Bytes::new())).await?;
        let proxy = Setup::of(&policy)?.workers(workers).start_before(upstream).await?;
        let start = Instant::now();
        let each = REQUESTS / 3 / CLIENTS / CONNECTIONS_OF_EACH;
        let connections = (0..CLIENTS * CONNECTIONS_OF_EACH)
            .map(|i| tokio::spawn(send(proxy.envoy.address(), i % CLIENTS, each)))
            .collect::<Vec<_>>();
        let mut told = [Told::default(); CLIENTS];
        for (i, connection) in connections.into_iter().enumerate() {
            let Told { admitted, refused } = connection.await?.with_context(|| proxy.envoy.output())?;
            told[i % CLIENTS].admitted += admitted;
            told[i % CLIENTS].refused += refused;
        }
        // A burst at the start, and what came back meanwhile: nothing, unless this takes minutes.
        let least = QUOTA as usize;
        let most = least + (start.elapsed().as_nanos() * u128::from(QUOTA) / DAY.as_nanos()) as usize;
        for Told { admitted, refused } in told {
            ensure!(admitted + refused == each * CONNECTIONS_OF_EACH, "{workers} workers: {told:?}");
            ensure!((least..=most).contains(&admitted), "{workers} workers: {told:?}, not {least} to {most}");
        }
        let admitted: usize = told.iter().map(|told| told.admitted).sum();
        ensure!(proxy.upstream.seen().len() == admitted, "not what the application got");
        counted(&proxy, admitted, REQUESTS / 3).await?;
    }
    Ok(())
}

/// The filter's own count says the same.
async fn counted(proxy: &Proxy, admitted: usize, requests: usize) -> Result<()> {
    for (verdict, wanted) in [("allowed", admitted), ("denied", requests - admitted)] {
        let label = format!("verdict=\"{verdict}\"");
        let told = proxy.envoy.metric("sallyport_requests", &[&label]).await?;
        ensure!(
            told == wanted as u64,
            "{told} {verdict}, not {wanted}\n{}",
            proxy.envoy.admin("/stats/prometheus").await?
        );
    }
    Ok(())
}

/// Sends requests of one client on one connection, one after the other: Envoy closes a connection on which others follow
/// before one is answered by a filter.
async fn send(address: SocketAddr, client: usize, requests: usize) -> Result<Told> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET / HTTP/1.1\r\nhost: a.example\r\nx-client: {client}\r\n\r\n");
    let mut told = Told::default();
    for _ in 0..requests {
        stream.write_all(request.as_bytes()).await?;
        match status(&mut stream).await? {
            200 => told.admitted += 1,
            429 => told.refused += 1,
            other => bail!("{other}"),
        }
    }
    Ok(told)
}

/// Reads the status of an answer, behind what may be left of the body of the one before, which holds no status line.
async fn status(stream: &mut TcpStream) -> Result<u16> {
    const LINE: &str = "HTTP/1.1 ";
    let mut text = String::new();
    let mut bytes = [0; 2048];
    loop {
        let read = stream.read(&mut bytes).await?;
        ensure!(read > 0, "the connection ended: {text}");
        text.push_str(str::from_utf8(&bytes[..read])?);
        let at = text.find(LINE).map(|at| at + LINE.len());
        if let Some(status) = at.and_then(|at| text.get(at..at + 3)) {
            return Ok(status.parse()?);
        }
    }
}
