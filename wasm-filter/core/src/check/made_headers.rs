//! Who makes a header of requests: one part of a policy only. Of two the application would get what either says, and could
//! not tell whether it is about who a client is or about anything else.
//!
//! Names are compared as applications may read them ([`alike`](crate::request::alike)).

use sallyport_policy::{Diagnostic, Diagnostics, FieldPath};

use crate::edit::{Value, Variable};
use crate::request::alike;
use crate::token::Place;
use crate::{Jwt, Require, TrafficMode, TrafficPolicySpec};

/// Headers that carry a client's secrets: what is made in them ends up where identifiers do, in logs and in responses.
const SECRETS: [&[u8]; 2] = [b"authorization", b"cookie"];

/// A header that a part of the policy makes.
struct Made<'s> {
    name: &'s str,
    by: By,
    at: FieldPath,
}

/// What a header is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// The token of a provider, by its place in the policy.
    Token(usize),
    /// What `headers.request.set` says, a claim among it or none.
    Set { claim: bool },
    /// The correlation identifier.
    Correlation,
}

impl By {
    /// Whether it says who a client is.
    fn is_identity(self) -> bool {
        matches!(self, Self::Token(_) | Self::Set { claim: true })
    }
}

pub(super) fn check(spec: &TrafficPolicySpec, at: &FieldPath, findings: &mut Diagnostics) {
    let made = made(spec, at);
    for (i, header) in made.iter().enumerate() {
        let collides = |other: &&Made<'_>| {
            alike(other.name.as_bytes(), header.name.as_bytes())
                && collide(other.by, header.by, spec.jwt.as_ref())
        };
        let Some(other) = made.iter().take(i).find(collides) else { continue };
        let help = match (other.by, header.by) {
            (By::Token(one), By::Token(two)) if one != two => {
                "a rule asks for tokens of both providers, and the application would get what one of them says"
            }
            (one, two) if one.is_identity() || two.is_identity() => {
                "the application would take one for the other, and so could be told who a client is by somebody else"
            }
            _ => "name another header",
        };
        error(findings, header, &format!("is made by {} already", other.at), help);
    }
    check_mode(&made, spec, at, findings);
    check_places(&made, spec, findings);
    check_removed(&made, spec, at, findings);
}

fn error(findings: &mut Diagnostics, header: &Made<'_>, what: &str, help: &str) {
    let message = format!("{:?} {what}", header.name);
    findings.push(Diagnostic::error(header.at.clone(), message).with_help(help));
}

/// All headers that are made, in the order of the policy; the correlation identifier comes last.
fn made<'s>(spec: &'s TrafficPolicySpec, at: &FieldPath) -> Vec<Made<'s>> {
    let mut made = Vec::new();
    let providers = at.field("jwt").field("providers");
    for (i, provider) in spec.jwt.iter().flat_map(|jwt| &jwt.providers).enumerate() {
        let at = providers.named(&provider.name);
        for (claim, to) in provider.claims_to_headers.iter().enumerate() {
            let at = at.field("claimsToHeaders").index(claim).field("header");
            made.push(Made { name: &to.header, by: By::Token(i), at });
        }
        if let Some(header) = &provider.payload_to_header {
            made.push(Made { name: header, by: By::Token(i), at: at.field("payloadToHeader") });
        }
    }
    let Some(headers) = &spec.headers else { return made };
    let at = at.field("headers");
    for set in headers.request.iter().flat_map(|request| &request.set) {
        let claim = Value::parse(&set.value)
            .is_ok_and(|value| value.variables().any(|part| matches!(part, Variable::Claim { .. })));
        let at = at.field("request").field("set").named(&set.name);
        made.push(Made { name: &set.name, by: By::Set { claim }, at });
    }
    if let Some(correlation) = &headers.correlation {
        let at = at.field("correlation").field("header");
        made.push(Made { name: &correlation.header, by: By::Correlation, at });
    }
    made
}

/// Whether two makers of one header may both have something to say of a request. Of two providers of which a rule asks for
/// either token, one has signed the client in.
fn collide(one: By, two: By, jwt: Option<&Jwt>) -> bool {
    let (By::Token(one), By::Token(two)) = (one, two) else { return true };
    let named = |i: usize| jwt.and_then(|jwt| jwt.providers.get(i)).map(|provider| &provider.name);
    let (Some(first), Some(second)) = (named(one), named(two)) else { return true };
    one == two
        || jwt.iter().flat_map(|jwt| &jwt.rules).any(|rule| match &rule.require {
            Require::AllOf(all) => all.contains(first) && all.contains(second),
            Require::None | Require::AnyOf(_) | Require::Optional(_) => false,
        })
}

/// In shadow mode nothing is taken away, and an application that believes its gate believes the client.
fn check_mode(made: &[Made<'_>], spec: &TrafficPolicySpec, at: &FieldPath, findings: &mut Diagnostics) {
    let header = made.iter().find(|header| header.by.is_identity());
    if let Some(header) = header.filter(|_| spec.mode == TrafficMode::Shadow) {
        findings.push(
            Diagnostic::warning(
                at.field("mode"),
                format!("in Shadow {:?} is not made, and what clients send there stays", header.name),
            )
            .with_help(
                "an application that believes it must not be reached by clients until the mode is Enforce",
            ),
        );
    }
}

/// Where clients send their tokens, nothing else may come from a token or a client.
fn check_places(made: &[Made<'_>], spec: &TrafficPolicySpec, findings: &mut Diagnostics) {
    let providers = spec.jwt.iter().flat_map(|jwt| &jwt.providers);
    let places: Vec<Place> = providers.flat_map(Place::of).collect();
    for header in made {
        let name = header.name.as_bytes();
        let holds_tokens = places.iter().any(|place| match place {
            Place::Header { name: place, .. } => alike(place, name),
            Place::Cookie(_) => alike(b"cookie", name),
            Place::QueryParameter(_) => false,
        });
        let holds_secrets = SECRETS.iter().any(|secret| alike(secret, name));
        match header.by {
            By::Correlation if holds_tokens || holds_secrets => error(
                findings,
                header,
                "carries what clients sign in with",
                "the identifier goes into logs and to every service: name another header",
            ),
            By::Token(_) if holds_tokens => error(
                findings,
                header,
                "is where tokens are taken from",
                "the application would take what is made of a token for a token: name another header",
            ),
            _ => {}
        }
    }
}

/// Names are removed before anything is set.
fn check_removed(made: &[Made<'_>], spec: &TrafficPolicySpec, at: &FieldPath, findings: &mut Diagnostics) {
    let headers = spec.headers.as_ref().and_then(|headers| headers.request.as_ref());
    let at = at.field("headers").field("request").field("remove");
    for (i, removed) in headers.iter().flat_map(|request| &request.remove).enumerate() {
        let same = |header: &&Made<'_>| header.name.eq_ignore_ascii_case(removed);
        let is_own = |header: &&Made<'_>| header.by.is_identity() || header.by == By::Correlation;
        if let Some(header) = made.iter().filter(is_own).find(same) {
            findings.push(
                Diagnostic::warning(
                    at.index(i),
                    format!("the application gets {removed:?} all the same: {} makes it", header.at),
                )
                .with_help("what clients send there is taken away in any case"),
            );
        }
    }
}
