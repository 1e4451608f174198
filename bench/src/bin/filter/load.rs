//! Load: connections that are kept open, each with one request at a time, the next as soon as the last is answered. All on
//! one thread.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use sallyport_bench::http1::{Answer, Answers};
use sallyport_bench::latencies::Latencies;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::processors::Processors;

/// Whom to send what.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// What is sent in turn.
    pub(crate) requests: Arc<[Vec<u8>]>,
    /// How many were sent by now: each round goes on where the last ended.
    pub(crate) next: Arc<AtomicUsize>,
    pub(crate) want: Want,
}

/// What has to come back, with status 200.
#[derive(Clone, Debug, Default)]
pub(crate) struct Want {
    /// These headers.
    pub(crate) headers: Vec<(String, String)>,
    /// So many that the bare filter made.
    pub(crate) made: usize,
}

/// How much is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// What is sent before anything counts.
    pub(crate) warm_up: Duration,
    /// How long it goes on after that.
    pub(crate) time: Duration,
}

/// What was measured. Every answer was right, or there would be none of this.
pub(crate) struct Measured {
    /// The requests that were answered, those of the warm-up included.
    pub(crate) answered: u64,
    pub(crate) latencies: Latencies,
    pub(crate) seconds: f64,
}

impl Want {
    fn check(&self, answer: &Answer<'_>) -> Result<()> {
        let Answer { status, head, .. } = answer;
        let has = |name: &str, value: &str| answer.headers().any(|header| header == (name, value));
        let made = answer.headers().filter(|(name, _)| name.starts_with("bare-")).count();
        let is_right =
            *status == 200 && made == self.made && self.headers.iter().all(|(name, value)| has(name, value));
        ensure!(is_right, "not the answer that is wanted, {self:?}:\n{head}");
        Ok(())
    }
}

/// Sends from a thread of its own, on the generator's processor.
///
/// # Errors
/// When any answer is not what is wanted, or a connection breaks.
pub(crate) fn send(target: &Target, load: &Load, processors: Option<&Processors>) -> Result<Measured> {
    let processors = processors.copied();
    let begin = Instant::now() + load.warm_up;
    let plan =
        Arc::new(Plan { target: target.clone(), begin, end: begin + load.time, answered: AtomicU64::new(0) });
    let (connections, sending) = (load.connections, Arc::clone(&plan));
    let thread = thread::spawn(move || {
        if let Some(processors) = processors {
            processors.pin_generator()?;
        }
        sending.on_this_thread(connections)
    });
    let nanoseconds = thread.join().map_err(|_| anyhow!("the thread that sends panicked"))??;
    // In whole: what was under way at the end is counted, and so is the time that it took.
    let seconds = begin.elapsed().as_secs_f64();
    let answered = plan.answered.load(Ordering::Relaxed);
    Ok(Measured { answered, latencies: Latencies::of(nanoseconds)?, seconds })
}

struct Plan {
    target: Target,
    begin: Instant,
    end: Instant,
    answered: AtomicU64,
}

impl Plan {
    fn on_this_thread(self: Arc<Self>, connections: usize) -> Result<Vec<u32>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            let mut sending = JoinSet::new();
            for _ in 0..connections {
                let plan = Arc::clone(&self);
                sending.spawn(async move { plan.on_a_connection().await });
            }
            let mut latencies = Vec::new();
            while let Some(sent) = sending.join_next().await {
                latencies.append(&mut sent??);
            }
            Ok(latencies)
        })
    }

    async fn on_a_connection(&self) -> Result<Vec<u32>> {
        let Target { address, requests, next, want } = &self.target;
        let mut connection = Connection::open(*address).await?;
        let mut latencies = Vec::new();
        loop {
            let start = Instant::now();
            if start >= self.end {
                return Ok(latencies);
            }
            let request = &requests[next.fetch_add(1, Ordering::Relaxed) % requests.len()];
            let answer = connection.send(request).await?;
            let took = start.elapsed();
            want.check(&answer)?;
            if start >= self.begin {
                latencies.push(Latencies::kept(took));
            }
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Sends these requests one after the other; how many there were.
///
/// # Errors
/// When any answer is not what is wanted, or the connection breaks.
pub(crate) async fn send_each<'r>(
    address: SocketAddr,
    requests: impl Iterator<Item = &'r Vec<u8>>,
    want: &Want,
) -> Result<usize> {
    let mut connection = Connection::open(address).await?;
    let mut sent = 0;
    for request in requests {
        want.check(&connection.send(request).await?)?;
        sent += 1;
    }
    Ok(sent)
}

struct Connection {
    stream: TcpStream,
    answers: Answers,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answers: Answers::new() })
    }

    async fn send(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.answers.next(&mut self.stream).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_lacks_something_is_told_from_one_that_is_right() {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let want = Want { headers: vec![header("x-frame-options", "DENY")], made: 1 };
        let right = "HTTP/1.1 200 OK\r\nx-frame-options: DENY\r\nbare-00xx: vv\r\n\r\n";
        for (status, head, is_right) in [
            (200, right.to_owned(), true),
            (503, right.to_owned(), false),
            (200, right.replace("DENY", "SAMEORIGIN"), false),
            (200, right.replace("bare-", "other-"), false),
        ] {
            let checked = want.check(&Answer { status, head: &head, body: b"ok" });
            assert_eq!(checked.is_ok(), is_right, "{status} {head}");
        }
    }
}
