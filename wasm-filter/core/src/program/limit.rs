//! How often one may ask, compiled.

use std::num::NonZeroU32;

use super::routes;
use crate::limit::fields::QuotaPolicy;
use crate::limit::gcra::Gcra;
use crate::limit::rls::Unit;
use crate::route::{LimitKey, Route};
use crate::{LimitScope, MissingKey, RateLimit, TrafficMode};

/// How often one may ask.
#[derive(Debug)]
pub struct LimitProgram {
    /// The limit, as the policy has it.
    pub spec: RateLimit,
    /// The requests that count: any of these; none: all.
    pub matches: Vec<Route>,
    /// The requests that do not.
    pub exempt: Vec<Route>,
    /// What is counted apart.
    pub key: Vec<LimitKey>,
    /// What happens to a request that lacks a part of the key.
    pub on_missing_key: MissingKey,
    /// The limit as this proxy counts it.
    pub gcra: Gcra,
    /// As how many requests one counts.
    pub cost: NonZeroU32,
    /// How many requests are taken from the service at a time.
    pub lease: NonZeroU32,
    /// Who counts.
    pub counted_by: CountedBy,
    /// Whether it refuses.
    pub enforces: bool,
    /// What clients are told of it.
    pub quota: QuotaPolicy,
}

/// Who counts for a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedBy {
    /// This proxy.
    Proxy,
    /// The rate limit service, by this unit.
    Service(Unit),
}

impl LimitProgram {
    /// Compiles a limit that was checked before. `None` if something is wrong with it all the same: with a part left out
    /// it would count other requests.
    pub(super) fn compile(limit: &RateLimit, mode: TrafficMode) -> Option<Self> {
        Some(Self {
            matches: routes(&limit.matches)?,
            exempt: routes(&limit.exempt)?,
            key: limit.key.iter().map(|source| LimitKey::compile(source).ok()).collect::<Option<_>>()?,
            on_missing_key: limit.on_missing_key,
            gcra: Gcra::new(&limit.limit).ok()?,
            cost: NonZeroU32::new(limit.cost())?,
            lease: NonZeroU32::new(limit.lease())?,
            counted_by: match limit.scope {
                LimitScope::Local => CountedBy::Proxy,
                LimitScope::Global => CountedBy::Service(Unit::of(limit.limit.period)?),
            },
            enforces: mode == TrafficMode::Enforce && limit.mode != Some(TrafficMode::Shadow),
            quota: QuotaPolicy::new(&limit.name, &limit.limit),
            spec: limit.clone(),
        })
    }
}
