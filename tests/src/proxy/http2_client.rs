//! An HTTP/2 client, as gRPC's are.

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// A connection for HTTP/2 requests, any number at a time.
#[derive(Clone)]
pub struct Http2Client {
    sender: http2::SendRequest<UnsyncBoxBody<Bytes, Infallible>>,
    host: String,
}

impl Http2Client {
    /// Connects, without TLS.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot reach {address}"))?;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        // It ends with the sender. What it fails with, the sender is told.
        tokio::spawn(connection);
        Ok(Self { sender, host: address.to_string() })
    }

    /// Sends a request to a path, with these trailers, and reads the whole answer: with its own trailers, if it has any.
    ///
    /// # Errors
    /// When the connection or the stream breaks.
    pub async fn send(
        &mut self,
        request: Request<impl Into<Bytes>>,
        trailers: HeaderMap,
    ) -> Result<(Response<Bytes>, Option<HeaderMap>)> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = format!("http://{}{path}", self.host).parse()?;
        let trailers = std::future::ready((!trailers.is_empty()).then_some(Ok(trailers)));
        let body = Full::new(body.into()).with_trailers(trailers).boxed_unsync();
        self.sender.ready().await?;
        let response = self.sender.send_request(Request::from_parts(parts, body)).await?;
        let (parts, body) = response.into_parts();
        let collected = body.collect().await?;
        let trailers = collected.trailers().cloned();
        Ok((Response::from_parts(parts, collected.to_bytes()), trailers))
    }
}
