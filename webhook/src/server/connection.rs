//! One connection, from accept to close.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustls::AlertDescription;
use time::OffsetDateTime;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tokio_rustls::TlsAcceptor;

use super::metrics::Metrics;
use super::seats::Seat;
use super::serve::{Limits, Phase};
use super::stall::{Stall, Watched};
use super::throttle::Throttle;
use super::tls::Certificates;
use super::unsent::Unsent;

/// Calls that one HTTP/2 connection may have at a time. The API server opens another connection beyond that.
const STREAMS: u32 = 256;
/// How often an HTTP/2 connection is asked whether it is still there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(30);
/// Once asked to end, how long a connection without a call may stay: a request may be on its way, and hyper waits for
/// the first one of an HTTP/1.1 connection even then.
const LINGER: Duration = Duration::from_secs(1);

/// The same where another connection is waiting for the seat.
const GIVE_WAY: Duration = Duration::from_millis(50);
/// The bytes that the headers of an HTTP/1.1 request may have. The API server sends some 300.
const HEADER_BYTES: usize = 64 * 1024;

/// How connections of one port are served.
#[derive(Clone)]
pub(crate) struct Port {
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    /// From this phase on, a connection finishes its calls and closes.
    pub(crate) until: Phase,
    pub(crate) phase: watch::Receiver<Phase>,
    /// `None` where plain HTTP/1.1 is spoken.
    pub(crate) tls: Option<Tls>,
}

/// What is needed to shake hands, and to tell of it.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) metrics: Metrics,
    /// Of lines about handshakes that fail.
    pub(crate) failures: Arc<Throttle>,
}

/// Who is at the other end, as calls are told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Why a handshake came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandshakeFailure {
    /// The client closed the connection first, as a port's probe does.
    Closed,
    /// The client does not take the certificate.
    RejectedCertificate,
    /// It did not end in time.
    Timeout,
    /// What was spoken was no TLS, or none that is spoken here.
    Tls,
}

impl HandshakeFailure {
    pub(crate) const ALL: [Self; 4] = [Self::Closed, Self::RejectedCertificate, Self::Timeout, Self::Tls];

    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::RejectedCertificate => "rejected-certificate",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
        }
    }

    fn of(error: &io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        if matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof) {
            return Self::Closed;
        }
        match error.get_ref().and_then(|error| error.downcast_ref()) {
            Some(rustls::Error::AlertReceived(alert)) if is_about_certificate(*alert) => {
                Self::RejectedCertificate
            }
            _ => Self::Tls,
        }
    }
}

/// RFC 8446 section 6.2. Which of them is sent for an authority that the client does not know, clients differ in.
fn is_about_certificate(alert: AlertDescription) -> bool {
    use AlertDescription::{
        BadCertificate, CertificateExpired, CertificateRevoked, CertificateUnknown, DecryptError, UnknownCA,
        UnsupportedCertificate,
    };
    matches!(
        alert,
        BadCertificate
            | CertificateExpired
            | CertificateRevoked
            | CertificateUnknown
            // Another authority of the same name: its signature does not fit.
            | DecryptError
            | UnknownCA
            | UnsupportedCertificate
    )
}

impl Tls {
    /// Counts a handshake that came to nothing, and tells of it.
    fn failed(&self, failure: HandshakeFailure, error: &io::Error, peer: SocketAddr) {
        self.metrics.handshake_failed(failure);
        if failure == HandshakeFailure::Closed {
            return tracing::debug!(%peer, %error, "a client left during the TLS handshake");
        }
        let Some(suppressed) = self.failures.pass(std::time::Instant::now()) else {
            return self.metrics.suppressed();
        };
        match failure {
            HandshakeFailure::RejectedCertificate => tracing::warn!(
                %peer, %error, suppressed,
                "a client rejects the certificate: its caBundle may be that of another authority"
            ),
            _ => tracing::warn!(%peer, %error, suppressed, "a TLS handshake failed"),
        }
    }
}

impl Port {
    /// Serves a connection until either side closes it, or another needs its seat.
    pub(crate) async fn serve(self, tcp: TcpStream, peer: SocketAddr, seat: Seat) {
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let (tcp, stall) = Watched::new(tcp);
        let Some(tls) = self.tls.clone() else { return self.http(tcp, peer, false, &stall, &seat).await };
        let _counted = tls.metrics.connected();
        let handshake = async {
            let current = Certificates::current(&tls.certificates).await;
            tls.metrics.serves(&current, OffsetDateTime::now_utc().unix_timestamp());
            TlsAcceptor::from(current.config).accept(tcp).await
        };
        let handshake = async {
            tokio::select! {
                done = timeout(self.limits.handshake, handshake) => Some(done),
                () = seat.wanted() => None,
            }
        };
        let Some(done) = handshake.await else {
            tls.metrics.gave_way();
            tracing::debug!(%peer, "a TLS handshake gave way to another connection");
            return;
        };
        match done {
            Ok(Ok(io)) => {
                let http2 = io.get_ref().1.alpn_protocol() == Some(b"h2");
                self.http(io, peer, http2, &stall, &seat).await;
            }
            Ok(Err(error)) => tls.failed(HandshakeFailure::of(&error), &error, peer),
            Err(_) => tls.failed(HandshakeFailure::Timeout, &io::ErrorKind::TimedOut.into(), peer),
        }
    }

    async fn http<I: AsyncRead + AsyncWrite + Unpin + 'static>(
        self,
        io: I,
        peer: SocketAddr,
        http2: bool,
        stall: &Stall,
        seat: &Seat,
    ) {
        // ALPN has said what is spoken, so nothing is guessed from the first bytes, which may never come.
        let builder = Builder::new(TokioExecutor::new());
        let mut builder = if http2 { builder.http2_only() } else { builder.http1_only() };
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header)
            .max_buf_size(HEADER_BYTES);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING);

        let router = TowerToHyperService::new(self.router);
        let unsent = Arc::new(Unsent::default());
        let service = service_fn(|mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            let busy = seat.begin();
            request.extensions_mut().insert(Arc::clone(&unsent));
            let answer = router.call(request);
            async move {
                let response = answer.await;
                drop(busy);
                response
            }
        });
        let connection = builder.serve_connection(TokioIo::new(io), service);
        tokio::pin!(connection);

        let (mut phase, until) = (self.phase, self.until);
        let mut ending = false;
        let mut seen = 0;
        let mut quiet = every(self.limits.idle);
        let mut taking = every((self.limits.answer / 4).max(Duration::from_millis(1)));
        loop {
            tokio::select! {
                closed = connection.as_mut() => {
                    if let Err(error) = closed {
                        tracing::debug!(%error, "a connection broke");
                    }
                    return;
                }
                _ = taking.tick() => {
                    if unsent.is_overdue(self.limits.answer) || stall.lasts(self.limits.answer) {
                        tracing::debug!("a client does not take its answers; its connection is closed");
                        return;
                    }
                }
                () = until.reached(&mut phase), if !ending => {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                    quiet = every(LINGER);
                }
                () = seat.wanted(), if !ending => {
                    if let Some(tls) = &self.tls {
                        tls.metrics.gave_way();
                    }
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                    quiet = every(GIVE_WAY);
                }
                _ = quiet.tick() => {
                    let (calls, busy) = seat.read();
                    if busy == 0 && calls == seen {
                        if ending {
                            return;
                        }
                        ending = true;
                        connection.as_mut().graceful_shutdown();
                        quiet = every(LINGER);
                    }
                    seen = calls;
                }
            }
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
