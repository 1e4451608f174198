//! One worker of a proxy: decides about requests, and keeps what decisions stand on.

use std::borrow::Cow;

use thiserror::Error;

use super::authenticate::{Accepted, NotSignedIn, Reason, SignIn, SignedIn, authenticate};
use super::exchange::{Edits, SignedInWith};
use super::keys::{Keys, NoEnvironmentKeys};
use super::limits::{Asking, Counted, Counters, Stage};
use super::token::{Cache, Checker};
use super::{Decision, Exchange, Outcome, Record, Signatures, Step, Verdict, Wait};
use crate::RateLimitFields;
use crate::answer::{Answer, Challenge, Refusal};
use crate::host::{Host, HostError, Monotonic};
use crate::keys::{Fetch, Fetched};
use crate::limit::fields::{closest, legacy, rate_limit, rate_limit_policy, retry_after};
use crate::limit::table::TableError;
use crate::program::{KeySource, Program, RemoteSource};
use crate::request::{ClientAddress, Request, dialect, source_address};
use crate::route::KeyFacts;
use crate::token::{Place, claim, scalar};

/// What one worker of a proxy keeps.
#[derive(Debug)]
pub struct Worker {
    program: Program,
    keys: Vec<Keys>,
    verified: Cache,
    signatures: Signatures,
    counters: Counters,
    challenges: Vec<Challenge>,
}

/// Why a worker can't start.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StartError {
    /// Keys that should stand in an environment variable do not.
    #[error(transparent)]
    Keys(#[from] NoEnvironmentKeys),
    /// The place where limits are counted can't be opened.
    #[error("the place where limits are counted can't be opened: {0}")]
    Counters(#[from] TableError),
}

/// A fetch that is due, and that this worker has taken on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The provider whose keys they are, by its place in the policy.
    pub provider: usize,
    /// Where they are.
    pub source: RemoteSource,
}

impl Worker {
    /// Starts a worker. `environment` gives what a variable of the proxy holds.
    ///
    /// # Errors
    /// Keys are missing, or the proxy failed.
    pub fn start(
        program: Program,
        signatures: Signatures,
        host: &dyn Host,
        environment: &dyn Fn(&str) -> Option<Vec<u8>>,
    ) -> Result<Self, StartError> {
        let providers = program.jwt.as_ref().map(|jwt| jwt.providers.as_slice()).unwrap_or_default();
        let keys = providers
            .iter()
            .map(|provider| Keys::of(provider, &program.policy, environment))
            .collect::<Result<_, _>>()?;
        let schemes =
            providers.iter().flat_map(|provider| &provider.places).filter_map(|place| match place {
                Place::Header { scheme: Some(scheme), .. } => str::from_utf8(scheme).ok(),
                _ => None,
            });
        let challenges = Challenge::of_schemes(schemes, &program.policy.name);
        let mut random = [0; 16];
        host.fill(&mut random);
        let counters = Counters::open(&program, host, random)?;
        Ok(Self { keys, verified: Cache::default(), signatures, counters, challenges, program })
    }

    /// The program.
    #[must_use]
    pub const fn program(&self) -> &Program {
        &self.program
    }

    /// Decides about a request.
    pub fn decide(&mut self, host: &dyn Host, request: &Request<'_>) -> Step {
        if !self.is_about(request) {
            return Step::Done(self.elsewhere());
        }
        let now = host.monotonic();
        match self.sign_in(host, request, now) {
            SignIn::Passes(signed_in) => {
                let peer = self.peer(host);
                let claim = |provider: &str, path: &[String]| {
                    accepted_claim(&self.program, &signed_in.tokens, provider, path)
                };
                let facts = KeyFacts {
                    request,
                    client: self.client(host, request, self.program.limits_ask_for_client),
                    peer: peer.as_deref(),
                    claim: &claim,
                };
                match self.counters.begin(&self.program, &facts, host, now) {
                    Ok(Stage::Counted(counted)) => Step::Done(self.end(host, request, &signed_in, &counted)),
                    Ok(Stage::Asking(asking)) => Step::Wait(Wait::Service(asking)),
                    Err(error) => Step::Done(self.failed(host, request, signed_in, error)),
                }
            }
            SignIn::Refused(refused) if !self.program.enforces => {
                // What limits would say of a request that would not come so far is not asked.
                Step::Done(self.shadowed(host, request, refused))
            }
            SignIn::Refused(refused) => Step::Done(self.refuse(host, request, refused)),
            SignIn::KeysComing => Step::Wait(Wait::Keys),
            SignIn::Failed(error) => Step::Done(self.failed_sign_in(host, request, error)),
        }
    }

    /// Takes in what the rate limit service answered to a call (`None`: nothing), by the call's place among those that
    /// were asked for. Whether no further answer is waited for.
    pub fn answered(&self, host: &dyn Host, asking: &mut Asking, call: usize, answer: Option<&[u8]>) -> bool {
        self.counters.answered(asking, call, answer, host)
    }

    /// Decides about a request whose limits the service has spoken of.
    pub fn resume(&mut self, host: &dyn Host, request: &Request<'_>, asking: Asking) -> Decision {
        let (applied, shadowed) = asking.into_parts();
        let now = host.monotonic();
        match self.sign_in(host, request, now) {
            SignIn::Passes(signed_in) => {
                match self.counters.finish(&self.program, &applied, shadowed, host, now) {
                    Ok(counted) => self.end(host, request, &signed_in, &counted),
                    Err(error) => self.failed(host, request, signed_in, error),
                }
            }
            // The token has ended meanwhile, or its keys were taken back.
            SignIn::Refused(refused) => {
                self.counters.give_back(&applied, host);
                self.refuse(host, request, refused)
            }
            SignIn::KeysComing => {
                self.counters.give_back(&applied, host);
                self.without_keys(host, request)
            }
            SignIn::Failed(error) => {
                self.counters.give_back(&applied, host);
                self.failed_sign_in(host, request, error)
            }
        }
    }

    /// Decides about a request that has waited for keys as long as it may.
    pub fn without_keys(&mut self, host: &dyn Host, request: &Request<'_>) -> Decision {
        self.refuse(host, request, NotSignedIn { rule: None, reason: Reason::NoKeys })
    }

    /// Looks what other workers have fetched, and takes on what is due: whether any fetch has ended since, so that
    /// waiting requests are to be decided anew, and the fetches to make.
    ///
    /// # Errors
    /// The proxy failed.
    pub fn tick(&mut self, host: &dyn Host) -> Result<(bool, Vec<Due>), HostError> {
        let mut ended = false;
        let mut due = Vec::new();
        let providers = self.program.jwt.iter().flat_map(|jwt| &jwt.providers);
        for (at, (provider, keys)) in providers.zip(&mut self.keys).enumerate() {
            let (Keys::Remote(remote), KeySource::Remote(source)) = (keys, &provider.keys) else { continue };
            ended |= remote.look(host)?;
            if remote.take_on(host, host.monotonic())? {
                due.push(Due { provider: at, source: source.clone() });
            }
        }
        Ok((ended, due))
    }

    /// A fetch that this worker took on has ended.
    ///
    /// # Errors
    /// The proxy failed.
    pub fn fetched(
        &mut self,
        host: &dyn Host,
        provider: usize,
        answer: Option<Fetched<'_>>,
    ) -> Result<Option<Fetch>, HostError> {
        let Some(Keys::Remote(remote)) = self.keys.get_mut(provider) else { return Ok(None) };
        let mut jitter = [0; 4];
        host.fill(&mut jitter);
        remote.fetched(host, answer, host.monotonic(), u32::from_le_bytes(jitter)).map(Some)
    }

    /// Whether keys are fetched, so that ticks are needed.
    #[must_use]
    pub fn fetches_keys(&self) -> bool {
        self.keys.iter().any(|keys| matches!(keys, Keys::Remote(_)))
    }

    /// A decision as access logs have it: `verdict=denied reason=over_limit limit=per-user policy=shop/api`.
    #[must_use]
    pub fn tell(&self, record: &Record) -> String {
        let program = &self.program;
        let rule = record.rule.and_then(|rule| program.jwt.as_ref()?.requirements.get(rule));
        let limit = record.limit.and_then(|limit| program.limits.get(limit));
        let mut told = String::with_capacity(128);
        for (name, value) in [
            ("verdict=", Some(record.verdict.word())),
            (" reason=", Some(record.reason)),
            (" rule=", rule.map(|rule| rule.name.as_str())),
            (" limit=", limit.map(|limit| limit.spec.name.as_str())),
            (" subject=", record.subject.as_deref()),
            (" policy=", Some(&program.policy.namespace)),
            ("/", Some(&program.policy.name)),
        ] {
            if let Some(value) = value {
                told.push_str(name);
                told.push_str(value);
            }
        }
        told
    }

    /// How long ago each provider's fetched keys arrived, in nanoseconds.
    pub fn key_ages(&self, host: &dyn Host) -> impl Iterator<Item = (&str, u64)> {
        let now = host.monotonic();
        let providers = self.program.jwt.iter().flat_map(|jwt| &jwt.providers);
        providers.zip(&self.keys).filter_map(move |(provider, keys)| match keys {
            Keys::Remote(remote) => Some((provider.spec.name.as_str(), remote.age(now)?)),
            Keys::Fixed(_) => None,
        })
    }

    /// Whether the policy is about the request: one whose host is not known may be for any.
    fn is_about(&self, request: &Request<'_>) -> bool {
        let hosts = &self.program.hosts;
        hosts.is_empty()
            || request.host.as_ref().is_none_or(|host| hosts.iter().any(|pattern| pattern.matches(host)))
    }

    fn sign_in<'r>(&mut self, host: &dyn Host, request: &Request<'r>, now: Monotonic) -> SignIn<'r> {
        let Some(jwt) = &self.program.jwt else { return SignIn::Passes(SignedIn::default()) };
        if jwt.preflight_passes && request.is_preflight() && request.may_be_opened() {
            return SignIn::Passes(SignedIn::default());
        }
        let wall = host.wall();
        let (keys, cache, signatures) = (&mut self.keys, &mut self.verified, &self.signatures);
        authenticate(jwt, request, &mut |index, token| {
            let (Some(provider), Some(keys)) = (jwt.providers.get(index), keys.get_mut(index)) else {
                return Err(super::token::NotAccepted::NoKeys);
            };
            Checker { index, provider, keys, cache, signatures, now, wall }.check(token, host)
        })
    }

    /// The client's address, where it is asked for.
    fn client(&self, host: &dyn Host, request: &Request<'_>, is_asked_for: bool) -> Option<ClientAddress> {
        if !is_asked_for {
            return None;
        }
        let source = host.source_address().and_then(|address| source_address(&address));
        ClientAddress::of(request.headers, source, self.program.trusted_hops)
    }

    /// The identity in the client's certificate, without `spiffe://`, where a limit asks for it.
    fn peer(&self, host: &dyn Host) -> Option<Vec<u8>> {
        let uri = self.program.asks_for_peer.then(|| host.peer()).flatten()?;
        let identity = uri.strip_prefix(b"spiffe://").unwrap_or(&uri);
        (!identity.is_empty()).then(|| identity.to_vec())
    }

    /// What is kept of a request.
    fn exchange(&self, host: &dyn Host, request: &Request<'_>, signed_in: &[Accepted<'_>]) -> Exchange {
        let tokens = signed_in.iter().map(|accepted| {
            let provider = self.program.jwt.as_ref().and_then(|jwt| jwt.providers.get(accepted.provider));
            let payload = provider.is_some_and(|provider| provider.spec.payload_to_header.is_some());
            let payload = payload.then(|| accepted.presented.token.split(|byte| *byte == b'.').nth(1));
            SignedInWith {
                provider: accepted.provider,
                token: accepted.token.clone(),
                payload: payload.flatten().map(<[u8]>::to_vec),
                place: accepted.presented.place,
            }
        });
        let mut random = [0; 16];
        if self.program.request.wants_random() {
            host.fill(&mut random);
        }
        Exchange {
            edits: if self.program.enforces { Edits::All } else { Edits::None },
            tokens: tokens.collect(),
            client: self.client(host, request, self.program.edits_ask_for_client),
            correlation: self.program.request.correlation(request.headers, random).map(Cow::into_owned),
            limit_fields: Vec::new(),
        }
    }

    /// A request that the policy is not about.
    fn elsewhere(&self) -> Decision {
        let edits = if self.program.enforces { Edits::Identity } else { Edits::None };
        Decision {
            outcome: Outcome::Pass,
            exchange: Exchange { edits, ..Exchange::default() },
            record: Record {
                verdict: Verdict::Allowed,
                reason: "other_host",
                rule: None,
                limit: None,
                subject: None,
            },
        }
    }

    /// A request that has signed in, and whose limits were counted.
    fn end(
        &self,
        host: &dyn Host,
        request: &Request<'_>,
        signed_in: &SignedIn<'_>,
        counted: &Counted,
    ) -> Decision {
        let mut exchange = self.exchange(host, request, &signed_in.tokens);
        exchange.limit_fields = self.limit_fields(counted);
        let shadowed = counted.shadowed.first().copied();
        let mut record = Record {
            verdict: if shadowed.is_some() { Verdict::Shadowed } else { Verdict::Allowed },
            reason: if shadowed.is_some() { "over_limit" } else { "ok" },
            rule: signed_in.rule,
            limit: shadowed,
            subject: signed_in.tokens.first().and_then(|accepted| accepted.token.subject.clone()),
        };
        let Some(refused) = counted.refused_by else {
            return Decision { outcome: Outcome::Pass, exchange, record };
        };
        record.verdict = Verdict::Denied;
        record.reason = refused.reason.word();
        record.limit = Some(refused.limit);
        let name = self.program.limits.get(refused.limit).map_or("", |limit| &limit.spec.name);
        exchange.limit_fields.push(("retry-after", retry_after(refused.wait)));
        self.answer(request, &Refusal::TooMany { limits: &[name] }, exchange, record)
    }

    fn refuse(&self, host: &dyn Host, request: &Request<'_>, refused: NotSignedIn) -> Decision {
        let mut exchange = self.exchange(host, request, &[]);
        let record = Record {
            verdict: Verdict::Denied,
            reason: refused.reason.word(),
            rule: refused.rule,
            limit: None,
            subject: None,
        };
        if refused.reason == Reason::NoKeys {
            exchange.limit_fields.push(("retry-after", "1".to_owned()));
        }
        self.answer(request, &refused.reason.refusal(), exchange, record)
    }

    fn shadowed(&self, host: &dyn Host, request: &Request<'_>, refused: NotSignedIn) -> Decision {
        let record = Record {
            verdict: Verdict::Shadowed,
            reason: refused.reason.word(),
            rule: refused.rule,
            limit: None,
            subject: None,
        };
        Decision { outcome: Outcome::Pass, exchange: self.exchange(host, request, &[]), record }
    }

    /// The proxy failed while limits were counted.
    fn failed(
        &self,
        host: &dyn Host,
        request: &Request<'_>,
        signed_in: SignedIn<'_>,
        _error: HostError,
    ) -> Decision {
        let exchange = self.exchange(host, request, &signed_in.tokens);
        let passes = self.program.fails_open || !self.program.enforces;
        self.end_failed(request, exchange, passes, signed_in.rule)
    }

    /// The proxy failed while a token was checked. Only a policy that says so twice lets the request pass.
    fn failed_sign_in(&self, host: &dyn Host, request: &Request<'_>, _error: HostError) -> Decision {
        let exchange = self.exchange(host, request, &[]);
        let passes = self.program.fails_open || !self.program.enforces;
        self.end_failed(request, exchange, passes, None)
    }

    fn end_failed(
        &self,
        request: &Request<'_>,
        exchange: Exchange,
        passes: bool,
        rule: Option<usize>,
    ) -> Decision {
        let verdict = if passes { Verdict::FailedOpen } else { Verdict::FailedClosed };
        let record = Record { verdict, reason: "host_failure", rule, limit: None, subject: None };
        if passes {
            return Decision { outcome: Outcome::Pass, exchange, record };
        }
        self.answer(request, &Refusal::NotReady, exchange, record)
    }

    /// An answer in the client's form, with what the policy does to any response.
    fn answer(
        &self,
        request: &Request<'_>,
        refusal: &Refusal<'_>,
        exchange: Exchange,
        record: Record,
    ) -> Decision {
        let fields = exchange.limit_fields.iter().map(|(name, value)| {
            (Cow::Borrowed(name.as_bytes()), Cow::<[u8]>::Owned(value.clone().into_bytes()))
        });
        let mut answer = Answer::new(refusal, dialect(request.headers), &self.challenges, fields);
        {
            let find = |provider: &str, path: &[String]| exchange.claim_text(&self.program, provider, path);
            answer.edit(&self.program.response.changes(&exchange.facts(request, &find)));
        }
        Decision { outcome: Outcome::Answer(answer), exchange, record }
    }

    fn limit_fields(&self, counted: &Counted) -> Vec<(&'static str, String)> {
        let program = &self.program;
        let mut fields = Vec::new();
        if program.rate_limit_fields == RateLimitFields::None || counted.standing.is_empty() {
            return fields;
        }
        let limits = counted
            .standing
            .iter()
            .filter_map(|(at, standing)| Some((*at, &program.limits.get(*at)?.quota, *standing)));
        let limits: Vec<_> = limits.collect();
        let standings: Vec<_> = limits.iter().map(|(_, _, standing)| *standing).collect();
        let refusing =
            counted.refused_by.and_then(|refused| limits.iter().position(|(at, ..)| *at == refused.limit));
        if let Some(policy) = rate_limit_policy(limits.iter().map(|(_, quota, _)| *quota)) {
            fields.push(("ratelimit-policy", policy));
        }
        if let Some((_, quota, standing)) =
            refusing.or_else(|| closest(&standings)).and_then(|at| limits.get(at))
        {
            fields.push(("ratelimit", rate_limit(quota, standing)));
            if program.rate_limit_fields == RateLimitFields::WithLegacy {
                fields.extend(legacy(quota, standing));
            }
        }
        fields
    }
}

/// The claim of a provider's accepted token, by the names that lead to it, as text.
fn accepted_claim<'t>(
    program: &Program,
    tokens: &'t [Accepted<'_>],
    provider: &str,
    path: &[String],
) -> Option<Cow<'t, [u8]>> {
    let providers = &program.jwt.as_ref()?.providers;
    let is_its = |accepted: &&Accepted<'_>| {
        providers.get(accepted.provider).is_some_and(|known| known.spec.name == provider)
    };
    let accepted = tokens.iter().find(is_its)?;
    let text = claim(&accepted.token.claims, path).and_then(scalar)?;
    Some(Cow::Borrowed(text.as_bytes()))
}
