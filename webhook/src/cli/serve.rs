//! `sallyport serve`: the admission webhook.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use super::{Ending, check, is_stdin};
use crate::gate::PolicyGate;
use crate::policies::{Store, StoreError};
use crate::server::{Config, Identity, Server, terminated};
use crate::source::{Colour, Reporter};

#[derive(Args)]
pub(super) struct ServeArgs {
    /// Serve on one machine, with policies from files and no cluster
    #[arg(long)]
    standalone: bool,
    /// Policies: files or folders, followed as they change. May be given more than once
    #[arg(long, short, value_name = "POLICIES")]
    policies: Vec<PathBuf>,
    /// Where to serve the webhook, with TLS; port 0 takes a free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8443", value_parser = address)]
    listen: SocketAddr,
    /// Where to serve /healthz, /readyz and /metrics, in plain HTTP
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080", value_parser = address)]
    operations: SocketAddr,
    /// The certificate, in PEM, read anew for every connection. Without it one is made for this run
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// A further name or IP address for the certificate that is made
    #[arg(long, value_name = "NAME", conflicts_with = "tls_cert")]
    tls_name: Vec<String>,
    /// Where to write the certificate of the authority that is made, for clients to trust
    #[arg(long, value_name = "FILE", conflicts_with = "tls_cert")]
    ca_file: Option<PathBuf>,
    /// How to write the log, on standard error. RUST_LOG chooses what
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "expected an IP address and a port, such as 127.0.0.1:8443 or [::]:8443".to_owned())
}

pub(super) fn run(args: ServeArgs) -> anyhow::Result<Ending> {
    if !args.standalone {
        bail!(
            "serving from a cluster's own policies is not there yet; serve from files with --standalone --policies DIR"
        );
    }
    if args.policies.is_empty() {
        bail!("--standalone needs --policies DIR");
    }
    if args.policies.iter().any(|path| is_stdin(path)) {
        bail!("policies are followed as they change, so they can't come from standard input (-)");
    }
    start_log(args.log_format);
    let store = match Store::open(args.policies.clone()) {
        Ok(store) => Arc::new(store),
        Err(StoreError::Wrong(findings)) => {
            let mut reporter = Reporter::new(io::stderr().lock(), Colour::for_stream(&io::stderr()));
            for located in &findings {
                reporter.located(located)?;
            }
            reporter.finish()?;
            return Ok(Ending::BadInput);
        }
        Err(error) => return Err(error.into()),
    };
    check::tell(&store.current(), true)?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(args, store))
}

fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    match format {
        LogFormat::Text => log.with_ansi(Colour::for_stream(&io::stderr()) == Colour::On).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

async fn serve(args: ServeArgs, store: Arc<Store>) -> anyhow::Result<Ending> {
    let identity = match (args.tls_cert, args.tls_key) {
        (Some(certificate), Some(key)) => Identity::Files { certificate, key },
        _ => Identity::SelfIssued { names: args.tls_name, ca: args.ca_file },
    };
    let mut config = Config { admission: args.listen, operations: args.operations, ..Config::new(identity) };
    // No load balancer has to be told first.
    config.limits.shutdown_delay = std::time::Duration::ZERO;
    let gate = Arc::new(PolicyGate::new(Arc::clone(&store)));
    let mut server = Server::bind(config, gate).await?;
    store.register(server.registry_mut());
    tracing::info!(
        webhook = %format_args!("https://{}", server.admission_addr()),
        operations = %format_args!("http://{}", server.operations_addr()),
        policies = store.current().set.policies().len(),
        "serving"
    );
    if store.current().set.policies().is_empty() {
        tracing::warn!("there are no WorkloadPolicies: nothing is changed until there are");
    }
    let following = Arc::clone(&store);
    let follower = tokio::spawn(async move {
        if let Err(error) = following.follow().await {
            tracing::error!(%error, "policies are not followed: restart to load changed files");
        }
    });
    let drained = server.run(terminated()).await;
    follower.abort();
    if drained.cut > 0 {
        tracing::warn!(connections = drained.cut, "cut connections that did not end in time");
    }
    tracing::info!("stopped");
    Ok(Ending::Passed)
}
