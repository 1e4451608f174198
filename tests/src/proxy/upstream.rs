//! The application behind the proxy.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request as the application got it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its line and headers.
    pub parts: Parts,
    /// Its body.
    pub body: Bytes,
    /// Its trailers.
    pub trailers: Option<http::HeaderMap>,
}

type Answer = dyn Fn(&Seen) -> Response<Bytes> + Send + Sync;

/// A server in this process, which remembers what it got. It belongs to the runtime that it is started in, and ends when
/// dropped.
pub struct Upstream {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    server: JoinHandle<()>,
}

impl Upstream {
    /// One that answers each request with JSON that tells it: `{"method", "path", "headers": [[name, value], …]}`. Bytes
    /// that are not ASCII are written as `\xNN`.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn echo() -> Result<Self> {
        Self::answering(|seen| {
            let json = http::HeaderValue::from_static("application/json");
            let mut response = Response::new(tell(seen).to_string().into());
            response.headers_mut().insert(http::header::CONTENT_TYPE, json);
            response
        })
        .await
    }

    /// One that answers so.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn answering(
        answer: impl Fn(&Seen) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let seen = Arc::default();
        let server = tokio::spawn(serve(listener, Arc::new(answer), Arc::clone(&seen)));
        Ok(Self { address, seen, server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests by now, in the order in which they came.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, answer: Arc<Answer>, seen: Arc<Mutex<Vec<Seen>>>) {
    // A connection that is lost before it is accepted is nobody's.
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (answer, seen) = (Arc::clone(&answer), Arc::clone(&seen));
        tokio::spawn(async move {
            let service = service_fn(move |request| respond(request, Arc::clone(&answer), Arc::clone(&seen)));
            let builder = auto::Builder::new(TokioExecutor::new());
            // A client that goes away ends its connection, not a test.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn respond(
    request: Request<Incoming>,
    answer: Arc<Answer>,
    seen: Arc<Mutex<Vec<Seen>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let Ok(collected) = body.collect().await else {
        let mut cut = Response::new(Full::default());
        *cut.status_mut() = http::StatusCode::BAD_REQUEST;
        return Ok(cut);
    };
    let trailers = collected.trailers().cloned();
    let request = Seen { parts, body: collected.to_bytes(), trailers };
    let response = answer(&request);
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    Ok(response.map(Full::new))
}

fn tell(seen: &Seen) -> Value {
    let Parts { method, uri, headers, .. } = &seen.parts;
    let headers: Vec<[String; 2]> = headers
        .iter()
        .map(|(name, value)| [name.to_string(), value.as_bytes().escape_ascii().to_string()])
        .collect();
    let path = uri.path_and_query().map(ToString::to_string);
    json!({ "method": method.as_str(), "path": path, "headers": headers })
}
