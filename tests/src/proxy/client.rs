//! An HTTP client that sends what a test says, and nothing else.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A connection for HTTP/1.1 requests, one after the other.
pub struct Client {
    sender: http1::SendRequest<Full<Bytes>>,
    host: String,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot reach {address}"))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the sender. What it fails with, the sender is told.
        tokio::spawn(connection);
        Ok(Self { sender, host: address.to_string() })
    }

    /// Sends a request, with the address as its Host unless it has one, and reads the whole answer.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn send(&mut self, request: Request<impl Into<Bytes>>) -> Result<Response<Bytes>> {
        let mut request = request.map(|body| Full::new(body.into()));
        if !request.headers().contains_key(http::header::HOST) {
            request.headers_mut().insert(http::header::HOST, self.host.parse()?);
        }
        self.sender.ready().await?;
        let (parts, body) = self.sender.send_request(request).await?.into_parts();
        Ok(Response::from_parts(parts, body.collect().await?.to_bytes()))
    }
}

/// Sends one request on a connection of its own.
///
/// # Errors
/// When nobody answers.
pub async fn send(address: SocketAddr, request: Request<impl Into<Bytes>>) -> Result<Response<Bytes>> {
    Client::connect(address).await?.send(request).await
}

/// A page of text.
///
/// # Errors
/// When it is not answered 200.
pub async fn page(address: SocketAddr, path: &str) -> Result<String> {
    let response = send(address, Request::get(path).body("")?).await?;
    let status = response.status();
    let body = String::from_utf8_lossy(response.body()).into_owned();
    ensure!(status == 200, "{path} is answered {status}: {body}");
    Ok(body)
}
