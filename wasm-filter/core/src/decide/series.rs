//! What decisions are counted under.

use super::{Record, RefusedFor, Verdict};
use crate::program::{CountedBy, Needs, PolicyName, Program};

/// What a decision is counted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Series {
    /// The part of the policy that decided.
    pub part: Part,
    /// What was decided.
    pub verdict: Verdict,
    /// Why.
    pub reason: &'static str,
}

/// A part of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// None of those that have names.
    Whole,
    /// A rule of `jwt.rules`, by its place.
    Rule(usize),
    /// A limit, by its place.
    Limit(usize),
}

/// Why a rule that asks for a token refuses, as a rule.
const USUAL: [&str; 6] = ["no_token", "malformed_token", "expired", "signature", "unknown_key", "no_keys"];

impl Series {
    /// That of a decision.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let part = match (record.limit, record.rule) {
            (Some(limit), _) => Part::Limit(limit),
            (None, Some(rule)) => Part::Rule(rule),
            (None, None) => Part::Whole,
        };
        Self { part, verdict: record.verdict, reason: record.reason }
    }

    /// Those that a policy is sure to have or is watched for, so that they stand at zero before they first count: of a
    /// number that begins with one, nobody sees the first.
    #[must_use]
    pub fn usual(program: &Program) -> Vec<Self> {
        let verdict = |enforces| if enforces { Verdict::Denied } else { Verdict::Shadowed };
        let mut usual = Vec::new();
        let mut add = |part, verdict, reason| usual.push(Self { part, verdict, reason });
        match &program.jwt {
            None => add(Part::Whole, Verdict::Allowed, "ok"),
            Some(jwt) => {
                let denied = verdict(program.enforces);
                add(Part::Whole, denied, "no_rule");
                for (at, requirement) in jwt.requirements.iter().enumerate() {
                    let part = Part::Rule(at);
                    add(part, Verdict::Allowed, "ok");
                    if requirement.needs != Needs::Nothing {
                        USUAL.iter().for_each(|reason| add(part, denied, reason));
                    }
                    if !requirement.claims.is_empty() {
                        add(part, denied, "claims");
                    }
                }
            }
        }
        for (at, limit) in program.limits.iter().enumerate() {
            let (part, denied) = (Part::Limit(at), verdict(limit.enforces));
            add(part, denied, RefusedFor::Over.word());
            if limit.counted_by != CountedBy::Proxy {
                let reason = RefusedFor::ServiceUnavailable;
                let is_refused = program.when_unavailable() == crate::WhenUnavailable::Deny;
                add(part, if is_refused { denied } else { Verdict::Allowed }, reason.word());
            }
        }
        usual
    }

    /// The name of its counter, with labels as Envoy is told to take them out.
    #[must_use]
    pub fn name(&self, program: &Program) -> String {
        let part = match self.part {
            Part::Whole => None,
            Part::Rule(at) => {
                let jwt = program.jwt.as_ref();
                jwt.and_then(|jwt| jwt.requirements.get(at)).map(|rule| ("rule", rule.name.as_str()))
            }
            Part::Limit(at) => program.limits.get(at).map(|limit| ("limit", limit.spec.name.as_str())),
        };
        let labels = [("verdict", self.verdict.word()), ("reason", self.reason), part.unwrap_or_default()];
        metric("sallyport_requests", program, &labels)
    }
}

/// The name of a metric of a policy with labels, as Envoy is told to take them out; one without a name is none.
#[must_use]
pub fn metric(name: &str, program: &Program, labels: &[(&str, &str)]) -> String {
    let PolicyName { namespace, name: policy } = &program.policy;
    let mut text = [name, ";policy=", namespace, "/", policy].concat();
    for (label, value) in labels.iter().filter(|(label, _)| !label.is_empty()) {
        for part in [";", label, "=", value] {
            text.push_str(part);
        }
    }
    text
}

impl Part {
    /// A number for it, the policy's parts in order: as few as there can be.
    #[must_use]
    pub fn index(self, program: &Program) -> usize {
        let rules = program.jwt.as_ref().map_or(0, |jwt| jwt.requirements.len());
        match self {
            Self::Whole => 0,
            Self::Rule(at) => 1 + at,
            Self::Limit(at) => 1 + rules + at,
        }
    }
}
