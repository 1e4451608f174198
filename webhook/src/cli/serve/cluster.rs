//! Serving in a cluster.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use clap::Args;
use kube::runtime::events::{Recorder, Reporter};
use sallyport_policy::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

use super::{ServeArgs, listen};
use crate::cli::log::Log;
use crate::cluster::{
    Attaching, Elector, Leader, Lifetimes, Metrics, Modules, NAME, Policies, Secrets, Target, Trust, account,
    connect,
};
use crate::filter::Module;
use crate::policies::Settings;
use crate::server::{Drained, Identity, PemPair, terminated};
use crate::traces::Traces;

/// How long giving up the Lease may take.
const RELEASE: std::time::Duration = std::time::Duration::from_secs(5);

/// The port of the Service where proxies get the filter.
const FILTER_PORT: u16 = 8081;

#[derive(Args)]
pub(super) struct ClusterArgs {
    /// How to reach the API server, where it is not as the pod's service account does
    #[arg(long, value_name = "FILE", conflicts_with = "standalone")]
    kubeconfig: Option<PathBuf>,
    /// The Service by which the API server finds the webhook, of its own namespace
    #[arg(long, value_name = "NAME[:PORT]", default_value = "sallyport:443", value_parser = service, conflicts_with = "url")]
    service: (String, u16),
    /// The address at which it finds the webhook where that is no Service, such as https://192.0.2.10:8443
    #[arg(long, value_name = "URL", value_parser = url, conflicts_with = "standalone")]
    url: Option<String>,
    /// The Secret that keeps the certificate and its authority, where Sallyport makes them
    #[arg(long, value_name = "NAME", default_value = "sallyport-certificates")]
    certificates_secret: String,
    /// How long a certificate that is made is valid; it is renewed after two thirds of that
    #[arg(long, value_name = "DURATION", default_value = "90d")]
    certificate_lifetime: Duration,
    /// How long an authority that is made is valid
    #[arg(long, value_name = "DURATION", default_value = "730d")]
    authority_lifetime: Duration,
    /// The authority of the certificate that is given, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert", conflicts_with = "cert_manager")]
    tls_ca: Option<PathBuf>,
    /// The Certificate of cert-manager's that the certificate that is given comes from: cert-manager then writes its
    /// authority into the webhook configurations
    #[arg(long, value_name = "NAMESPACE/NAME", requires = "tls_cert")]
    cert_manager: Option<String>,
    /// How long the API server waits for a decision, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(i32).range(1..=30))]
    timeout: i32,
    /// The ClusterRole with which the webhook configurations are removed
    #[arg(long, value_name = "CLUSTERROLE")]
    owner: Option<String>,
    /// The filter that proxies get, in place of that which the program carries
    #[arg(long, value_name = "FILE", conflicts_with = "standalone")]
    filter: Option<PathBuf>,
    /// Where to serve the filter to proxies, in plain HTTP
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8081", value_parser = super::address)]
    filter_listen: SocketAddr,
    /// Where proxies find that, such as http://192.0.2.10:8081; port 8081 of the Service where nothing is given
    #[arg(long, value_name = "URL", value_parser = plain_url, conflicts_with = "standalone")]
    filter_url: Option<String>,
    /// The authorities, in PEM, that hosts of keys are trusted for: a file in the proxies
    #[arg(long, value_name = "FILE", default_value = "/etc/ssl/certs/ca-certificates.crt")]
    proxy_ca_file: String,
    /// What this replica is called among those that want to lead; the host's name where nothing is given
    #[arg(long, value_name = "NAME", env = "POD_NAME")]
    identity: Option<String>,
}

fn service(text: &str) -> Result<(String, u16), String> {
    let (name, port) = text.split_once(':').unwrap_or((text, "443"));
    let wrong = || "expected the name of a Service and perhaps a port, such as sallyport:443".to_owned();
    let port = port.parse().map_err(|_| wrong())?;
    if name.is_empty() { Err(wrong()) } else { Ok((name.to_owned(), port)) }
}

fn url(text: &str) -> Result<String, String> {
    origin("https://", text)
}

fn plain_url(text: &str) -> Result<String, String> {
    origin("http://", text)
}

fn origin(scheme: &str, text: &str) -> Result<String, String> {
    let wrong = || format!("expected {scheme}HOST:PORT without a path");
    let host = text.strip_prefix(scheme).ok_or_else(wrong)?;
    if host.is_empty() || host.contains('/') { Err(wrong()) } else { Ok(text.to_owned()) }
}

pub(super) async fn serve(
    args: ServeArgs,
    mut settings: Settings,
    log: &Log,
    traces: Option<&Traces>,
) -> anyhow::Result<Drained> {
    let ours = &args.cluster;
    let (client, namespace) = connect(ours.kubeconfig.as_deref()).await?;
    let namespace = args.namespace.clone().or(namespace);
    let namespace =
        namespace.context("which namespace is Sallyport's own? outside of a pod give --namespace NAME")?;
    if !settings.spared.contains(&namespace) {
        settings.spared.push(namespace.clone());
    }
    let target = match &ours.url {
        Some(url) => Target::Url(url.clone()),
        None => Target::Service {
            namespace: namespace.clone(),
            name: ours.service.0.clone(),
            port: ours.service.1,
        },
    };
    let spared: BTreeSet<String> = settings.spared.iter().cloned().collect();
    let policies = Arc::new(Policies::new(client.clone(), settings));
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(Arc::clone(&policies).follow());

    let (identity, trust) = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => {
            let identity = Identity::Files { certificate: certificate.clone(), key: key.clone() };
            let trust = match (&ours.tls_ca, &ours.cert_manager) {
                (Some(file), _) => Trust::File(file.clone()),
                (None, Some(certificate)) => Trust::CertManager(certificate.clone()),
                (None, None) => bail!(
                    "the API server has to know whom to trust for --tls-cert: give --tls-ca FILE or --cert-manager \
                     NAMESPACE/NAME"
                ),
            };
            (identity, trust)
        }
        _ => {
            let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
            let lifetimes = Lifetimes {
                authority: seconds(ours.authority_lifetime),
                certificate: seconds(ours.certificate_lifetime),
            };
            lifetimes.check()?;
            let name = &ours.certificates_secret;
            let secrets = Secrets::new(client.clone(), &namespace, name, target.host_names()?, lifetimes);
            let (send, mut served) = watch::channel(PemPair::default());
            tasks.spawn(secrets.clone().follow(send));
            tracing::info!(secret = name, "waiting for the certificate");
            served
                .wait_for(|pair| !pair.certificate.is_empty())
                .await
                .context("nobody gives a certificate")?;
            let identity = Identity::Given { name: format!("Secret {namespace}/{name}"), pair: served };
            (identity, Trust::Kept(Box::new(secrets)))
        }
    };
    tracing::info!("waiting for the policies and namespaces of the cluster");
    tokio::select! {
        () = policies.read() => {}
        () = terminated() => return Ok(Drained { cut: 0 }),
    }

    let account = account(&client).await?;
    let module = match &ours.filter {
        Some(path) => Some(Module::read(path)?),
        None => Module::carried(),
    };
    if module.is_none() {
        tracing::warn!("this program carries no filter: TrafficPolicies are checked, and not attached");
    }
    let modules = module.map(|module| Arc::new(Modules::new(client.clone(), &namespace, module)));

    let mut listening = listen(&args, identity, policies.clone(), Some(account.clone()), log, traces).await?;
    if let Some(modules) = &modules {
        listening.server = listening.server.serving(ours.filter_listen, modules.clone())?;
    }
    let server = &mut listening.server;
    policies.register(server.registry_mut());
    let metrics = Metrics::default();
    metrics.register(server.registry_mut());
    let current = policies.current();
    tracing::info!(
        webhook = %server.admission_addr(),
        operations = %server.operations_addr(),
        policies = current.set.policies().len(),
        digest = &*current.digest,
        "serving"
    );

    let name = ours.identity.clone().unwrap_or_else(host_name);
    // A replica that was replaced under the same name is another.
    let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let elector = Elector::new(client.clone(), &namespace, NAME, format!("{name}_{began:x}"));
    let (send, held) = watch::channel(false);
    tasks.spawn(elector.clone().run(send));
    let attaching = modules.map(|modules| Attaching {
        modules,
        url: ours
            .filter_url
            .clone()
            .unwrap_or_else(|| format!("http://{}.{namespace}.svc:{FILTER_PORT}", ours.service.0)),
        ca_file: ours.proxy_ca_file.clone(),
    });
    let reporter = Reporter { controller: NAME.to_owned(), instance: Some(name) };
    let leader = Leader {
        recorder: Recorder::new(client.clone(), reporter),
        client,
        namespace,
        policies,
        trust,
        target,
        spared,
        timeout_seconds: ours.timeout,
        owner: ours.owner.clone(),
        metrics,
        attaching,
        account,
    };
    tasks.spawn(leader.run(held));
    let drained = tokio::select! {
        drained = listening.run() => drained,
        // None of them ends but by a bug, and without one of them this replica would slowly become wrong.
        ended = tasks.join_next() => bail!("a part of the program has ended, which is a bug: {ended:?}"),
    };
    // It leads no more before another does.
    tasks.shutdown().await;
    if timeout(RELEASE, elector.release()).await.is_err() {
        tracing::warn!("the Lease could not be given up: another replica leads once it has ended");
    }
    Ok(drained)
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
