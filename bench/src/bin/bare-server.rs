//! What a webhook costs before it decides anything: a server on the same libraries as Sallyport's, with its TLS and
//! its allocator, that answers without looking.
//!
//! `parse` reads the review into a tree and answers "allowed" under its uid. `echo` returns the body unread, which is
//! what TLS, HTTP and the network cost alone.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use clap::{Parser, ValueEnum};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The program's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Args {
    /// What to do with a body
    #[arg(value_enum)]
    work: Work,
    /// Where to listen
    #[arg(long)]
    listen: SocketAddr,
    /// The certificate, in PEM
    #[arg(long)]
    tls_cert: PathBuf,
    /// Its key, in PEM
    #[arg(long)]
    tls_key: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Work {
    /// Read it into a tree and answer "allowed"
    Parse,
    /// Return it as it came
    Echo,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let router = match args.work {
        Work::Parse => Router::new().route("/", post(parse)),
        Work::Echo => Router::new().route("/", post(echo)),
    };
    let tls = TlsAcceptor::from(Arc::new(tls(&args)?));
    let listener = TcpListener::bind(args.listen).await?;
    loop {
        let (tcp, _) = listener.accept().await?;
        tcp.set_nodelay(true)?;
        let (tls, service) = (tls.clone(), TowerToHyperService::new(router.clone()));
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(tcp).await else { return };
            let builder = Builder::new(TokioExecutor::new()).http1_only();
            // A connection that breaks is the client's to report.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn echo(body: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn parse(body: Bytes) -> Response {
    let Ok(review) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let answer = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": { "uid": review["request"]["uid"], "allowed": true },
    });
    ([(header::CONTENT_TYPE, "application/json")], answer.to_string()).into_response()
}

fn tls(args: &Args) -> Result<ServerConfig> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(&args.tls_cert)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&args.tls_key).context("cannot read the key")?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?)
}
