//! One connection, from accept to close.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
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
    pub(crate) tls: Option<(Arc<Certificates>, Metrics)>,
}

impl Port {
    /// Serves a connection until either side closes it, or another needs its seat.
    pub(crate) async fn serve(self, tcp: TcpStream, seat: Seat) {
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
        let (tcp, stall) = Watched::new(tcp);
        let Some((certificates, metrics)) = &self.tls else {
            return self.http(tcp, false, &stall, &seat).await;
        };
        let _counted = metrics.connected();
        let handshake = async {
            let current = Certificates::current(certificates).await;
            metrics.serves(&current, OffsetDateTime::now_utc().unix_timestamp());
            TlsAcceptor::from(current.config).accept(tcp).await
        };
        let handshake = async {
            tokio::select! {
                done = timeout(self.limits.handshake, handshake) => Some(done),
                () = seat.wanted() => None,
            }
        };
        let Some(done) = handshake.await else {
            tracing::debug!("a TLS handshake gave way to another connection");
            return;
        };
        match done {
            Ok(Ok(tls)) => {
                let http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
                self.http(tls, http2, &stall, &seat).await;
            }
            Ok(Err(error)) => {
                metrics.handshake_failed("tls");
                tracing::debug!(%error, "a TLS handshake failed");
            }
            Err(_) => {
                metrics.handshake_failed("timeout");
                tracing::debug!("a TLS handshake took too long");
            }
        }
    }

    async fn http<I: AsyncRead + AsyncWrite + Unpin + 'static>(
        self,
        io: I,
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
