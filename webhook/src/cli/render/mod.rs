//! `sallyport render`: what attaches the filter to proxies.

mod envoy;
mod istio;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use anyhow::ensure;
use clap::{Args, ValueEnum};
use sallyport_attach::{Plugin, environment_variables};
use sallyport_policy::API_VERSION;
use sallyport_traffic::program::PolicyName;

use super::{Ending, named, terminal};
use crate::policies::load;
use crate::source::{Document, read};

#[derive(Args)]
pub(super) struct RenderArgs {
    /// TrafficPolicies: files or folders, - for standard input. Envoy has them in this order; a mesh by their age, and
    /// beside them may stand the Services and workloads that they name
    #[arg(required = true, value_name = "POLICIES")]
    policies: Vec<PathBuf>,
    /// The namespace of policies that name none
    #[arg(long, short, default_value = "default", value_name = "NAME")]
    namespace: String,
    /// What to render for
    #[arg(long, value_enum, value_name = "TARGET")]
    target: Target,
    /// The filter: sallyport_filter.wasm. A mesh is told of its digest alone, by default of that of the filter which this
    /// program carries
    #[arg(long, value_name = "FILE", required_if_eq("target", "envoy"))]
    module: Option<PathBuf>,
    /// The authorities, in PEM, that hosts of keys are trusted for; a file where proxies run
    #[arg(long, value_name = "FILE", default_value = "/etc/ssl/certs/ca-certificates.crt")]
    ca_file: String,
    #[command(flatten, next_help_heading = "For Envoy")]
    envoy: envoy::EnvoyArgs,
    #[command(flatten, next_help_heading = "For Istio")]
    istio: istio::IstioArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    /// A complete configuration of an Envoy before one application, without a mesh
    Envoy,
    /// The resources by which Istio's proxies run the filter, as Sallyport keeps them in a cluster
    Istio,
}

pub(super) fn run(args: &RenderArgs) -> anyhow::Result<Ending> {
    let (documents, errors) = read(&args.policies);
    let is_policy =
        |document: &Document| (document.api_version(), document.kind()) == (API_VERSION, "TrafficPolicy");
    let (policies, others): (Vec<Document>, Vec<Document>) = documents.into_iter().partition(is_policy);
    let loaded = load(policies, &errors);
    let mut reporter = terminal::reporter(io::stderr());
    for located in &loaded.findings {
        reporter.located(located)?;
    }
    reporter.finish()?;
    if loaded.has_errors() {
        return Ok(Ending::BadInput);
    }
    ensure!(!loaded.traffic.is_empty(), "no TrafficPolicies of {API_VERSION} in {}", named(&args.policies));
    let mut names = BTreeSet::new();
    let given = loaded.traffic.into_iter().map(|(PolicyName { mut namespace, name }, spec)| {
        if namespace.is_empty() {
            namespace.clone_from(&args.namespace);
        }
        ensure!(!name.is_empty(), "a TrafficPolicy has no name: write metadata.name");
        let policy = PolicyName { namespace, name };
        ensure!(names.insert(policy.clone()), "two TrafficPolicies are {policy}: names must differ");
        Ok(Plugin { policy, spec })
    });
    let plugins: Vec<Plugin> = given.collect::<anyhow::Result<_>>()?;
    let ending = match args.target {
        Target::Envoy => envoy::render(args, &plugins)?,
        Target::Istio => istio::render(args, &plugins, &others)?,
    };
    tell_of_variables(&plugins);
    Ok(ending)
}

/// A proxy starts without them, and refuses the configuration of the filter then.
fn tell_of_variables(plugins: &[Plugin]) {
    for plugin in plugins {
        for variable in environment_variables(&plugin.policy.namespace, &plugin.spec) {
            anstream::eprintln!("{}: proxies need the environment variable {variable}", plugin.name());
        }
    }
}
