//! One worker of a proxy: decides about requests, and keeps what decisions stand on.

use std::borrow::Cow;
use std::time::Duration;

use thiserror::Error;

use super::authenticate::{Accepted, SignIn, SignedIn, authenticate};
use super::conclude::Judgement;
use super::keys::{Ended, KeyState, Keys, NoEnvironmentKeys};
use super::limits::{Asking, Counters, Heard, Stage};
use super::token::{Cache, Checker};
use super::{Decision, Exchange, Record, Signatures, Step, Wait};
use crate::answer::Challenge;
use crate::host::{Host, HostError, Monotonic};
use crate::keys::Fetched;
use crate::limit::table::TableError;
use crate::program::{KeySource, Program, RemoteSource};
use crate::request::{ClientAddress, Request, source_address};
use crate::route::KeyFacts;
use crate::token::{Place, claim, scalar};

/// What one worker of a proxy keeps.
#[derive(Debug)]
pub struct Worker {
    pub(super) program: Program,
    keys: Vec<Keys>,
    verified: Cache,
    signatures: Signatures,
    counters: Counters,
    pub(super) challenges: Vec<Challenge>,
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

/// What a look at the keys found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    /// Whether any fetch has ended since the last, so that waiting requests are to be decided anew.
    pub ended: bool,
    /// The fetches to make.
    pub due: Vec<Due>,
    /// How the proxy failed, if it did.
    pub failed: Option<HostError>,
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
        self.settle(host, request, true)
    }

    /// Decides about a request that waits for keys no longer.
    pub fn without_keys(&mut self, host: &dyn Host, request: &Request<'_>) -> Step {
        self.settle(host, request, false)
    }

    fn settle(&mut self, host: &dyn Host, request: &Request<'_>, may_wait: bool) -> Step {
        if !self.is_about(request) {
            return Step::Done(self.elsewhere());
        }
        let now = host.monotonic();
        let mut client = None;
        let judgement = match self.sign_in(host, request, now) {
            SignIn::Passes(signed_in) => {
                let Program { limits_ask_for_client, edits_ask_for_client, .. } = self.program;
                client = self.client(host, request, limits_ask_for_client || edits_ask_for_client);
                let peer = self.peer(host);
                let claim = |provider: &str, path: &[String]| {
                    accepted_claim(&self.program, &signed_in.tokens, provider, path)
                };
                let facts = KeyFacts { request, client, peer: peer.as_deref(), claim: &claim };
                match self.counters.begin(&self.program, &facts, host, now) {
                    Ok(Stage::Counted(counted)) => Judgement::Counted(signed_in, counted),
                    Ok(Stage::Asking(asking)) => return Step::Wait(Wait::Service(asking)),
                    Err(error) => Judgement::Failed(signed_in, error),
                }
            }
            // A policy in shadow mode holds nobody up for keys.
            SignIn::KeysComing(_) if may_wait && self.program.enforces => return Step::Wait(Wait::Keys),
            // What limits would say of a request that would not come so far is not asked.
            SignIn::KeysComing(refused) | SignIn::Refused(refused) => Judgement::NotSignedIn(refused),
            SignIn::Failed(error) => Judgement::Failed(SignedIn::default(), error),
        };
        Step::Done(self.conclude(host, request, client, judgement))
    }

    /// Takes in what the rate limit service answered to a call (`None`: nothing), by the call's place among those that
    /// were asked for: what it said, if that was waited for.
    pub fn answered(
        &self,
        host: &dyn Host,
        asking: &mut Asking,
        call: usize,
        answer: Option<&[u8]>,
    ) -> Option<Heard> {
        self.counters.answered(asking, call, answer, host)
    }

    /// Decides about a request whose limits the service has spoken of.
    pub fn resume(&mut self, host: &dyn Host, request: &Request<'_>, asking: Asking) -> Decision {
        let Asking { applied, shadowed, client, .. } = asking;
        let now = host.monotonic();
        let judgement = match self.sign_in(host, request, now) {
            SignIn::Passes(signed_in) => {
                match self.counters.finish(&self.program, &applied, shadowed, host, now) {
                    Ok(counted) => Judgement::Counted(signed_in, counted),
                    Err(error) => Judgement::Failed(signed_in, error),
                }
            }
            // The token has ended meanwhile, or its keys were taken back.
            SignIn::KeysComing(refused) | SignIn::Refused(refused) => {
                self.counters.give_back(&applied, host);
                Judgement::NotSignedIn(refused)
            }
            SignIn::Failed(error) => {
                self.counters.give_back(&applied, host);
                Judgement::Failed(SignedIn::default(), error)
            }
        };
        self.conclude(host, request, client, judgement)
    }

    /// Decides about a request that can't be read, or not be changed as it has to be.
    #[must_use]
    pub fn give_up(&self, host: &dyn Host, request: &Request<'_>) -> Decision {
        self.conclude(host, request, None, Judgement::GivenUp)
    }

    /// Looks what other workers have fetched, and takes on what is due. Where the proxy fails of one provider, the others'
    /// keys are looked after all the same.
    pub fn tick(&mut self, host: &dyn Host) -> Tick {
        let mut tick = Tick::default();
        let providers = self.program.jwt.iter().flat_map(|jwt| &jwt.providers);
        for (at, (provider, keys)) in providers.zip(&mut self.keys).enumerate() {
            let (Keys::Remote(remote), KeySource::Remote(source)) = (keys, &provider.keys) else { continue };
            match remote.look(host) {
                Ok(ended) => tick.ended |= ended,
                Err(error) => tick.failed = Some(error),
            }
            match remote.take_on(host, host.monotonic()) {
                Ok(true) => tick.due.push(Due { provider: at, source: source.clone() }),
                Ok(false) => {}
                Err(error) => tick.failed = Some(error),
            }
        }
        tick
    }

    /// A fetch that this worker took on has ended: what became of it.
    ///
    /// # Errors
    /// The proxy failed.
    pub fn fetched(
        &mut self,
        host: &dyn Host,
        provider: usize,
        answer: Option<Fetched<'_>>,
    ) -> Result<Option<Ended>, HostError> {
        let known = self.program.jwt.as_ref().and_then(|jwt| jwt.providers.get(provider));
        let (Some(known), Some(Keys::Remote(remote))) = (known, self.keys.get_mut(provider)) else {
            return Ok(None);
        };
        let KeySource::Remote(source) = &known.keys else { return Ok(None) };
        let mut jitter = [0; 4];
        host.fill(&mut jitter);
        let now = host.monotonic();
        let (fetch, schedule) = remote.fetched(host, answer, now, u32::from_le_bytes(jitter))?;
        Ok(Some(Ended::of(&known.spec.name, source, fetch, schedule, now)))
    }

    /// Whether keys are fetched, so that ticks are needed.
    #[must_use]
    pub fn fetches_keys(&self) -> bool {
        self.keys.iter().any(|keys| matches!(keys, Keys::Remote(_)))
    }

    /// A decision as access logs have it: `verdict=denied reason=over_limit limit=per-user policy=shop/api`.
    #[must_use]
    pub fn tell(&self, record: &Record, exchange: &Exchange) -> String {
        record.tell(&self.program, exchange.client)
    }

    /// How the keys of each provider stand that are fetched.
    pub fn key_states(&self, host: &dyn Host) -> impl Iterator<Item = KeyState<'_>> {
        let now = host.monotonic();
        let providers = self.program.jwt.iter().flat_map(|jwt| &jwt.providers);
        providers.zip(&self.keys).filter_map(move |(provider, keys)| keys.state(&provider.spec.name, now))
    }

    /// How long until keys of a provider are fetched again.
    pub(super) fn next_fetch(&self, provider: Option<usize>, host: &dyn Host) -> Duration {
        let keys = provider.and_then(|provider| self.keys.get(provider));
        keys.map_or(Duration::ZERO, |keys| keys.next_fetch(host.monotonic()))
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
    pub(super) fn client(
        &self,
        host: &dyn Host,
        request: &Request<'_>,
        is_asked_for: bool,
    ) -> Option<ClientAddress> {
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
