//! Whether a request is within its limits.
//!
//! All limits that apply are consulted, and charged only if all admit. Limits that this proxy counts are asked first,
//! which costs little; then those that a service counts, whose tokens can be given back; then the proxy's are charged.

use std::borrow::Cow;
use std::time::Duration;

use super::keyed::{Keyed, key_of};
use crate::WhenUnavailable;
use crate::host::{Host, HostError, Monotonic, SharedData};
use crate::limit::charge::{self, Charge, Effect, LocalLimit, Verdict};
use crate::limit::fields::ServiceLimit;
use crate::limit::key::{Key, Secret};
use crate::limit::lease::{Ask, Leases, Reply, Share, Take, Window};
use crate::limit::rls::{self, Answer, Descriptor, GlobalKey, Unit};
use crate::limit::table::{Table, TableError, TableName, TableUse};
use crate::program::{CountedBy, LimitProgram, Program};
use crate::request::{ClientAddress, Request};
use crate::route::KeyFacts;

/// Where a worker counts one limit.
#[derive(Debug)]
enum Counter {
    /// In this proxy.
    Local(LocalLimit),
    /// By the service; by this proxy while the service is away, where the policy says so.
    Service { leases: Leases, unit: Unit, fallback: Option<LocalLimit> },
}

/// Where a worker counts all limits of a policy.
#[derive(Debug)]
pub(super) struct Counters {
    secret: Secret,
    counters: Vec<Counter>,
}

/// A limit that a request falls under.
#[derive(Clone, Debug)]
pub(super) struct Applied {
    /// Which of the policy's.
    limit: usize,
    key: Key,
    /// Of one that the service counts: what the key is made of.
    parts: Vec<Vec<u8>>,
    /// Of one that the service counts: what it said.
    reply: Option<Reply>,
}

/// Limits that wait for the service.
#[derive(Debug)]
pub struct Asking {
    pub(super) applied: Vec<Applied>,
    pub(super) shadowed: Vec<Refused>,
    /// The client's address, where a limit asked for it.
    pub(super) client: Option<ClientAddress>,
    calls: Vec<Call>,
}

/// What the service said to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The limit that it was asked about, by its place in the policy.
    pub limit: usize,
    /// What it said.
    pub said: Said,
    /// Whether no further call is waited for.
    pub is_last: bool,
}

/// What the service said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It has counted.
    Counted,
    /// It has not, or by another limit: it does not know our domain, or takes no limits from requests.
    NotCounted,
    /// Nothing.
    Nothing,
}

/// A call that the service has not answered yet.
#[derive(Debug)]
struct Call {
    /// Whose, by its place among those that apply.
    applied: usize,
    ask: Ask,
    descriptor: Descriptor,
    answered: bool,
}

/// What all limits say of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// The limit that refuses it, by its place in the policy.
    pub refused_by: Option<Refused>,
    /// Limits in shadow mode that would have refused it.
    pub shadowed: Vec<Refused>,
    /// A limit that counts it elsewhere or not at all, since the service is away.
    pub uncounted: Option<usize>,
    /// The limits that it falls under, and what is left of each.
    pub standing: Vec<(usize, ServiceLimit)>,
}

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The limit, by its place in the policy.
    pub limit: usize,
    /// How long until it is worth asking again.
    pub wait: Duration,
    /// Why.
    pub reason: RefusedFor,
}

/// Why a limit refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedFor {
    /// It is used up.
    Over,
    /// A part of its key is missing.
    MissingKey,
    /// The service did not count.
    ServiceUnavailable,
    /// No place is left for its key, and what those without a place share is used up.
    TableFull,
}

/// What came of the limits, or how far they came.
#[derive(Debug)]
pub(super) enum Stage {
    Counted(Counted),
    Asking(Asking),
}

/// How long a client should wait that was refused for what no time mends.
const NO_USE_TO_WAIT: Duration = Duration::from_secs(1);

impl Counters {
    /// Opens the places where the limits are counted: counts of a limit that did not change are found again.
    pub(super) fn open(
        program: &Program,
        shared: &dyn SharedData,
        random: [u8; 16],
    ) -> Result<Self, TableError> {
        let secret = Secret::establish(shared, random)?;
        let counters = program.limits.iter().map(|limit| {
            let table = |use_| {
                let name = TableName {
                    namespace: &program.policy.namespace,
                    policy: &program.policy.name,
                    limit: &limit.spec.name,
                    use_,
                };
                let interval = limit.gcra.interval().as_nanos().to_le_bytes();
                let burst = limit.gcra.burst().get().to_le_bytes();
                Table::open(shared, name, &[&interval, &burst])
            };
            let local =
                || Ok::<_, TableError>(LocalLimit { gcra: limit.gcra, table: table(TableUse::Counts)? });
            Ok(match limit.counted_by {
                CountedBy::Proxy => Counter::Local(local()?),
                CountedBy::Service(unit) => Counter::Service {
                    leases: Leases {
                        table: table(TableUse::Leases)?,
                        cost: limit.cost,
                        size: limit.lease,
                        period: limit.spec.limit.period.into(),
                    },
                    unit,
                    fallback: match program.when_unavailable() {
                        WhenUnavailable::Local => Some(local()?),
                        WhenUnavailable::Allow | WhenUnavailable::Deny => None,
                    },
                },
            })
        });
        Ok(Self { secret, counters: counters.collect::<Result<_, TableError>>()? })
    }

    /// Consults the limits that the request falls under.
    pub(super) fn begin<'a>(
        &self,
        program: &'a Program,
        facts: &KeyFacts<'a>,
        host: &dyn Host,
        now: Monotonic,
    ) -> Result<Stage, HostError> {
        let mut applied = Vec::new();
        let mut shadowed = Vec::new();
        for (at, limit) in program.limits.iter().enumerate() {
            if !applies(limit, facts.request) {
                continue;
            }
            match key_of(limit, facts) {
                Keyed::By(parts) => {
                    let key = Key::new(&self.secret, parts.iter().map(|part| &**part));
                    let parts = match self.leases(at) {
                        Some(_) => parts.into_iter().map(Cow::into_owned).collect(),
                        None => Vec::new(),
                    };
                    applied.push(Applied { limit: at, key, parts, reply: None });
                }
                Keyed::Not => {}
                Keyed::Refused => {
                    let refused = Refused { limit: at, wait: NO_USE_TO_WAIT, reason: RefusedFor::MissingKey };
                    if !limit.enforces {
                        shadowed.push(refused);
                        continue;
                    }
                    let refused_by = Some(refused);
                    return Ok(Stage::Counted(Counted { refused_by, shadowed, ..Counted::default() }));
                }
            }
        }
        if applied.iter().any(|applied| self.leases(applied.limit).is_some()) {
            let charges = self.charges(program, &applied);
            let peeked = charge::peek(host, host, now, &charges)?;
            if peeked.refused_by.is_some() {
                return Ok(Stage::Counted(self.counted(program, &applied, &peeked, shadowed)));
            }
        }
        let calls = match self.take(program, &mut applied, host, now) {
            Ok(calls) => calls,
            Err(error) => {
                self.give_back(&applied, host);
                return Err(error);
            }
        };
        if calls.is_empty() {
            return self.finish(program, &applied, shadowed, host, now).map(Stage::Counted);
        }
        Ok(Stage::Asking(Asking { applied, shadowed, client: facts.client, calls }))
    }

    /// Takes a share of each limit that the service counts, and says for which it has to be asked.
    fn take(
        &self,
        program: &Program,
        applied: &mut [Applied],
        host: &dyn Host,
        now: Monotonic,
    ) -> Result<Vec<Call>, HostError> {
        let mut calls = Vec::new();
        for (at, applied) in applied.iter_mut().enumerate() {
            let (Some((leases, unit)), Some(limit)) =
                (self.leases(applied.limit), program.limits.get(applied.limit))
            else {
                continue;
            };
            match leases.take(host, now, applied.key, program.service_timeout())? {
                Take::Share(share) => applied.reply = Some(Reply::Share(share)),
                Take::Over(window) => applied.reply = Some(Reply::Over(window)),
                Take::Ask(ask) => {
                    let descriptor = Descriptor {
                        policy: format!("{}/{}", program.policy.namespace, program.policy.name),
                        limit: limit.spec.name.clone(),
                        requests: limit.spec.limit.requests,
                        unit,
                        key: GlobalKey::new(applied.parts.iter().map(Vec::as_slice)),
                    };
                    calls.push(Call { applied: at, ask, descriptor, answered: false });
                }
            }
        }
        Ok(calls)
    }

    /// Takes in what the service answered to the call at `index`; `None`: it did not answer. What it said, if that was
    /// waited for.
    pub(super) fn answered(
        &self,
        asking: &mut Asking,
        index: usize,
        answer: Option<&[u8]>,
        host: &dyn Host,
    ) -> Option<Heard> {
        let call = asking.calls.get_mut(index).filter(|call| !call.answered)?;
        let applied = asking.applied.get_mut(call.applied)?;
        let (leases, _) = self.leases(applied.limit)?;
        call.answered = true;
        let answer = answer.map(|answer| rls::decode(answer, &call.descriptor));
        let said = match answer {
            Some(Ok(Answer::Granted { .. } | Answer::Refused { .. })) => Said::Counted,
            Some(Ok(Answer::NotCounted) | Err(_)) => Said::NotCounted,
            None => Said::Nothing,
        };
        applied.reply = Some(leases.answered(host, host.monotonic(), call.ask, answer.and_then(Result::ok)));
        let limit = applied.limit;
        Some(Heard { limit, said, is_last: asking.calls.iter().all(|call| call.answered) })
    }

    /// Charges what this proxy counts, once the service has said what it counts.
    pub(super) fn finish(
        &self,
        program: &Program,
        applied: &[Applied],
        shadowed: Vec<Refused>,
        host: &dyn Host,
        now: Monotonic,
    ) -> Result<Counted, HostError> {
        let charges = self.charges(program, applied);
        let refused = applied.iter().find_map(|applied| {
            let limit = program.limits.get(applied.limit).filter(|limit| limit.enforces)?;
            // One that has not answered is away.
            self.refused_by_service(program, limit, applied, applied.reply.unwrap_or(Reply::Unavailable))
        });
        let outcome = match refused {
            Some(_) => charge::peek(host, host, now, &charges),
            None => charge::charge(host, host, now, &charges),
        };
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                self.give_back(applied, host);
                return Err(error);
            }
        };
        let mut counted = self.counted(program, applied, &outcome, shadowed);
        if let Some(refused) = refused
            && counted.refused_by.is_none_or(|other| other.wait < refused.wait)
        {
            counted.refused_by = Some(refused);
        }
        if counted.refused_by.is_some() {
            self.give_back(applied, host);
        }
        Ok(counted)
    }

    /// The shares of a request that is not admitted are for others.
    pub(super) fn give_back(&self, applied: &[Applied], host: &dyn Host) {
        for applied in applied {
            if let (Some(Reply::Share(share)), Some((leases, _))) =
                (applied.reply, self.leases(applied.limit))
            {
                leases.give_back(host, host.monotonic(), share);
            }
        }
    }

    /// Whether a limit that the service counts refuses, or would if it did so, where the service has said this.
    fn refused_by_service(
        &self,
        program: &Program,
        limit: &LimitProgram,
        applied: &Applied,
        reply: Reply,
    ) -> Option<Refused> {
        self.leases(applied.limit)?;
        let (wait, reason) = match reply {
            Reply::Over(window) => (window.reset, RefusedFor::Over),
            Reply::Unavailable if program.when_unavailable() == WhenUnavailable::Deny => {
                (NO_USE_TO_WAIT.min(limit.spec.limit.period.into()), RefusedFor::ServiceUnavailable)
            }
            Reply::Unavailable | Reply::Share(_) => return None,
        };
        Some(Refused { limit: applied.limit, wait, reason })
    }

    fn leases(&self, limit: usize) -> Option<(&Leases, Unit)> {
        match self.counters.get(limit)? {
            Counter::Local(_) => None,
            Counter::Service { leases, unit, .. } => Some((leases, *unit)),
        }
    }

    /// What this proxy counts for a limit that applies.
    fn local(&self, applied: &Applied) -> Option<&LocalLimit> {
        match self.counters.get(applied.limit)? {
            Counter::Local(local) => Some(local),
            Counter::Service { fallback, .. } => {
                fallback.as_ref().filter(|_| applied.reply == Some(Reply::Unavailable))
            }
        }
    }

    fn charges<'c>(&'c self, program: &Program, applied: &[Applied]) -> Vec<Charge<'c>> {
        let charges = applied.iter().filter_map(|applied| {
            let limit = program.limits.get(applied.limit)?;
            Some(Charge {
                limit: self.local(applied)?,
                key: applied.key,
                requests: limit.cost.get(),
                effect: if limit.enforces { Effect::Enforce } else { Effect::Shadow },
            })
        });
        charges.collect()
    }

    /// What clients and logs are told.
    fn counted(
        &self,
        program: &Program,
        applied: &[Applied],
        outcome: &charge::Outcome,
        shadowed: Vec<Refused>,
    ) -> Counted {
        let mut counted = Counted { shadowed, ..Counted::default() };
        let mut charged = 0;
        for applied in applied {
            let Some(limit) = program.limits.get(applied.limit) else { continue };
            if let Some(reply) = applied.reply {
                if reply == Reply::Unavailable && program.when_unavailable() != WhenUnavailable::Deny {
                    counted.uncounted = Some(applied.limit);
                }
                let refused = self.refused_by_service(program, limit, applied, reply);
                counted.shadowed.extend(refused.filter(|_| !limit.enforces));
            }
            if let Some(local) = self.local(applied) {
                let Some(finding) = outcome.findings.get(charged) else { continue };
                let reason = match finding.verdict {
                    Verdict::Full => RefusedFor::TableFull,
                    Verdict::Within | Verdict::Over | Verdict::Contended => RefusedFor::Over,
                };
                let refused = Refused { limit: applied.limit, wait: finding.wait, reason };
                if outcome.refused_by == Some(charged) {
                    counted.refused_by = Some(refused);
                } else if finding.verdict != Verdict::Within && !limit.enforces {
                    counted.shadowed.push(refused);
                }
                charged += 1;
                counted.standing.push((applied.limit, ServiceLimit::local(&local.gcra, &finding.standing)));
            } else if let Some(Reply::Share(Share { window, .. }) | Reply::Over(window)) = applied.reply {
                let Window { remaining, reset } = window;
                counted.standing.push((applied.limit, ServiceLimit::fixed(remaining, reset)));
            }
        }
        counted
    }
}

impl Asking {
    /// The messages that are to be sent to the service, one a call.
    pub fn messages(&self) -> impl Iterator<Item = Vec<u8>> {
        self.calls.iter().map(|call| rls::encode(&call.descriptor, call.ask.hits.get()))
    }
}

/// Whether the limit counts the request: one that it may be about counts, and one that is surely exempt does not.
fn applies(limit: &LimitProgram, request: &Request<'_>) -> bool {
    let counts = limit.matches.is_empty() || limit.matches.iter().any(|route| route.fit(request).possible());
    counts && !limit.exempt.iter().any(|route| route.opens(request))
}
