//! A policy compiled: what the filter is configured with, and what it decides by.

mod configuration;
mod decode;
mod jwt;
mod limit;

use std::time::Duration;

use sallyport_policy::{Diagnostics, FieldPath};

use crate::check as checks;
use crate::edit::{IdentityHeaders, RequestEdits, ResponseEdits, Value, Variable};
use crate::route::{HostPattern, LimitKey, Route};
use crate::{
    FailureMode, KeySource as KeyOf, MissingKey, RateLimitFields, RouteMatch, TrafficMode, TrafficPolicySpec,
    WhenUnavailable,
};

pub use configuration::{Clusters, Configuration, ForwardedFor, PolicyName, Verification};
pub use decode::DecodeError;
pub use jwt::{JwtProgram, KeySource, Needs, ProviderProgram, RemoteSource, Requirement};
pub use limit::{CountedBy, LimitProgram};
pub use sallyport_policy::secret_variable;

/// A policy compiled.
#[derive(Debug)]
pub struct Program {
    /// The policy.
    pub policy: PolicyName,
    /// Whether access logs take paths from the filter.
    pub logs_paths: bool,
    /// The hosts that it is about; none: all.
    pub hosts: Vec<HostPattern>,
    /// Whether verdicts are acted on.
    pub enforces: bool,
    /// Whether a request passes that can't be decided because the proxy failed.
    pub fails_open: bool,
    /// How many proxies are trusted to have appended to X-Forwarded-For: those in front, and this one if it does so before
    /// the filter. 0: the header says nothing.
    pub trusted_hops: u8,
    /// Whether a limit asks for the client's address.
    pub limits_ask_for_client: bool,
    /// Whether the value of a header does.
    pub edits_ask_for_client: bool,
    /// Whether a limit asks who the connection's client is.
    pub asks_for_peer: bool,
    /// Who must sign in.
    pub jwt: Option<JwtProgram>,
    /// How often one may ask.
    pub limits: Vec<LimitProgram>,
    /// Who counts for limits of scope Global.
    pub service: Option<ServiceProgram>,
    /// Which fields tell clients of their limits.
    pub rate_limit_fields: RateLimitFields,
    /// What becomes of requests' headers.
    pub request: RequestEdits,
    /// What becomes of responses' headers.
    pub response: ResponseEdits,
}

/// Who counts for limits of scope Global.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceProgram {
    /// The proxy's cluster for it.
    pub cluster: String,
    /// How long a request waits for it.
    pub timeout: Duration,
    /// What happens when it does not answer in time.
    pub when_unavailable: WhenUnavailable,
}

/// What compiling found, and the program where nothing is wrong.
#[derive(Debug)]
pub struct Compiled {
    /// The program; `None` if and only if anything is an error.
    pub program: Option<Program>,
    /// Everything that is wrong or doubtful, each at its field from `spec` on.
    pub findings: Diagnostics,
}

/// Compiles a policy: what the admission webhook, the command line and the filter all call.
#[must_use]
pub fn compile(configuration: &Configuration) -> Compiled {
    let mut findings = checks::check(&configuration.spec);
    if findings.has_errors() {
        return Compiled { program: None, findings };
    }
    // What the checks pass compiles. If one forgot something, that is an error, and nothing is left out.
    let compiled = Program::compile(configuration).map_err(|part| {
        findings.error(FieldPath::of(part), "nothing was found wrong here, and yet it does not compile");
    });
    Compiled { program: compiled.ok(), findings }
}

/// What is wrong, or doubtful, in a policy by itself, whatever the cluster and the proxies hold: what [`compile`] finds.
#[must_use]
pub fn check(spec: &TrafficPolicySpec) -> Diagnostics {
    let configuration = Configuration {
        policy: PolicyName::default(),
        spec: spec.clone(),
        clusters: Clusters::default(),
        forwarded_for: ForwardedFor::default(),
        verification: Verification::default(),
        set_before: Vec::new(),
        logs_paths: false,
    };
    compile(&configuration).findings
}

impl Program {
    /// Compiles what was checked before.
    ///
    /// # Errors
    /// The part of the policy with which something is wrong all the same.
    fn compile(configuration: &Configuration) -> Result<Self, &'static str> {
        let Configuration { policy, spec, clusters, forwarded_for, set_before, logs_paths, .. } =
            configuration;
        let jwt = spec
            .jwt
            .as_ref()
            .map(|jwt| JwtProgram::compile(jwt, &policy.namespace, clusters).ok_or("spec.jwt"));
        let jwt = jwt.transpose()?;
        let limits = spec.rate_limits.iter().map(|limit| LimitProgram::compile(limit, spec.mode));
        let limits: Vec<LimitProgram> = limits.collect::<Option<_>>().ok_or("spec.rateLimits")?;
        let identity = IdentityHeaders::of(spec).behind(set_before);
        Ok(Self {
            policy: policy.clone(),
            logs_paths: *logs_paths,
            hosts: spec.hosts.iter().map(|host| HostPattern::of(host)).collect(),
            enforces: spec.mode == TrafficMode::Enforce,
            fails_open: spec.failure_mode == FailureMode::Open,
            trusted_hops: match (spec.trusted_hops, forwarded_for) {
                (0, _) => 0,
                (hops, ForwardedFor::Received) => hops,
                (hops, ForwardedFor::Appended) => hops.saturating_add(1),
            },
            limits_ask_for_client: limits_ask_for_client(spec),
            edits_ask_for_client: edits_ask_for_client(spec),
            asks_for_peer: limits.iter().flat_map(|limit| &limit.key).any(LimitKey::asks_for_peer),
            jwt,
            limits,
            service: spec.rate_limit_service.as_ref().map(|service| ServiceProgram {
                cluster: clusters.rate_limit_service.clone().unwrap_or_default(),
                timeout: service.timeout.into(),
                when_unavailable: service.when_unavailable,
            }),
            rate_limit_fields: spec.rate_limit_fields,
            request: RequestEdits::compile(spec, identity).map_err(|_| "spec.headers.request")?,
            response: ResponseEdits::compile(spec).map_err(|_| "spec.headers.response")?,
        })
    }

    /// What happens when the rate limit service does not answer.
    #[must_use]
    pub fn when_unavailable(&self) -> WhenUnavailable {
        self.service.as_ref().map(|service| service.when_unavailable).unwrap_or_default()
    }

    /// How long a request waits for the rate limit service.
    #[must_use]
    pub fn service_timeout(&self) -> Duration {
        self.service.as_ref().map_or(Duration::ZERO, |service| service.timeout)
    }
}

/// Requests that a rule is about, each compiled. `None` if one does not compile.
fn routes(matches: &[RouteMatch]) -> Option<Vec<Route>> {
    matches.iter().map(|route| Route::compile(route).ok()).collect()
}

fn limits_ask_for_client(spec: &TrafficPolicySpec) -> bool {
    spec.rate_limits.iter().any(|limit| {
        let in_key = limit.key.iter().any(|part| matches!(part, KeyOf::ClientAddress(_)));
        let may_be_missing = limit.key.iter().any(|part| !matches!(part, KeyOf::Constant(_)));
        in_key || (may_be_missing && limit.on_missing_key == MissingKey::ClientAddress)
    })
}

fn edits_ask_for_client(spec: &TrafficPolicySpec) -> bool {
    let headers = spec.headers.iter();
    let request =
        headers.clone().filter_map(|headers| headers.request.as_ref()).flat_map(|request| &request.set);
    let response = headers.filter_map(|headers| headers.response.as_ref()).flat_map(|response| &response.set);
    request.chain(response).any(|header| {
        let value = Value::parse(&header.value);
        value.is_ok_and(|value| value.variables().any(|variable| *variable == Variable::ClientAddress))
    })
}

#[cfg(test)]
mod tests;
