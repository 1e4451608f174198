//! A policy as the filter is configured with it.

use std::collections::{BTreeMap, BTreeSet};

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

    /// Whom the filter itself calls: hosts of keys and the rate limit service.
    #[must_use]
    pub fn destinations(&self) -> BTreeSet<Endpoint> {
        let jwks = self.jwks_hosts().map(|(_, host)| host);
        jwks.chain(self.rate_limit_service()).collect()
    }

    /// Whether there is a host that both policies are about.
    #[must_use]
    pub fn shares_hosts(&self, other: &Self) -> bool {
        let (ours, others) = (&self.spec.hosts, &other.spec.hosts);
        let any = ours.is_empty() || others.is_empty();
        any || ours.iter().any(|one| others.iter().any(|other| is_about(one, other) || is_about(other, one)))
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

/// Whether the host, or one of those that `*.` stands for, is one of the pattern's.
fn is_about(pattern: &str, host: &str) -> bool {
    let below = pattern.strip_prefix('*').is_some_and(|end| host.len() > end.len() && host.ends_with(end));
    pattern == host || below
}

/// Where a cluster leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// To a host that has keys, by https.
    Jwks(Endpoint),
    /// To a rate limit service, by gRPC.
    RateLimitService(Endpoint),
}

impl Destination {
    /// The host and port.
    pub(crate) const fn endpoint(&self) -> &Endpoint {
        let (Self::Jwks(endpoint) | Self::RateLimitService(endpoint)) = self;
        endpoint
    }
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
