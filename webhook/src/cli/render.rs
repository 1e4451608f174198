//! `sallyport render`: what attaches the filter to proxies.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf, absolute};

use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum};
use sallyport_attach::envoy::{Options, render};
use sallyport_attach::{Endpoint, Plugin, check_module, environment_variables};
use sallyport_policy::API_VERSION;
use sallyport_traffic::program::PolicyName;
use sha2::{Digest as _, Sha256};

use super::crds::yaml;
use super::{Ending, named, terminal};
use crate::policies::load;
use crate::source::{Document, read};

#[derive(Args)]
pub(super) struct RenderArgs {
    /// TrafficPolicies: files or folders, - for standard input. Requests pass them in this order
    #[arg(required = true, value_name = "POLICIES")]
    policies: Vec<PathBuf>,
    /// The namespace of policies that name none
    #[arg(long, short, default_value = "default", value_name = "NAME")]
    namespace: String,
    /// What to render for
    #[arg(long, value_enum, value_name = "TARGET")]
    target: Target,
    /// The application that requests go to
    #[arg(long, value_name = "HOST:PORT")]
    upstream: Endpoint,
    /// Where Envoy listens
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:8080", value_parser = address)]
    listen: Endpoint,
    /// The filter: sallyport_filter.wasm
    #[arg(long, value_name = "FILE")]
    module: PathBuf,
    /// Where Envoy finds the filter, if it runs elsewhere
    #[arg(long, value_name = "FILE")]
    module_at: Option<String>,
    /// The authorities, in PEM, that hosts of keys are trusted for; a file where Envoy runs
    #[arg(long, value_name = "FILE", default_value = "/etc/ssl/certs/ca-certificates.crt")]
    ca_file: String,
    /// Reach a host of keys or the rate limit service elsewhere. May be given more than once
    #[arg(long, value_name = "HOST:PORT=HOST:PORT", value_parser = connect_to)]
    connect_to: Vec<(Endpoint, Endpoint)>,
    /// Where Envoy's admin interface listens; by default nowhere. Whoever reaches it can end Envoy
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    admin: Option<Endpoint>,
    /// The file that requests are logged into, a line of JSON each
    #[arg(long, value_name = "FILE", default_value = "/dev/stdout")]
    access_log: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    /// A complete configuration of an Envoy before one application, without a mesh
    Envoy,
}

fn address(text: &str) -> Result<Endpoint, String> {
    let endpoint: Endpoint = text.parse().map_err(|error| format!("{error}"))?;
    if endpoint.is_address() { Ok(endpoint) } else { Err(format!("{:?} is no IP address", endpoint.host)) }
}

fn connect_to(text: &str) -> Result<(Endpoint, Endpoint), String> {
    let (from, to) = text.split_once('=').ok_or("write HOST:PORT=HOST:PORT")?;
    let parse = |text: &str| text.parse::<Endpoint>().map_err(|error| error.to_string());
    Ok((parse(from)?, parse(to)?))
}

pub(super) fn run(args: &RenderArgs) -> anyhow::Result<Ending> {
    let Target::Envoy = args.target;
    let Some(plugins) = plugins(args)? else { return Ok(Ending::BadInput) };
    let connect_to = connections(&args.connect_to, &plugins)?;
    let module = args.module.display();
    let bytes = fs::read(&args.module).with_context(|| format!("cannot read {module}"))?;
    check_module(&bytes).with_context(|| format!("{module} is not the filter"))?;
    let options = Options {
        listen: args.listen.clone(),
        upstream: args.upstream.clone(),
        module: match &args.module_at {
            Some(path) => path.clone(),
            None => text(&absolute(&args.module)?)?,
        },
        module_sha256: Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
        ca_file: args.ca_file.clone(),
        connect_to,
        admin: args.admin.clone(),
        access_log: args.access_log.clone(),
    };
    let mut out = io::stdout().lock();
    write!(out, "{}", yaml(&render(&plugins, &options))?)?;
    out.flush()?;
    tell_of_variables(&plugins);
    tell_of_shared_hosts(&plugins);
    Ok(Ending::Passed)
}

/// The policies; nothing, if something is wrong with one, which is told on standard error.
fn plugins(args: &RenderArgs) -> anyhow::Result<Option<Vec<Plugin>>> {
    let (documents, errors) = read(&args.policies);
    let is_ours =
        |document: &Document| (document.api_version(), document.kind()) == (API_VERSION, "TrafficPolicy");
    let loaded = load(documents.into_iter().filter(is_ours).collect(), &errors);
    let mut reporter = terminal::reporter(io::stderr());
    for located in &loaded.findings {
        reporter.located(located)?;
    }
    reporter.finish()?;
    if loaded.has_errors() {
        return Ok(None);
    }
    ensure!(!loaded.traffic.is_empty(), "no TrafficPolicies of {API_VERSION} in {}", named(&args.policies));
    let mut names = BTreeSet::new();
    let plugins = loaded.traffic.into_iter().map(|(PolicyName { mut namespace, name }, spec)| {
        if namespace.is_empty() {
            namespace.clone_from(&args.namespace);
        }
        ensure!(!name.is_empty(), "a TrafficPolicy has no name: write metadata.name");
        let policy = PolicyName { namespace, name };
        ensure!(names.insert(policy.clone()), "two TrafficPolicies are {policy}: names must differ");
        Ok(Plugin { policy, spec })
    });
    plugins.collect::<anyhow::Result<_>>().map(Some)
}

/// Addresses that stand for hosts, of which each is one that a policy names: a slip would have Envoy ask the host itself.
fn connections(
    given: &[(Endpoint, Endpoint)],
    plugins: &[Plugin],
) -> anyhow::Result<BTreeMap<Endpoint, Endpoint>> {
    let known: BTreeSet<Endpoint> = plugins.iter().flat_map(Plugin::destinations).collect();
    for (from, _) in given {
        let names = || known.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        ensure!(
            known.contains(from),
            "--connect-to {from}: no policy names such a host of keys or rate limit service; {}",
            if known.is_empty() { "none names any".to_owned() } else { format!("they name {}", names()) }
        );
    }
    Ok(given.iter().cloned().collect())
}

/// Each of several policies decides about a request that all are about, and sees what those before it left of it.
fn tell_of_shared_hosts(plugins: &[Plugin]) {
    for (i, plugin) in plugins.iter().enumerate() {
        for before in plugins.iter().take(i).filter(|before| before.shares_hosts(plugin)) {
            anstream::eprintln!(
                "{} comes after {} and is about the same hosts: requests have to satisfy both, and tokens and headers \
                 that {} takes away do not reach it",
                plugin.name(),
                before.name(),
                before.name(),
            );
        }
    }
}

/// Envoy starts without them, and refuses the configuration of the filter then.
fn tell_of_variables(plugins: &[Plugin]) {
    for plugin in plugins {
        for variable in environment_variables(&plugin.policy.namespace, &plugin.spec) {
            anstream::eprintln!("{}: Envoy needs the environment variable {variable}", plugin.name());
        }
    }
}

fn text(path: &Path) -> anyhow::Result<String> {
    Ok(path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?.to_owned())
}
