//! What attaches the filter to the proxies of a mesh: Istio's EnvoyFilter, WasmPlugin or TrafficExtension.
//!
//! All three make Envoy the same filter with the same configuration, but only an EnvoyFilter can tell gateways from
//! sidecars by itself, have policies share a virtual machine by its name, and bring the clusters of hosts that have keys.
//! So that is what attaches a policy that selects pods by labels, whose keys come from the proxy's environment, since Envoy
//! gives a virtual machine the variables of whichever policy it comes to first, or which counts, since plugins of others
//! can write into what is counted where the machine has no name of its own.

mod envoy_filter;
mod extension;
mod order;
mod target;

use std::collections::{BTreeMap, BTreeSet};

use sallyport_traffic::program::{Configuration, ForwardedFor};
use sallyport_traffic::{Attach, JwksSource, TargetRef};
use serde_json::{Map, Value, json};
use thiserror::Error;

pub use order::{Placed, Policy, place};
pub use sallyport_policy::{ATTACHMENT_PREFIX as PREFIX, MANAGED_BY};
pub use target::{Proxies, Target};

use crate::{Endpoint, Plugin, environment_variables};

/// Which policy it is of.
pub const POLICY: &str = "sallyport.dev/traffic-policy";
/// How long a name may be (RFC 1123 §2.1 by way of the API server).
const LONGEST_NAME: usize = 253;

/// The resource that attaches a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// networking.istio.io EnvoyFilter.
    EnvoyFilter,
    /// extensions.istio.io WasmPlugin.
    WasmPlugin,
    /// extensions.istio.io TrafficExtension, from Istio 1.30.
    TrafficExtension,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::EnvoyFilter, Self::WasmPlugin, Self::TrafficExtension];

    /// Its group and version.
    #[must_use]
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::EnvoyFilter => "networking.istio.io/v1alpha3",
            Self::WasmPlugin | Self::TrafficExtension => "extensions.istio.io/v1alpha1",
        }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::EnvoyFilter => "EnvoyFilter",
            Self::WasmPlugin => "WasmPlugin",
            Self::TrafficExtension => "TrafficExtension",
        }
    }

    /// What it is called in paths of the API.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::EnvoyFilter => "envoyfilters",
            Self::WasmPlugin => "wasmplugins",
            Self::TrafficExtension => "trafficextensions",
        }
    }
}

/// What is the same for all policies of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Where proxies get the module, by HTTP.
    pub url: String,
    /// The SHA-256 digest of the module, in hexadecimal digits.
    pub sha256: String,
    /// A file in the proxies with the authorities, in PEM, that hosts of keys are trusted for.
    pub ca_file: String,
    /// Addresses that stand for hosts of keys.
    pub connect_to: BTreeMap<Endpoint, Endpoint>,
    /// The resources that the cluster has.
    pub resources: BTreeSet<Resource>,
}

/// Why a policy can't be attached.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotAttachable {
    /// Its selector is no list of labels.
    #[error("Istio selects pods by labels alone: write spec.selector.matchLabels, or In with one value")]
    Selector,
    /// Its selector asks for what can't be.
    #[error("spec.selector asks for two values of one label: no pod has both")]
    NobodySelected,
    /// What it names is not there.
    #[error("there is no {} {} in its namespace", kind(.0), .0.name)]
    NoTarget(TargetRef),
    /// What it names has no pods of its own.
    #[error("{} {} does not say by labels alone which pods are its own", kind(.0), .0.name)]
    TargetWithoutLabels(TargetRef),
    /// A proxy might have it twice.
    #[error("two of spec.targetRefs may have the same pods: write a policy for each")]
    TargetsOverlap,
    /// A Secret of another namespace.
    #[error(
        "provider {0}: a policy of the mesh's root namespace is for pods of all namespaces, and a Secret is not: \
             give the keys by uri or inline"
    )]
    SecretOfRoot(String),
    /// The resource is not there.
    #[error("the cluster has no {}: Istio is not installed, or its version has none", .0.kind())]
    NoResource(Resource),
    /// The names of what is rendered would be too long.
    #[error("its name is longer than {} characters", LONGEST_NAME - PREFIX.len() - SUFFIX)]
    Name,
}

/// What may follow a policy's name.
const SUFFIX: usize = ".target-16".len();

fn kind(reference: &TargetRef) -> &'static str {
    use sallyport_traffic::TargetKind::{DaemonSet, Deployment, Gateway, Service, StatefulSet};
    match reference.kind {
        Gateway => "Gateway",
        Service => "Service",
        Deployment => "Deployment",
        StatefulSet => "StatefulSet",
        DaemonSet => "DaemonSet",
    }
}

/// Whom a policy is for; `object` gives what the cluster has by a reference.
///
/// # Errors
/// That can't be said.
pub fn targets<'o>(
    plugin: &Plugin,
    object: impl Fn(&TargetRef) -> Option<&'o Value>,
) -> Result<Vec<Target>, NotAttachable> {
    let targets: Vec<Target> = match &plugin.spec.selector {
        Some(selector) => vec![Target::of_selector(selector)?],
        None => {
            let targets = plugin.spec.target_refs.iter();
            targets.map(|target| Target::of_reference(target, object(target))).collect::<Result<_, _>>()?
        }
    };
    let pairs = || {
        targets.iter().enumerate().flat_map(|(i, one)| targets.iter().skip(i + 1).map(move |two| (one, two)))
    };
    if pairs().any(|(one, two)| one.overlaps(two)) {
        return Err(NotAttachable::TargetsOverlap);
    }
    Ok(targets)
}

/// What attaches a policy that is in force. Its owner, which only the cluster knows, is not among it.
///
/// # Errors
/// It can't be attached.
pub fn render(placed: &Placed<'_>, options: &Options) -> Result<Vec<Value>, NotAttachable> {
    let Placed { policy, .. } = placed;
    let Policy { plugin, targets, mesh_wide, .. } = policy;
    if PREFIX.len() + plugin.policy.name.len() + SUFFIX > LONGEST_NAME {
        return Err(NotAttachable::Name);
    }
    if *mesh_wide && let Some(provider) = secret_provider(plugin) {
        return Err(NotAttachable::SecretOfRoot(provider.to_owned()));
    }
    let variables = environment_variables(&plugin.policy.namespace, &plugin.spec);
    let targets = targets.iter().enumerate().map(|(i, target)| {
        let attachment = Attachment {
            placed,
            target,
            name: match &plugin.spec.selector {
                // A last component that has no dot, so that names of two policies never meet.
                Some(_) => format!("{PREFIX}{}.pods", plugin.policy.name),
                None => format!("{PREFIX}{}.target-{}", plugin.policy.name, i + 1),
            },
            variables: &variables,
            options,
        };
        attachment.render()
    });
    Ok(targets.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

fn secret_provider(plugin: &Plugin) -> Option<&str> {
    let mut providers = plugin.spec.jwt.iter().flat_map(|jwt| &jwt.providers);
    let secret = providers.find(|provider| matches!(provider.jwks.source(), Some(JwksSource::Secret(_))))?;
    Some(&secret.name)
}

/// One policy at one of its targets.
struct Attachment<'a> {
    placed: &'a Placed<'a>,
    target: &'a Target,
    name: String,
    variables: &'a BTreeSet<String>,
    options: &'a Options,
}

impl Attachment<'_> {
    fn plugin(&self) -> &Plugin {
        &self.placed.policy.plugin
    }

    fn render(&self) -> Result<Vec<Value>, NotAttachable> {
        let has = |resource: Resource| self.options.resources.contains(&resource);
        let resource = match self.plugin().spec.attach {
            Attach::EnvoyFilter => Resource::EnvoyFilter,
            Attach::WasmPlugin => Resource::WasmPlugin,
            Attach::TrafficExtension => Resource::TrafficExtension,
            Attach::Auto
                if self.target.proxies == Proxies::Any
                    || !self.variables.is_empty()
                    || !self.plugin().spec.rate_limits.is_empty() =>
            {
                Resource::EnvoyFilter
            }
            // The API server has TrafficExtensions before an istiod that is upgraded knows what they are.
            Attach::Auto if has(Resource::WasmPlugin) => Resource::WasmPlugin,
            Attach::Auto if has(Resource::TrafficExtension) => Resource::TrafficExtension,
            Attach::Auto => Resource::EnvoyFilter,
        };
        let clusters = self.clusters();
        let needs = (!clusters.is_empty()).then_some(Resource::EnvoyFilter);
        if let Some(missing) = [Some(resource), needs].into_iter().flatten().find(|it| !has(*it)) {
            return Err(NotAttachable::NoResource(missing));
        }
        Ok(match resource {
            Resource::EnvoyFilter => vec![self.envoy_filter(clusters)],
            Resource::WasmPlugin | Resource::TrafficExtension => {
                let clusters = (!clusters.is_empty()).then(|| self.clusters_alone(clusters));
                std::iter::once(self.extension(resource)).chain(clusters).collect()
            }
        })
    }

    /// What the filter is configured with in these proxies, which are of one kind.
    fn configuration(&self, proxies: Proxies) -> Configuration {
        let mut configuration = self.plugin().configuration();
        configuration.set_before.clone_from(&self.placed.set_before);
        configuration.forwarded_for = match proxies {
            Proxies::Gateways => ForwardedFor::Appended,
            Proxies::Sidecars | Proxies::Any => ForwardedFor::Received,
        };
        // The mesh's own cluster speaks its mutual TLS with whoever does, and plain text with others.
        configuration.clusters.rate_limit_service = self
            .plugin()
            .rate_limit_service()
            .map(|Endpoint { host, port }| format!("outbound|{port}||{host}"));
        configuration
    }

    fn object(&self, resource: Resource, spec: Value) -> Value {
        let policy = &self.plugin().policy;
        let (key, value) = MANAGED_BY;
        let mut labels = Map::from_iter([(key.to_owned(), json!(value))]);
        // Longer names are no values of labels.
        if policy.name.len() <= 63 {
            labels.insert(POLICY.to_owned(), json!(policy.name));
        }
        json!({
            "apiVersion": resource.api_version(),
            "kind": resource.kind(),
            "metadata": { "name": self.name, "namespace": policy.namespace, "labels": labels },
            "spec": spec,
        })
    }
}

#[cfg(test)]
mod tests;
