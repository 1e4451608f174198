//! Load: connections that are kept open, each with one call at a time, the next as soon as the last is answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use sallyport_bench::http1::{Answer, Answers, find};
use sallyport_bench::latencies::Latencies;
use sallyport_tests::tls;
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;

use crate::review::Call;

/// A server to send to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// The authority that it is trusted for.
    pub(crate) ca_pem: String,
}

/// How much is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    /// What is sent before anything counts.
    pub(crate) warm_up: Duration,
    pub(crate) until: Until,
}

/// When it is enough.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// So long after the warm-up.
    Time(Duration),
    /// After so many calls.
    Calls(u64),
}

/// What was measured. Every answer was right, or there would be none of this.
pub(crate) struct Measured {
    /// The calls that were answered, those of the warm-up included.
    pub(crate) answered: u64,
    latencies: Latencies,
    seconds: f64,
}

impl Measured {
    pub(crate) fn calls_per_second(&self) -> f64 {
        self.latencies.count() as f64 / self.seconds
    }

    /// The latency that this share of the calls stayed within, in milliseconds.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        self.latencies.quantile(share) / 1e6
    }
}

/// Sends these calls in turn over each connection.
///
/// # Errors
/// When any answer is not what its call wants, or a connection breaks.
pub(crate) fn send(target: &Target, calls: &[Call], load: &Load) -> Result<Measured> {
    let begin = Instant::now() + load.warm_up;
    let (until, left) = match load.until {
        Until::Time(time) => (Some(begin + time), 0),
        Until::Calls(calls) => (None, calls),
    };
    let plan = Arc::new(Plan {
        target: target.clone(),
        calls: calls.to_vec(),
        begin,
        until,
        left: AtomicU64::new(left),
        answered: AtomicU64::new(0),
    });
    let threads: Vec<_> = (0..load.threads)
        .map(|thread| {
            let connections = (thread..load.connections).step_by(load.threads);
            let plan = Arc::clone(&plan);
            thread::spawn(move || on_this_thread(&plan, connections))
        })
        .collect();
    let mut sent = Vec::new();
    for thread in threads {
        sent.push(thread.join().map_err(|_| anyhow!("a thread that sends panicked"))?);
    }
    // In whole: what was under way at the end is counted, and so is the time that it took.
    let seconds = begin.elapsed().as_secs_f64();
    let latencies = Latencies::of(sent.into_iter().collect::<Result<Vec<_>>>()?.concat())?;
    Ok(Measured { answered: plan.answered.load(Ordering::Relaxed), latencies, seconds })
}

/// What is sent, to whom, and for how long.
struct Plan {
    target: Target,
    calls: Vec<Call>,
    begin: Instant,
    until: Option<Instant>,
    /// Calls still to be sent, where they are counted.
    left: AtomicU64,
    answered: AtomicU64,
}

fn on_this_thread(plan: &Arc<Plan>, connections: impl Iterator<Item = usize>) -> Result<Vec<u32>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut sending = JoinSet::new();
        for connection in connections {
            let plan = Arc::clone(plan);
            sending.spawn(async move { plan.on_a_connection(connection).await });
        }
        let mut latencies = Vec::new();
        while let Some(sent) = sending.join_next().await {
            latencies.append(&mut sent??);
        }
        Ok(latencies)
    })
}

impl Plan {
    async fn on_a_connection(&self, number: usize) -> Result<Vec<u32>> {
        let target = &self.target;
        let mut tls = tls::connect(target.address, &target.ca_pem).await.context("cannot connect")?;
        tls.get_ref().0.set_nodelay(true)?;
        let prepared = self.calls.iter().map(|call| Prepared::new(call, target.address));
        let mut prepared = prepared.collect::<Result<Vec<_>>>()?;
        let mut answers = Answers::new();
        let mut latencies = Vec::new();
        // So many calls to each connection before two have the same uid.
        let mut count = (number as u64) << 36;
        loop {
            for call in &mut prepared {
                let start = Instant::now();
                if self.is_over(start) {
                    return Ok(latencies);
                }
                count += 1;
                call.stamp(count);
                tls.write_all(&call.request).await?;
                tls.flush().await?;
                let Answer { status, body, .. } = answers.next(&mut tls).await?;
                let took = start.elapsed();
                if start >= self.begin {
                    latencies.push(Latencies::kept(took));
                }
                ensure!(status == 200, "status {status}: {}", String::from_utf8_lossy(body));
                call.check(body)?;
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        match self.until {
            Some(until) => now >= until,
            None => !take(&self.left),
        }
    }
}

/// Whether there is one more to send.
fn take(left: &AtomicU64) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// A request as bytes, of which only the uid changes.
struct Prepared<'c> {
    call: &'c Call,
    request: Vec<u8>,
    uid: std::ops::Range<usize>,
    /// Answers that were found right: what stands before and after the uid. The same answer to another uid is too.
    right: Vec<(Vec<u8>, Vec<u8>)>,
}

const UID_BYTES: usize = 36;
/// The last group of a UUID: what counts.
const COUNT_BYTES: usize = 12;

impl<'c> Prepared<'c> {
    fn new(call: &'c Call, address: SocketAddr) -> Result<Self> {
        let mut request = format!(
            "POST {} HTTP/1.1\r\nhost: {address}\r\naccept: application/json, */*\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            call.path,
            call.body.len()
        )
        .into_bytes();
        let start = request.len() + call.uid_at()?;
        request.extend_from_slice(&call.body);
        Ok(Self { call, request, uid: start..start + UID_BYTES, right: Vec::new() })
    }

    fn stamp(&mut self, count: u64) {
        let digits = &mut self.request[self.uid.end - COUNT_BYTES..self.uid.end];
        for (place, digit) in digits.iter_mut().rev().enumerate() {
            *digit = b"0123456789abcdef"[(count >> (4 * place)) as usize & 15];
        }
    }

    fn check(&mut self, answer: &[u8]) -> Result<()> {
        let uid = &self.request[self.uid.clone()];
        let known = self.right.iter().any(|(before, after)| {
            answer.len() == before.len() + uid.len() + after.len()
                && answer.starts_with(before)
                && answer.ends_with(after)
                && &answer[before.len()..before.len() + uid.len()] == uid
        });
        if known {
            return Ok(());
        }
        self.call.check(uid, answer)?;
        // One that differs each time, as by the order of a map, is read each time.
        if self.right.len() < 8
            && let Some(at) = find(answer, uid)
        {
            self.right.push((answer[..at].to_vec(), answer[at + uid.len()..].to_vec()));
        }
        Ok(())
    }
}
