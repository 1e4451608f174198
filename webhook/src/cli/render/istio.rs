//! For the proxies of a mesh.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use sallyport_attach::Plugin;
use sallyport_attach::mesh::{Options, Policy, Resource, place, render as render_mesh, targets};
use sallyport_traffic::TargetRef;
use serde_json::Value;

use super::RenderArgs;
use crate::cli::crds::yaml;
use crate::cli::{Ending, paint};
use crate::filter::Module;
use crate::policies::ROOT_NAMESPACE;
use crate::server::module_path;
use crate::source::Document;

#[derive(Args)]
pub(super) struct IstioArgs {
    /// Where proxies get the filter: the address of a server that has it at /filter/DIGEST.wasm, as `sallyport serve` does
    #[arg(long, value_name = "URL", default_value = "http://sallyport.sallyport.svc:8081")]
    module_url: String,
    /// The resources that the cluster has; older versions of Istio have no TrafficExtension
    #[arg(long, value_enum, value_name = "RESOURCE", value_delimiter = ',',
          default_values_t = [ResourceArg::Envoyfilter, ResourceArg::Wasmplugin, ResourceArg::Trafficextension])]
    resources: Vec<ResourceArg>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ResourceArg {
    Envoyfilter,
    Wasmplugin,
    Trafficextension,
}

impl From<ResourceArg> for Resource {
    fn from(given: ResourceArg) -> Self {
        match given {
            ResourceArg::Envoyfilter => Self::EnvoyFilter,
            ResourceArg::Wasmplugin => Self::WasmPlugin,
            ResourceArg::Trafficextension => Self::TrafficExtension,
        }
    }
}

pub(super) fn render(args: &RenderArgs, plugins: &[Plugin], others: &[Document]) -> anyhow::Result<Ending> {
    let module = match &args.module {
        Some(path) => Module::read(path)?,
        None => Module::carried().context("this program carries no filter: give one by --module FILE")?,
    };
    let options = Options {
        url: format!("{}{}", args.istio.module_url.trim_end_matches('/'), module_path(module.digest())),
        sha256: module.digest().to_owned(),
        ca_file: args.ca_file.clone(),
        connect_to: BTreeMap::new(),
        resources: args.istio.resources.iter().map(|given| Resource::from(*given)).collect::<BTreeSet<_>>(),
    };
    let mut ending = Ending::Passed;
    let mut refuse = |plugin: &Plugin, why: &dyn std::fmt::Display| {
        ending = Ending::Refused;
        anstream::eprintln!("{}error:{:#} {}: {why}", paint::ERROR, paint::ERROR, plugin.name());
    };
    let mut policies = Vec::new();
    for (i, plugin) in plugins.iter().enumerate() {
        let object = |target: &TargetRef| named(others, &plugin.policy.namespace, &args.namespace, target);
        match targets(plugin, object) {
            Ok(targets) => policies.push(Policy {
                plugin: plugin.clone(),
                // Who comes first is older.
                created: i64::try_from(i)?,
                mesh_wide: plugin.policy.namespace == ROOT_NAMESPACE,
                targets,
            }),
            Err(why) => refuse(plugin, &why),
        }
    }
    let mut out = io::stdout().lock();
    for placed in place(&policies) {
        let plugin = &placed.policy.plugin;
        if let Some(older) = placed.conflicts_with {
            refuse(plugin, &format_args!("{older} comes before it, and is about the same pods and hosts"));
            continue;
        }
        match render_mesh(&placed, &options) {
            Ok(objects) => {
                for object in objects {
                    write!(out, "---\n{}", yaml(&object)?)?;
                }
            }
            Err(why) => refuse(plugin, &why),
        }
    }
    out.flush()?;
    Ok(ending)
}

/// The object that a policy names, among those beside it.
fn named<'d>(
    others: &'d [Document],
    namespace: &str,
    default: &str,
    target: &TargetRef,
) -> Option<&'d Value> {
    let kind = format!("{:?}", target.kind);
    let is_it = |document: &&Document| {
        let its = Some(document.namespace()).filter(|its| !its.is_empty()).unwrap_or(default);
        document.kind() == kind && document.name() == target.name && its == namespace
    };
    others.iter().find(is_it).map(|document| &document.value)
}
