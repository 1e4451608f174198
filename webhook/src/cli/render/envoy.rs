//! For an Envoy without a mesh.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::{Path, absolute};

use anyhow::{Context as _, ensure};
use clap::Args;
use sallyport_attach::envoy::{Options, render as render_envoy};
use sallyport_attach::{Endpoint, Plugin};

use super::RenderArgs;
use crate::cli::Ending;
use crate::cli::crds::yaml;
use crate::filter::Module;

#[derive(Args)]
pub(super) struct EnvoyArgs {
    /// The application that requests go to
    #[arg(long, value_name = "HOST:PORT", required_if_eq("target", "envoy"))]
    upstream: Option<Endpoint>,
    /// Where Envoy listens
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:8080", value_parser = address)]
    listen: Endpoint,
    /// Where Envoy finds the filter, if it runs elsewhere
    #[arg(long, value_name = "FILE")]
    module_at: Option<String>,
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

fn address(text: &str) -> Result<Endpoint, String> {
    let endpoint: Endpoint = text.parse().map_err(|error| format!("{error}"))?;
    if endpoint.is_address() { Ok(endpoint) } else { Err(format!("{:?} is no IP address", endpoint.host)) }
}

fn connect_to(text: &str) -> Result<(Endpoint, Endpoint), String> {
    let (from, to) = text.split_once('=').ok_or("write HOST:PORT=HOST:PORT")?;
    let parse = |text: &str| text.parse::<Endpoint>().map_err(|error| error.to_string());
    Ok((parse(from)?, parse(to)?))
}

pub(super) fn render(args: &RenderArgs, plugins: &[Plugin]) -> anyhow::Result<Ending> {
    let ours = &args.envoy;
    let (Some(path), Some(upstream)) = (&args.module, &ours.upstream) else {
        unreachable!("the command line asks for both")
    };
    let options = Options {
        connect_to: connections(&ours.connect_to, plugins)?,
        module_sha256: Module::read(path)?.digest().to_owned(),
        listen: ours.listen.clone(),
        upstream: upstream.clone(),
        module: match &ours.module_at {
            Some(path) => path.clone(),
            None => text(&absolute(path)?)?,
        },
        ca_file: args.ca_file.clone(),
        admin: ours.admin.clone(),
        access_log: ours.access_log.clone(),
    };
    let mut out = io::stdout().lock();
    write!(out, "{}", yaml(&render_envoy(plugins, &options))?)?;
    out.flush()?;
    tell_of_shared_hosts(plugins);
    Ok(Ending::Passed)
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

fn text(path: &Path) -> anyhow::Result<String> {
    Ok(path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?.to_owned())
}
