//! `sallyport serve`: the admission webhook.

mod cluster;
mod standalone;

use std::any::Any;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use tokio::runtime::Runtime;
use tokio::signal::unix::Signal;

use super::log::{self, Log, LogFormat};
use super::{Ending, is_stdin, told};
use crate::audit::{self, AuditLog, Destination};
use crate::gate::{Policies, PolicyGate};
use crate::policies::Settings;
use crate::server::{Config, Drained, Identity, Server, fit_to_descriptors, hangups, terminated};
use crate::traces::Traces;
use sallyport_admission::MeshImage;

/// How long work that nobody waits for may go on once the server has ended.
const GRACE: Duration = Duration::from_secs(1);

#[derive(Args)]
pub(super) struct ServeArgs {
    /// Serve on one machine, with policies from files and no cluster
    #[arg(long, requires = "policies")]
    standalone: bool,
    /// Policies: files or folders, followed as they change. May be given more than once
    #[arg(long, short, value_name = "POLICIES", requires = "standalone")]
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
    /// Serve where there is no policy, and go on where the last one is removed
    #[arg(long)]
    allow_no_policies: bool,
    /// An image of a service mesh's own containers, such as registry.example.com/istio/proxyv2:1.30.*, in place of those
    /// that Istio and Linkerd publish; the rule `images` leaves it alone. May be given more than once
    #[arg(long, value_name = "IMAGE")]
    mesh_image: Vec<MeshImage>,
    /// The namespace that Sallyport runs in: no policy reaches it
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// A further namespace that no policy reaches. May be given more than once
    #[arg(long, value_name = "NAME")]
    exclude_namespace: Vec<String>,
    /// Where to put every call on record, a line of JSON each: a file, which SIGHUP reopens, or - for standard output
    #[arg(long, value_name = "FILE")]
    audit_log: Option<PathBuf>,
    /// What a call does when the audit log can't be written as fast as calls come in
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = WhenFull::Block, requires = "audit_log")]
    audit_log_full: WhenFull,
    /// Where to send traces, by OTLP over HTTP, such as http://127.0.0.1:4318. Without it, the OTEL_EXPORTER_OTLP_*
    /// variables say
    #[arg(long, value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// How to write the log, on standard error. RUST_LOG chooses what
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(flatten, next_help_heading = "In a cluster")]
    cluster: cluster::ClusterArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WhenFull {
    /// It waits, and is answered 503 at its deadline: no decision is given that is not on record
    Block,
    /// It is answered, and its line is dropped and counted
    Drop,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "expected an IP address and a port, such as 127.0.0.1:8443 or [::]:8443".to_owned())
}

pub(super) fn run(args: ServeArgs) -> anyhow::Result<Ending> {
    let format = args.log_format;
    let endpoint = args.otlp_endpoint.as_deref();
    let (filter, traces) = match log::chosen().and_then(|filter| Ok((filter, Traces::start(endpoint)?))) {
        Ok(chosen) => chosen,
        Err(error) => {
            let _log = Log::start(format, None, None);
            return refuse(format, error);
        }
    };
    let log = Log::start(format, filter, traces.as_ref());
    start(args, &log, traces.as_ref()).or_else(|error| refuse(format, error))
}

/// Says why the program does not start, as the log is written.
fn refuse(format: LogFormat, error: anyhow::Error) -> anyhow::Result<Ending> {
    match format {
        LogFormat::Text => Err(error),
        LogFormat::Json => {
            tracing::error!("{}", told(&error));
            Ok(Ending::BadInput)
        }
    }
}

fn start(args: ServeArgs, log: &Log, traces: Option<&Traces>) -> anyhow::Result<Ending> {
    let settings = Settings {
        mesh_images: args.mesh_image.clone(),
        spared: args.exclude_namespace.clone().into_iter().chain(args.namespace.clone()).collect(),
        none_allowed: args.allow_no_policies,
    };
    let store = match args.standalone {
        true => match standalone::open(&args, settings.clone())? {
            Some(store) => Some(store),
            None => return Ok(Ending::BadInput),
        },
        false => None,
    };
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic, which is a bug: {}", reason(panic.payload()));
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let serving = async {
        match store {
            Some(store) => standalone::serve(args, store, log, traces).await,
            None => cluster::serve(args, settings, log, traces).await,
        }
    };
    let drained = to_the_end(runtime, serving)?;
    if let Some(traces) = traces {
        traces.end();
    }
    tracing::info!(cut = drained.cut, "ended");
    Ok(Ending::Passed)
}

/// What is told of a panic. A text that was made for it may quote what was being decided about, as the standard
/// library does where a text is cut within a character; one that stands in the program does not.
fn reason(payload: &(dyn Any + Send)) -> &'static str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("its message is not told: it may hold parts of an object")
}

/// Runs the future, and then waits no longer than [`GRACE`] for threads that still compute: nobody waits for what
/// they do, and the runtime would wait for ever.
fn to_the_end<F: Future>(runtime: Runtime, future: F) -> F::Output {
    let ended = runtime.block_on(future);
    runtime.shutdown_timeout(GRACE);
    ended
}

fn open_audit_log(path: &Path, when_full: WhenFull) -> anyhow::Result<AuditLog> {
    let destination = if is_stdin(path) { Destination::Stdout } else { Destination::File(path.to_owned()) };
    let when_full = match when_full {
        WhenFull::Block => audit::WhenFull::Block,
        WhenFull::Drop => audit::WhenFull::Drop,
    };
    AuditLog::open(&destination, when_full)
        .with_context(|| format!("cannot open the audit log {}", path.display()))
}

/// Reopens the audit log at each SIGHUP.
async fn obey(mut hangups: Signal, audit: Option<AuditLog>) {
    while hangups.recv().await.is_some() {
        if let Some(audit) = &audit {
            tracing::info!(signal = "SIGHUP", "reopening the audit log");
            audit.reopen();
        } else {
            tracing::info!(signal = "SIGHUP", "nothing to reopen: there is no audit log");
        }
    }
}

/// A server of these policies that listens, and what its audit log obeys to.
struct Listening {
    server: Server,
    hangups: tokio::task::JoinHandle<()>,
}

async fn listen(
    args: &ServeArgs,
    identity: Identity,
    policies: Arc<dyn Policies>,
    account: Option<String>,
    log: &Log,
    traces: Option<&Traces>,
) -> anyhow::Result<Listening> {
    let mut config = Config { admission: args.listen, operations: args.operations, ..Config::new(identity) };
    if args.standalone {
        // No load balancer has to be told first.
        config.limits.shutdown_delay = Duration::ZERO;
    }
    fit_to_descriptors(&mut config.limits);
    let mut server = Server::bind(config, Arc::new(PolicyGate::new(policies, account))).await?;
    log.register(server.registry_mut());
    if let Some(traces) = traces {
        traces.register(server.registry_mut());
    }
    let audit = match &args.audit_log {
        Some(path) => Some(open_audit_log(path, args.audit_log_full)?),
        None => None,
    };
    if let Some(audit) = &audit {
        server = server.audited(audit.clone());
    }
    let hangups = tokio::spawn(obey(hangups()?, audit));
    Ok(Listening { server, hangups })
}

impl Listening {
    async fn run(self) -> Drained {
        let drained = self.server.run(terminated()).await;
        self.hangups.abort();
        drained
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_thread_that_still_computes_does_not_keep_the_program() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        // Ends with the test, and not before.
        let (_held, never) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel();
        let ended = to_the_end(runtime, async move {
            tokio::task::spawn_blocking(move || {
                begin.send(()).unwrap();
                never.recv()
            });
            begun.recv().unwrap();
            "ended"
        });
        assert_eq!(ended, "ended");
    }

    #[test]
    fn a_panic_tells_no_part_of_an_object() {
        let card = String::from("é4111 1111 1111 1111");
        let caught = std::panic::catch_unwind(|| card[1..].len()).unwrap_err();
        assert!(
            caught.downcast_ref::<String>().is_some_and(|text| text.contains("4111")),
            "what would be told"
        );
        assert!(!reason(&*caught).contains("4111"));
        let caught = std::panic::catch_unwind(|| panic!("as the program says")).unwrap_err();
        assert_eq!(reason(&*caught), "as the program says");
    }
}
