//! `sallyport render`: what attaches the filter to proxies.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf, absolute};

use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum};
use sallyport_attach::envoy::{Options, render};
use sallyport_attach::{Endpoint, Plugin, environment_variables};
use sallyport_policy::{API_VERSION, FieldPath};
use sallyport_traffic::program::PolicyName;
use sha2::{Digest as _, Sha256};

use super::crds::yaml;
use super::{Ending, named, terminal};
use crate::policies::load;
use crate::source::{Document, decode, read};

#[derive(Args)]
pub(super) struct RenderArgs {
    /// TrafficPolicies: files or folders, - for standard input. Requests pass them in this order
    #[arg(required = true, value_name = "POLICIES")]
    policies: Vec<PathBuf>,
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
    let Some(plugins) = plugins(&args.policies)? else { return Ok(Ending::BadInput) };
    let bytes = fs::read(&args.module).with_context(|| format!("cannot read {}", args.module.display()))?;
    let options = Options {
        listen: args.listen.clone(),
        upstream: args.upstream.clone(),
        module: match &args.module_at {
            Some(path) => path.clone(),
            None => text(&absolute(&args.module)?)?,
        },
        module_sha256: Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
        ca_file: args.ca_file.clone(),
        connect_to: args.connect_to.iter().cloned().collect(),
        admin: args.admin.clone(),
        access_log: args.access_log.clone(),
    };
    let mut out = io::stdout().lock();
    write!(out, "{}", yaml(&render(&plugins, &options))?)?;
    out.flush()?;
    tell_of_variables(&plugins);
    Ok(Ending::Passed)
}

/// The policies; nothing, if something is wrong with one, which is told on standard error.
fn plugins(inputs: &[PathBuf]) -> anyhow::Result<Option<Vec<Plugin>>> {
    let (documents, errors) = read(inputs);
    let is_ours =
        |document: &Document| (document.api_version(), document.kind()) == (API_VERSION, "TrafficPolicy");
    let documents: Vec<Document> = documents.into_iter().filter(is_ours).collect();
    let loaded = load(documents.clone(), &errors);
    let mut reporter = terminal::reporter(io::stderr());
    for located in &loaded.findings {
        reporter.located(located)?;
    }
    reporter.finish()?;
    if loaded.has_errors() {
        return Ok(None);
    }
    ensure!(!documents.is_empty(), "no TrafficPolicies of {API_VERSION} in {}", named(inputs));
    // Whatever is wrong with one was found above.
    let plugins = documents.iter().filter_map(|document| {
        let policy =
            PolicyName { namespace: document.namespace().to_owned(), name: document.name().to_owned() };
        Some(Plugin { policy, spec: decode(document, &FieldPath::of("spec")).ok()? })
    });
    Ok(Some(plugins.collect()))
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
