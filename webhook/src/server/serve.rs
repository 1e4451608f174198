//! Binding, accepting, draining.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Gate;
use super::call::Admission;
use super::connection::{Port, Tls};
use super::metrics::{Metrics, PREFIX};
use super::modules::{self, Modules};
use super::routes::{self, Operations};
use super::seats::{ASK_AGAIN, Seats};
use super::self_check::{self, Reached};
use super::throttle::Throttle;
use super::tls::{CertificateError, Certificates, Identity};
use crate::audit::AuditLog;

/// Connections that the plain port has at a time: the kubelet, Prometheus and somebody's curl.
pub(crate) const OPERATIONS_CONNECTIONS: usize = 64;
/// How long the plain port waits for its own answers once all else has ended.
const OPERATIONS_DRAIN: Duration = Duration::from_secs(1);
/// Connections that wait in the kernel to be accepted, where it allows as many. Beyond that it drops what arrives, and a
/// client tries again after a second.
const BACKLOG: u32 = 4096;
/// How long to wait before accepting again when the system has no file descriptor left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Where the server listens, as whom, and what it endures.
#[derive(Clone, Debug)]
pub struct Config {
    /// The TLS port. Port 0 takes a free one: see [`Server::admission_addr`].
    pub admission: SocketAddr,
    /// The plain port, for probes and metrics.
    pub operations: SocketAddr,
    /// The certificate.
    pub identity: Identity,
    /// Bounds.
    pub limits: Limits,
}

impl Config {
    /// Ports 8443 and 8080 on every address, IPv6 and IPv4, with the default limits.
    #[must_use]
    pub fn new(identity: Identity) -> Self {
        let any = |port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        Self { admission: any(8443), operations: any(8080), identity, limits: Limits::default() }
    }
}

/// What the server endures, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The bytes that one body may have. etcd stores 1.5 MiB an object, and an update holds two; the API server's own
    /// webhook for Pod Security Standards reads as much.
    pub body_bytes: usize,
    /// The bytes that all bodies may have that are held at a time, and answers that are not sent yet. Beyond that, calls are answered 503.
    pub bodies_bytes: usize,
    /// The bytes that large bodies may become at a time, while they are decided about: a body of small values grows
    /// a hundredfold. Beyond that, calls wait; a body that alone would become more is answered 413.
    pub decisions_bytes: usize,
    /// Calls at a time, from their headers to their answer. Beyond that, they are answered 503. One API server sends
    /// at most 200 at a time unless it is told otherwise (`--max-mutating-requests-inflight`).
    pub in_flight: usize,
    /// Connections of the TLS port at a time, handshakes included. For a further one, the one that has been idle for
    /// longest is closed; where all have calls, it waits to be accepted.
    pub connections: usize,
    /// From accept to the end of the TLS handshake.
    pub handshake: Duration,
    /// For an HTTP/1.1 request's headers, from the end of the request before it.
    pub header: Duration,
    /// From a request's headers to its answer. The API server's own timeout counts where it is shorter.
    pub deadline: Duration,
    /// For a client to take an answer, once it is made. A connection that doesn't is closed.
    pub answer: Duration,
    /// Without a call, a connection is closed after one to two times this long.
    pub idle: Duration,
    /// How long the server still accepts connections after it is asked to end, with `/readyz` failing, since
    /// endpoints and API servers learn late that a replica leaves.
    pub shutdown_delay: Duration,
    /// How long calls in flight may take to finish after that.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 3 << 20,
            bodies_bytes: 64 << 20,
            decisions_bytes: 192 << 20,
            in_flight: 1024,
            connections: 1024,
            handshake: Duration::from_secs(5),
            header: Duration::from_secs(30),
            deadline: Duration::from_secs(10),
            answer: Duration::from_secs(20),
            idle: Duration::from_secs(120),
            shutdown_delay: Duration::from_secs(5),
            drain: Duration::from_secs(20),
        }
    }
}

/// How far a server has come. It only moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    /// Asked to end: still accepting, no longer ready.
    Leaving,
    /// No longer accepting: calls in flight are finished.
    Draining,
    /// All calls have ended.
    Ended,
}

impl Phase {
    /// Returns once the server has come as far as this. Where the server is gone altogether it has.
    pub(crate) async fn reached(self, phase: &mut watch::Receiver<Self>) {
        let _ = phase.wait_for(|phase| *phase >= self).await;
    }
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// An address is taken, or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections of the TLS port that were cut because they had not ended within [`Limits::drain`].
    pub cut: usize,
}

/// A server that is bound to its ports and not yet running.
pub struct Server {
    admission: TcpListener,
    operations: TcpListener,
    addresses: (SocketAddr, SocketAddr),
    gate: Arc<dyn Gate>,
    limits: Limits,
    certificates: Arc<Certificates>,
    registry: Registry,
    metrics: Metrics,
    audit: Option<AuditLog>,
    modules: Option<(TcpListener, SocketAddr, Arc<dyn Modules>)>,
}

impl Server {
    /// Loads the certificate and binds both ports. Connections wait in the kernel until [`Server::run`].
    ///
    /// # Errors
    /// When the certificate cannot be served or a port cannot be bound.
    pub async fn bind(config: Config, gate: Arc<dyn Gate>) -> Result<Self, ServerError> {
        let (admission, admission_addr) = listen(config.admission)?;
        let (operations, operations_addr) = listen(config.operations)?;
        // After the ports: a second start that finds them taken must not have replaced the authority that is trusted.
        let certificates = Arc::new(Certificates::load(&config.identity)?);
        let mut registry = Registry::default();
        let metrics = Metrics::new(&mut registry);
        metrics.bounded(config.limits.connections);
        let addresses = (admission_addr, operations_addr);
        let limits = config.limits;
        Ok(Self {
            admission,
            operations,
            addresses,
            gate,
            limits,
            certificates,
            registry,
            metrics,
            audit: None,
            modules: None,
        })
    }

    /// The server that serves these modules too, in plain HTTP.
    ///
    /// # Errors
    /// When the port cannot be bound.
    pub fn serving(mut self, at: SocketAddr, modules: Arc<dyn Modules>) -> Result<Self, ServerError> {
        let (listener, at) = listen(at)?;
        self.modules = Some((listener, at, modules));
        Ok(self)
    }

    /// The server that puts every call on record.
    #[must_use]
    pub fn audited(mut self, log: AuditLog) -> Self {
        log.register(self.registry_mut());
        self.audit = Some(log);
        self
    }

    /// The address of the TLS port.
    #[must_use]
    pub fn admission_addr(&self) -> SocketAddr {
        self.addresses.0
    }

    /// The address of the plain port.
    #[must_use]
    pub fn operations_addr(&self) -> SocketAddr {
        self.addresses.1
    }

    /// The certificate of the authority to trust, in PEM, where the certificate is self-issued.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.certificates.ca_pem()
    }

    /// What `/metrics` shows, under the prefix `sallyport`: the program adds its own here.
    pub fn registry_mut(&mut self) -> &mut Registry {
        self.registry.sub_registry_with_prefix(PREFIX)
    }

    /// Serves until `shutdown` resolves, then as [`Limits::shutdown_delay`] and [`Limits::drain`] say.
    ///
    /// The plain port answers to the end. Dropping the future cuts every connection at once.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Drained {
        let (announce, phase) = watch::channel(Phase::Serving);
        let (reach, reached) = watch::channel(Reached::NotYet);
        let operations = Arc::new(Operations {
            gate: Arc::clone(&self.gate),
            phase: phase.clone(),
            registry: Arc::new(self.registry),
            metrics: self.metrics.clone(),
            certificates: Arc::clone(&self.certificates),
            reached: reached.clone(),
            audit: self.audit.clone(),
        });
        let checking = self_check::follow(self.addresses.0, Arc::clone(&self.certificates), reach);
        let admission =
            Arc::new(Admission::new(self.gate, self.metrics.clone(), self.limits, self.audit.clone()));
        let operations = Port {
            router: routes::operations(operations),
            limits: self.limits,
            until: Phase::Ended,
            phase: phase.clone(),
            tls: None,
        };
        let admission = Port {
            router: routes::admission(admission),
            limits: self.limits,
            until: Phase::Draining,
            phase: phase.clone(),
            tls: Some(Tls {
                certificates: self.certificates,
                metrics: self.metrics,
                failures: Arc::default(),
            }),
        };
        let (addresses, limits) = (self.addresses, self.limits);
        let filter = self.modules.as_ref().map(|(_, at, _)| tracing::field::display(*at));
        tracing::info!(webhook = %addresses.0, operations = %addresses.1, filter, "listening");

        let ending = async {
            shutdown.await;
            announce.send_replace(Phase::Leaving);
            tracing::info!(delay = ?limits.shutdown_delay, "no longer ready");
            tokio::time::sleep(limits.shutdown_delay).await;
            announce.send_replace(Phase::Draining);
        };
        let deciding = async {
            let connections = accept(self.admission, admission, limits.connections).await;
            tracing::info!(connections = connections.len(), "no longer accepting");
            let cut = drain(connections, limits.drain).await;
            announce.send_replace(Phase::Ended);
            Drained { cut }
        };
        let telling = async {
            drain(accept(self.operations, operations, OPERATIONS_CONNECTIONS).await, OPERATIONS_DRAIN).await
        };
        let giving = async {
            let Some((listener, _, modules)) = self.modules else { return };
            let port =
                Port { router: modules::router(modules), limits, until: Phase::Ended, phase, tls: None };
            drain(accept(listener, port, modules::CONNECTIONS).await, OPERATIONS_DRAIN).await;
        };
        let serving = async { tokio::join!(ending, deciding, telling, giving) };
        let checking = async {
            checking.await;
            std::future::pending().await
        };
        let ((), drained, ..) = tokio::select! {
            ended = serving => ended,
            never = checking => never,
        };
        if drained.cut > 0 {
            tracing::warn!(connections = drained.cut, "cut connections that did not end in time");
        }
        if let Some(audit) = self.audit {
            audit.close().await;
        }
        drained
    }
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServerError> {
    let failed = |source| ServerError::Listen { address, source };
    let listener = match listener(address) {
        // Every address, where the kernel has no IPv6.
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && error.kind() != io::ErrorKind::AddrInUse => {
            listener((Ipv4Addr::UNSPECIFIED, address.port()).into()).map_err(|_| failed(error))?
        }
        bound => bound.map_err(failed)?,
    };
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts until the port's phase is over; the listener is closed when this returns.
async fn accept(listener: TcpListener, port: Port, most: usize) -> JoinSet<()> {
    let seats = Seats::new(most);
    let failures = Throttle::of(1);
    // Accepted, and without a seat yet.
    let mut waiting = None;
    let mut connections = JoinSet::new();
    let mut phase = port.phase.clone();
    let over = port.until.reached(&mut phase);
    tokio::pin!(over);
    loop {
        tokio::select! {
            biased;
            () = &mut over => return connections,
            Some(ended) = connections.join_next() => report(ended),
            Some(seat) = seats.take(), if waiting.is_some() => {
                if let Some((tcp, peer)) = waiting.take() {
                    connections.spawn(port.clone().serve(tcp, peer, seat));
                }
            }
            () = tokio::time::sleep(ASK_AGAIN), if waiting.is_some() => seats.make_room(),
            accepted = listener.accept(), if waiting.is_none() => match accepted {
                Ok(accepted) => {
                    waiting = Some(accepted);
                    seats.make_room();
                }
                Err(error) if is_the_clients(&error) => tracing::debug!(%error, "a connection was not accepted"),
                Err(error) => {
                    if let Some(suppressed) = failures.pass(std::time::Instant::now()) {
                        tracing::error!(%error, suppressed, "cannot accept connections");
                    }
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }
}

/// Whether the client left before it was accepted.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Waits for the connections to end, at most `bound` long; the others are cut, and counted.
async fn drain(mut connections: JoinSet<()>, bound: Duration) -> usize {
    let all = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    match timeout(bound, all).await {
        Ok(()) => 0,
        Err(_) => connections.len(),
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task failed");
    }
}
