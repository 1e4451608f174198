//! Who signs in, and whether that is enough.

use std::rc::Rc;

use super::token::{NotAccepted, Token, TokenError};
use crate::host::HostError;
use crate::program::{JwtProgram, Needs, Requirement};
use crate::request::{Request, Sole};
use crate::route::{Governs, governing};
use crate::token::{Presented, find, holds};

/// A token that was accepted.
#[derive(Clone, Debug)]
pub struct Accepted<'r> {
    /// The provider, by its place in the policy.
    pub provider: usize,
    /// What it says.
    pub token: Rc<Token>,
    /// The token as the request carries it.
    pub presented: Presented<'r>,
}

/// A request that passes.
#[derive(Clone, Debug, Default)]
pub struct SignedIn<'r> {
    /// The rule that let it pass; the strictest, where several had to. By its place in the policy.
    pub rule: Option<usize>,
    /// The tokens that were accepted, one a provider.
    pub tokens: Vec<Accepted<'r>>,
}

/// A request that does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotSignedIn {
    /// The rule that it does not satisfy, by its place in the policy; `None`: no rule is about it.
    pub rule: Option<usize>,
    /// The provider whose token it is about, by its place in the policy, if there is a token.
    pub provider: Option<usize>,
    /// Why.
    pub reason: Reason,
}

/// Why a request is not let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It has no token.
    NoToken,
    /// It has several tokens at one place.
    SeveralTokens,
    /// Its token is refused.
    Token(TokenError),
    /// Its token does not say what the rule asks for.
    Claims,
    /// The keys could not be fetched.
    NoKeys,
    /// No rule lets it pass, whoever asks.
    NoRule {
        /// Whether it has a token that a provider accepts.
        is_signed_in: bool,
    },
}

/// What came of signing in.
#[derive(Clone, Debug)]
pub enum SignIn<'r> {
    /// The request passes.
    Passes(SignedIn<'r>),
    /// It does not.
    Refused(NotSignedIn),
    /// Keys are on their way that decide: what holds without them.
    KeysComing(NotSignedIn),
    /// The proxy failed.
    Failed(HostError),
}

/// Asks one provider about one token.
pub(super) type Ask<'a> = dyn FnMut(usize, &[u8]) -> Result<Rc<Token>, NotAccepted> + 'a;

/// Whether the request satisfies the rules that are about it.
pub(super) fn authenticate<'r>(jwt: &JwtProgram, request: &Request<'r>, ask: &mut Ask<'_>) -> SignIn<'r> {
    let mut signed_in = SignedIn::default();
    for governs in governing(&jwt.rules, request) {
        let Governs::Rule(rule) = governs else {
            let is_signed_in = (0..jwt.providers.len()).any(|at| look(at, jwt, request, ask).is_ok());
            let reason = Reason::NoRule { is_signed_in };
            return SignIn::Refused(NotSignedIn { rule: None, provider: None, reason });
        };
        let Some(requirement) = jwt.requirements.get(rule) else { continue };
        let end = match satisfy(requirement, jwt, request, ask) {
            Ok(tokens) => {
                signed_in.rule = Some(rule);
                for accepted in tokens {
                    if signed_in.tokens.iter().all(|other| other.provider != accepted.provider) {
                        signed_in.tokens.push(accepted);
                    }
                }
                continue;
            }
            Err(end) => end,
        };
        let Shortfall { provider, why } = end;
        let not = |reason| NotSignedIn { rule: Some(rule), provider, reason };
        return match why {
            Why::Reason(reason) => SignIn::Refused(not(reason)),
            Why::KeysComing => SignIn::KeysComing(not(Reason::NoKeys)),
            Why::Host(error) => SignIn::Failed(error),
        };
    }
    SignIn::Passes(signed_in)
}

/// Why a requirement is not satisfied, and whose token it is that falls short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shortfall {
    provider: Option<usize>,
    why: Why,
}

impl Shortfall {
    const NO_TOKEN: Self = Self { provider: None, why: Why::Reason(Reason::NoToken) };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Reason(Reason),
    KeysComing,
    Host(HostError),
}

impl From<NotAccepted> for Why {
    fn from(not: NotAccepted) -> Self {
        match not {
            NotAccepted::Refused(error) => Self::Reason(Reason::Token(error)),
            NotAccepted::KeysComing => Self::KeysComing,
            NotAccepted::NoKeys => Self::Reason(Reason::NoKeys),
            NotAccepted::Host(error) => Self::Host(error),
        }
    }
}

impl Why {
    /// Of what several providers say, what decides: keys that are coming may yet let the request pass; else what is
    /// worth most to the client.
    fn weight(self) -> u8 {
        match self {
            Self::Reason(Reason::NoToken) => 0,
            // Each of several providers is asked about a token that one of them has issued.
            Self::Reason(Reason::Token(
                TokenError::Claim(crate::token::ClaimError::Issuer)
                | TokenError::Algorithm
                | TokenError::Type,
            )) => 1,
            Self::Reason(Reason::Token(_)) => 2,
            Self::Reason(Reason::SeveralTokens | Reason::Claims | Reason::NoRule { .. }) => 3,
            Self::Reason(Reason::NoKeys) => 4,
            Self::Host(_) => 5,
            Self::KeysComing => 6,
        }
    }
}

fn satisfy<'r>(
    requirement: &Requirement,
    jwt: &JwtProgram,
    request: &Request<'r>,
    ask: &mut Ask<'_>,
) -> Result<Vec<Accepted<'r>>, Shortfall> {
    let mut accepted = Vec::new();
    let mut worst = Shortfall::NO_TOKEN;
    for &provider in &requirement.providers {
        match look(provider, jwt, request, ask).and_then(|found| judge(requirement, found)) {
            Ok(found) => {
                accepted.push(found);
                if requirement.needs != Needs::All {
                    return Ok(accepted);
                }
            }
            Err(shortfall) => {
                if requirement.needs == Needs::All {
                    return Err(shortfall);
                }
                if shortfall.why.weight() > worst.why.weight() {
                    worst = shortfall;
                }
            }
        }
    }
    match requirement.needs {
        Needs::Nothing | Needs::All => Ok(accepted),
        Needs::AnyIfPresent if worst == Shortfall::NO_TOKEN => Ok(accepted),
        Needs::Any | Needs::AnyIfPresent => Err(worst),
    }
}

/// The token that the request carries for a provider, if the provider accepts it.
fn look<'r>(
    provider: usize,
    jwt: &JwtProgram,
    request: &Request<'r>,
    ask: &mut Ask<'_>,
) -> Result<Accepted<'r>, Shortfall> {
    let none = Shortfall::NO_TOKEN;
    let of_it = |why| Shortfall { provider: Some(provider), why };
    let places = jwt.providers.get(provider).map(|provider| provider.places.as_slice()).ok_or(none)?;
    match find(places, request) {
        Sole::Missing => Err(none),
        Sole::Malformed => Err(of_it(Why::Reason(Reason::SeveralTokens))),
        Sole::One(presented) => {
            let token = ask(provider, &presented.token).map_err(|not| of_it(not.into()))?;
            Ok(Accepted { provider, token, presented })
        }
    }
}

/// Whether an accepted token says what is asked of it.
fn judge<'r>(requirement: &Requirement, accepted: Accepted<'r>) -> Result<Accepted<'r>, Shortfall> {
    let mut asked = requirement
        .claims
        .iter()
        .filter(|(provider, _)| provider.is_none_or(|provider| provider == accepted.provider));
    if asked.all(|(_, rule)| holds(rule, &accepted.token.claims)) {
        Ok(accepted)
    } else {
        Err(Shortfall { provider: Some(accepted.provider), why: Why::Reason(Reason::Claims) })
    }
}
