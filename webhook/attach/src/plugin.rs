//! A policy as the filter is configured with it.

use std::collections::BTreeMap;

use sallyport_traffic::edit::IdentityHeaders;
use sallyport_traffic::program::{Clusters, Configuration, PolicyName};
use sallyport_traffic::{JwksSource, RateLimitService, TrafficMode, TrafficPolicySpec};

use crate::{Endpoint, jwks_endpoint};

/// A TrafficPolicy that the filter is to be configured with. It is expected to be right: `sallyport_traffic::check`
/// finds no error in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// Its name.
    pub policy: PolicyName,
    /// What it says.
    pub spec: TrafficPolicySpec,
}

impl Plugin {
    /// Its name as one text: `namespace/name`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.policy.namespace, self.policy.name)
    }

    /// What the filter is configured with.
    #[must_use]
    pub fn configuration(&self) -> Configuration {
        let jwks = self.jwks_hosts().map(|(provider, host)| (provider.to_owned(), jwks_cluster(&host)));
        Configuration {
            policy: self.policy.clone(),
            spec: self.spec.clone(),
            clusters: Clusters {
                jwks: jwks.collect(),
                rate_limit_service: self.rate_limit_service().map(|service| rate_limit_cluster(&service)),
            },
            forwarded_for: Default::default(),
            verification: Default::default(),
            set_before: Vec::new(),
            logs_paths: false,
        }
    }

    /// The request headers that only it may set, as [`IdentityHeaders::iter`] names them: where it acts, it has taken away
    /// what clients sent there.
    #[must_use]
    pub fn sets(&self) -> Vec<String> {
        let names = (self.spec.mode == TrafficMode::Enforce).then(|| IdentityHeaders::of(&self.spec));
        let names = names.iter().flat_map(IdentityHeaders::iter);
        names.map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }

    /// Every provider whose keys are fetched, with the host that has them.
    pub fn jwks_hosts(&self) -> impl Iterator<Item = (&str, Endpoint)> {
        let providers = self.spec.jwt.iter().flat_map(|jwt| &jwt.providers);
        providers.filter_map(|provider| match provider.jwks.source()? {
            JwksSource::Uri(uri) => Some((provider.name.as_str(), jwks_endpoint(uri)?)),
            _ => None,
        })
    }

    /// The rate limit service, by the name that it has in its cluster.
    #[must_use]
    pub fn rate_limit_service(&self) -> Option<Endpoint> {
        let RateLimitService { service, namespace, port, .. } = self.spec.rate_limit_service.as_ref()?;
        let namespace = namespace.as_deref().unwrap_or(&self.policy.namespace);
        Some(Endpoint::new(format!("{service}.{namespace}.svc.cluster.local"), *port))
    }

    /// The proxy's clusters that this needs, by their names.
    pub(crate) fn clusters(&self) -> BTreeMap<String, Destination> {
        let jwks = self.jwks_hosts().map(|(_, host)| (jwks_cluster(&host), Destination::Jwks(host)));
        let service = self
            .rate_limit_service()
            .map(|service| (rate_limit_cluster(&service), Destination::RateLimitService(service)));
        jwks.chain(service).collect()
    }
}

/// Where a cluster leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// To a host that has keys, by https.
    Jwks(Endpoint),
    /// To a rate limit service, by gRPC.
    RateLimitService(Endpoint),
}

fn jwks_cluster(host: &Endpoint) -> String {
    format!("sallyport_jwks_{}", plain(host))
}

fn rate_limit_cluster(service: &Endpoint) -> String {
    format!("sallyport_rate_limit_{}", plain(service))
}

/// A host and port without dots, which divide the names of Envoy's statistics. No two meet: names of hosts have no
/// underscore.
fn plain(endpoint: &Endpoint) -> String {
    format!("{}_{}", endpoint.host.replace('.', "_"), endpoint.port)
}
