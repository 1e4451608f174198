//! The one end of every decision: what comes of what was found, by the policy's mode and failure mode.

use std::borrow::Cow;

use super::authenticate::{NotSignedIn, Reason, SignedIn};
use super::exchange::{Edits, SignedInWith};
use super::limits::Counted;
use super::{Accepted, Decision, Exchange, Outcome, Record, RefusedFor, Verdict, Worker};
use crate::RateLimitFields;
use crate::answer::{Answer, Refusal};
use crate::host::{Host, HostError};
use crate::limit::fields::{closest, legacy, rate_limit, rate_limit_policy, retry_after};
use crate::request::{ClientAddress, Request, dialect};

/// What was found of a request.
#[derive(Debug)]
pub(super) enum Judgement<'r> {
    /// It has signed in, and limits were asked.
    Counted(SignedIn<'r>, Counted),
    /// It has not signed in.
    NotSignedIn(NotSignedIn),
    /// The proxy failed while it was looked at.
    Failed(SignedIn<'r>, HostError),
    /// It can't be read, or not be changed as it has to be: whatever the policy says of failures, it does not pass.
    GivenUp,
}

impl Worker {
    /// What comes of what was found. `client` is its address, if that is known already.
    pub(super) fn conclude(
        &self,
        host: &dyn Host,
        request: &Request<'_>,
        client: Option<ClientAddress>,
        judgement: Judgement<'_>,
    ) -> Decision {
        let program = &self.program;
        let mut record = Record::allowed("ok");
        let mut tokens = Vec::new();
        let mut limit_fields = Vec::new();
        let limits;
        let refusal = match judgement {
            Judgement::Counted(signed_in, counted) => {
                record.rule = signed_in.rule;
                record.subject = signed_in.tokens.first().and_then(|accepted| accepted.token.subject.clone());
                limit_fields = self.limit_fields(&counted);
                tokens = signed_in.tokens;
                let mut shadowed = counted.shadowed.into_iter();
                let refusal = if let Some(refused) = counted.refused_by {
                    record.refused(Verdict::Denied, refused);
                    limit_fields.push(("retry-after", retry_after(refused.wait)));
                    limits = [program.limits.get(refused.limit).map_or("", |limit| &limit.spec.name)];
                    Some(refused.reason.refusal(&limits))
                } else if let Some(first) = shadowed.next() {
                    record.refused(Verdict::Shadowed, first);
                    None
                } else {
                    if let Some(limit) = counted.uncounted {
                        record.uncounted(RefusedFor::ServiceUnavailable, limit);
                    }
                    None
                };
                record.shadowed = shadowed.collect();
                refusal
            }
            Judgement::NotSignedIn(refused) => {
                record.not_signed_in(refused);
                if refused.reason == Reason::NoKeys {
                    let next = self.next_fetch(refused.provider, host);
                    limit_fields.push(("retry-after", retry_after(next)));
                }
                Some(refused.reason.refusal())
            }
            Judgement::Failed(signed_in, error) => {
                record.rule = signed_in.rule;
                record.reason = "host_failure";
                record.error = Some(error);
                record.verdict = if program.fails_open { Verdict::FailedOpen } else { Verdict::FailedClosed };
                tokens = signed_in.tokens;
                (!program.fails_open).then_some(Refusal::Failed)
            }
            Judgement::GivenUp => {
                record.reason = "host_failure";
                record.verdict = Verdict::FailedClosed;
                Some(Refusal::Failed)
            }
        };
        if refusal.is_some() && !program.enforces {
            record.verdict = Verdict::Shadowed;
        }
        let ask = || self.client(host, request, program.edits_ask_for_client);
        let client = client.or_else(ask);
        let exchange = Exchange { client, limit_fields, ..self.exchange(host, request, &tokens) };
        match refusal.filter(|_| program.enforces) {
            None => Decision { outcome: Outcome::Pass, exchange, record },
            Some(refusal) => {
                let answer = self.answer(request, &refusal, &exchange);
                Decision { outcome: Outcome::Answer(answer), exchange, record }
            }
        }
    }

    /// A request that the policy is not about.
    pub(super) fn elsewhere(&self) -> Decision {
        let edits = if self.program.enforces { Edits::Identity } else { Edits::None };
        Decision {
            outcome: Outcome::Pass,
            exchange: Exchange { edits, ..Exchange::default() },
            record: Record::allowed("other_host"),
        }
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
            client: None,
            correlation: self.program.request.correlation(request.headers, random).map(Cow::into_owned),
            limit_fields: Vec::new(),
        }
    }

    /// An answer in the client's form, with what the policy does to any response.
    fn answer(&self, request: &Request<'_>, refusal: &Refusal<'_>, exchange: &Exchange) -> Answer<'static> {
        let fields = exchange.limit_fields.iter().map(|(name, value)| {
            (Cow::Borrowed(name.as_bytes()), Cow::<[u8]>::Owned(value.clone().into_bytes()))
        });
        let mut answer = Answer::new(refusal, dialect(request.headers), &self.challenges, fields);
        let find = |provider: &str, path: &[String]| exchange.claim_text(&self.program, provider, path);
        answer.edit(&self.program.response.changes(&exchange.facts(request, &find)));
        answer
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
        if let Some(policy) = rate_limit_policy(limits.iter().map(|(_, quota, _)| *quota)) {
            fields.push(("ratelimit-policy", policy));
        }
        let tells = match counted.refused_by {
            // One that refuses without having counted has nothing left to tell, and no other refuses.
            Some(refused) => limits.iter().position(|(at, ..)| *at == refused.limit),
            None => closest(&limits.iter().map(|(_, _, standing)| *standing).collect::<Vec<_>>()),
        };
        if let Some((_, quota, standing)) = tells.and_then(|at| limits.get(at)) {
            fields.push(("ratelimit", rate_limit(quota, standing)));
            if program.rate_limit_fields == RateLimitFields::WithLegacy {
                fields.extend(legacy(quota, standing));
            }
        }
        fields
    }
}
