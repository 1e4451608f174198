//! A host of keys (RFC 7517 §5), as good or bad as a test needs it.

use std::convert::Infallible;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::pki;
use crate::run_dir::RunDir;

/// How a host of keys behaves.
#[derive(Clone, Debug)]
pub enum Conduct {
    /// It answers with this.
    Answers(Response<Bytes>),
    /// It takes requests, and answers none until it behaves otherwise.
    Silent,
    /// It closes connections without a word.
    Closes,
}

impl Conduct {
    /// It serves these keys.
    #[must_use]
    pub fn serves(keys: impl Into<Bytes>) -> Self {
        Self::Answers(Response::new(keys.into()))
    }

    /// It fails with this status.
    #[must_use]
    pub fn fails(status: http::StatusCode) -> Self {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status;
        Self::Answers(response)
    }
}

/// A server for https in this process. It belongs to the runtime that it is started in, and ends when dropped.
pub struct KeyHost {
    address: SocketAddr,
    conduct: watch::Sender<Conduct>,
    fetches: watch::Receiver<usize>,
    server: JoinHandle<()>,
    dir: RunDir,
}

impl KeyHost {
    /// Starts one with a certificate for this name, of an authority of its own.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(name: &str, conduct: Conduct) -> Result<Self> {
        let dir = RunDir::create()?;
        pki::write_server_of(&[name], dir.path())?;
        let tls = TlsAcceptor::from(Arc::new(identity(dir.path())?));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (conduct, behaves) = watch::channel(conduct);
        let (count, fetches) = watch::channel(0);
        let server = tokio::spawn(serve(listener, tls, behaves, Arc::new(count)));
        Ok(Self { address, conduct, fetches, server, dir })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The authority that its certificate is of.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.crt")
    }

    /// Makes it behave so from now on; requests that are waiting too.
    pub fn behave(&self, conduct: Conduct) {
        self.conduct.send_replace(conduct);
    }

    /// How many requests have come by now.
    #[must_use]
    pub fn fetches(&self) -> usize {
        *self.fetches.borrow()
    }

    /// Waits until so many requests have come.
    ///
    /// # Errors
    /// When the server has ended.
    pub async fn fetched(&self, times: usize) -> Result<()> {
        self.fetches.clone().wait_for(|count| *count >= times).await?;
        Ok(())
    }
}

impl Drop for KeyHost {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn identity(dir: &Path) -> Result<ServerConfig> {
    let certificate = CertificateDer::from_pem_slice(&fs::read(dir.join("tls.crt"))?)?;
    let key = PrivateKeyDer::from_pem_slice(&fs::read(dir.join("tls.key"))?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = config.with_no_client_auth().with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

async fn serve(
    listener: TcpListener,
    tls: TlsAcceptor,
    conduct: watch::Receiver<Conduct>,
    count: Arc<watch::Sender<usize>>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (tls, conduct, count) = (tls.clone(), conduct.clone(), Arc::clone(&count));
        tokio::spawn(async move {
            if matches!(*conduct.borrow(), Conduct::Closes) {
                return;
            }
            // A client that does not trust us, or goes away, ends its connection, not a test.
            let Ok(stream) = tls.accept(stream).await else { return };
            let service = service_fn(move |_| {
                count.send_modify(|count| *count += 1);
                respond(conduct.clone())
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn respond(mut conduct: watch::Receiver<Conduct>) -> Result<Response<Full<Bytes>>, Infallible> {
    loop {
        let now = conduct.borrow_and_update().clone();
        match now {
            Conduct::Answers(response) => return Ok(response.map(Full::new)),
            // Until the test says otherwise, or is over.
            Conduct::Silent | Conduct::Closes => {
                if conduct.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}
