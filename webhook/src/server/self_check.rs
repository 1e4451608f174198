//! Whether the server can be reached as the API server reaches it: over TLS, with the certificate that it serves.
//!
//! A replica that says it is ready before it answers costs calls. So readiness waits for a call of the server to
//! itself, over loopback: a handshake in which the certificate at hand is presented and its key proved, then an HTTP
//! exchange. It is made again whenever the certificate changes. Whom the API server trusts is not known here, so that
//! is not part of it; that the certificate is valid today is asked beside it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::tls::Certificates;

/// How long a call to itself may take, and how long to wait before the next where one failed.
const PATIENCE: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_secs(1);
/// How often to look for a renewed certificate where nobody connects.
const LOOK: Duration = Duration::from_secs(60);

/// What came of the last call to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    NotYet,
    Yes,
    No(String),
}

impl Reached {
    pub(crate) fn check(&self) -> Result<(), String> {
        match self {
            Self::Yes => Ok(()),
            Self::NotYet => Err("the server has not reached its own TLS port yet".to_owned()),
            Self::No(why) => Err(format!("the server cannot reach its own TLS port: {why}")),
        }
    }
}

/// Calls itself until that succeeds, and again when the certificate changes. Never returns.
pub(crate) async fn follow(
    address: SocketAddr,
    certificates: Arc<Certificates>,
    told: watch::Sender<Reached>,
) {
    let address = loopback(address);
    loop {
        let current = Certificates::current(&certificates).await;
        let reached = match timeout(PATIENCE, reach(address, &current.leaf)).await {
            Ok(Ok(())) => Reached::Yes,
            Ok(Err(why)) => Reached::No(why),
            Err(_) => Reached::No(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        if told.send_if_modified(|before| std::mem::replace(before, reached.clone()) != reached) {
            match &reached {
                Reached::No(why) => {
                    tracing::error!(why, "the server cannot reach its own TLS port: not ready");
                }
                _ => tracing::info!("the server reached its own TLS port"),
            }
        }
        if reached == Reached::Yes {
            while Certificates::current(&certificates).await.leaf == current.leaf {
                // Whether or not anybody connects: that it has expired is to be told of when it has.
                let left = current.not_after.saturating_sub(OffsetDateTime::now_utc().unix_timestamp());
                let left = u64::try_from(left).map_or(LOOK, |left| Duration::from_secs(left + 1));
                let _ = timeout(LOOK.min(left), certificates.renewed()).await;
            }
        } else {
            sleep(AGAIN).await;
        }
    }
}

/// The same port of this machine, where the server listens on every address.
fn loopback(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// A handshake, in which `leaf` must be presented, and an HTTP exchange.
async fn reach(address: SocketAddr, leaf: &CertificateDer<'static>) -> Result<(), String> {
    let said = |error: &dyn fmt::Display| error.to_string();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let pinned = Pinned { leaf: leaf.clone(), provider: Arc::clone(&provider) };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| said(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned))
        .with_no_client_auth();
    let tcp = TcpStream::connect(address).await.map_err(|error| said(&error))?;
    let name = ServerName::IpAddress(address.ip().into());
    let mut tls =
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await.map_err(|error| said(&error))?;
    let ask = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    tls.write_all(ask).await.map_err(|error| said(&error))?;
    let mut status = [0; 13];
    tls.read_exact(&mut status).await.map_err(|error| said(&error))?;
    let _ = tls.shutdown().await;
    // No such path: whoever says so has read the request.
    if &status == b"HTTP/1.1 404 " { Ok(()) } else { Err("the answer is none of this server's".to_owned()) }
}

/// Trusts one certificate, and whoever proves to have its key.
#[derive(Debug)]
struct Pinned {
    leaf: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        presented: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *presented == self.leaf {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::General("another certificate is served than was read".to_owned()))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
