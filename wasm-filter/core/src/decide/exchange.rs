//! What is kept of a request until its response.

use std::borrow::Cow;
use std::rc::Rc;

use super::taken::Taken;
use super::token::Token;
use crate::edit::{Facts, Header, Operation, apply};
use crate::limit::fields::is_list;
use crate::program::Program;
use crate::request::{ClientAddress, HeaderList, Request};
use crate::token::{claim, header_value, scalar};

/// What is kept of a request until its response.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    pub(super) edits: Edits,
    pub(super) tokens: Vec<SignedInWith>,
    pub(super) client: Option<ClientAddress>,
    pub(super) correlation: Option<Vec<u8>>,
    /// Fields that tell of limits, and when it is worth asking again.
    pub(super) limit_fields: Vec<(&'static str, String)>,
}

/// What is done to a request's headers, and to its response's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Edits {
    /// Nothing: the policy does not act.
    #[default]
    None,
    /// The policy is not about it, but nobody else may say either who a client is.
    Identity,
    /// What the policy says.
    All,
}

/// A token that let a request pass.
#[derive(Clone, Debug)]
pub(super) struct SignedInWith {
    pub(super) provider: usize,
    pub(super) token: Rc<Token>,
    /// Its payload as it stands in the token.
    pub(super) payload: Option<Vec<u8>>,
    /// Where it was, by its provider's places.
    pub(super) place: usize,
}

impl Exchange {
    /// What is done to the request's headers: `each` is told one operation after the other.
    pub fn edit_request(
        &self,
        program: &Program,
        request: &Request<'_>,
        mut each: impl FnMut(&Operation<'_>),
    ) {
        match self.edits {
            Edits::None => return,
            Edits::Identity => return program.request.elsewhere(request.headers).iter().for_each(each),
            Edits::All => {}
        }
        let mut claims = Vec::new();
        for with in &self.tokens {
            let Some(provider) = program.jwt.as_ref().and_then(|jwt| jwt.providers.get(with.provider)) else {
                continue;
            };
            for to_header in &provider.spec.claims_to_headers {
                let value = claim(&with.token.claims, &to_header.claim)
                    .and_then(|claim| header_value(claim, to_header.encoding));
                if let Some(value) = value {
                    claims.push((to_header.header.as_str(), Cow::Owned(value.into_bytes())));
                }
            }
            if let (Some(header), Some(payload)) = (&provider.spec.payload_to_header, &with.payload) {
                claims.push((header.as_str(), Cow::Borrowed(payload.as_slice())));
            }
        }
        let gone = program.jwt.as_ref().map(|jwt| Taken::of(jwt, request, &self.tokens).gone(request));
        let find = |provider: &str, path: &[String]| self.claim_text(program, provider, path);
        let changes = program.request.changes(&claims, &self.facts(request, &find), gone.unwrap_or_default());
        for operation in changes.operations(request.headers) {
            each(&operation);
        }
    }

    /// The correlation identifier that the policy gave the request.
    #[must_use]
    pub fn correlation(&self) -> Option<&[u8]> {
        self.correlation.as_deref().filter(|_| self.edits == Edits::All)
    }

    /// What is done to the headers of a request that is refused, which only access logs will read.
    #[must_use]
    pub fn edit_refused<'e>(&'e self, program: &'e Program) -> Option<Operation<'e>> {
        program.request.refused(self.correlation.as_deref()).filter(|_| self.edits == Edits::All)
    }

    /// What is done to the request's trailers.
    pub fn edit_trailers(
        &self,
        program: &Program,
        trailers: &HeaderList<'_>,
        each: impl FnMut(&Operation<'_>),
    ) {
        match self.edits {
            Edits::None => {}
            Edits::Identity => program.request.elsewhere(trailers).iter().for_each(each),
            Edits::All => program.request.trailers(trailers).iter().for_each(each),
        }
    }

    /// Whether anything is done to the response's headers, so that they have to be read.
    #[must_use]
    pub fn edits_response(&self, program: &Program) -> bool {
        self.edits == Edits::All && (!self.limit_fields.is_empty() || !program.response.is_empty())
    }

    /// What is done to the response's headers. `request` gives those of the request as it came, if a value asks for them.
    pub fn edit_response<'r>(
        &self,
        program: &Program,
        request: impl FnOnce() -> HeaderList<'r>,
        headers: &HeaderList<'_>,
        mut each: impl FnMut(&Operation<'_>),
    ) {
        if self.edits != Edits::All {
            return;
        }
        let request = if program.response.ask_for_request() { request() } else { HeaderList::default() };
        let request = Request::of(&request);
        let find = |provider: &str, path: &[String]| self.claim_text(program, provider, path);
        let changes = program.response.changes(&self.facts(&request, &find));
        self.limit_fields.iter().for_each(|field| each(&tells(field)));
        // The policy has the last word, on what the filter itself tells too: as in answers of its own.
        let is_changed = |(name, _): &(&str, String)| changes.is_about(name.as_bytes());
        if self.limit_fields.iter().any(is_changed) {
            let pairs = headers.iter().map(|(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value)));
            let mut with_ours: Vec<Header<'_>> = pairs.collect();
            let ours: Vec<Operation<'_>> = self.limit_fields.iter().map(tells).collect();
            apply(&mut with_ours, &ours);
            let list = HeaderList::from_pairs(with_ours.iter().map(|(name, value)| (&**name, &**value)));
            changes.operations(&list).iter().for_each(each);
        } else {
            changes.operations(headers).iter().for_each(each);
        }
    }

    /// What header values can say of this request; `claim` is [`Self::claim_text`].
    pub(super) fn facts<'a>(&'a self, request: &'a Request<'a>, claim: &'a ClaimText<'a>) -> Facts<'a> {
        Facts { request, client: self.client, correlation: self.correlation.as_deref(), claim }
    }

    /// The claim of a provider's accepted token, by the names that lead to it, as text.
    pub(super) fn claim_text<'a>(
        &'a self,
        program: &Program,
        provider: &str,
        path: &[String],
    ) -> Option<Cow<'a, [u8]>> {
        let providers = &program.jwt.as_ref()?.providers;
        let is_its = |with: &&SignedInWith| {
            providers.get(with.provider).is_some_and(|known| known.spec.name == provider)
        };
        let with = self.tokens.iter().find(is_its)?;
        let text = claim(&with.token.claims, path).and_then(scalar)?;
        Some(Cow::Borrowed(text.as_bytes()))
    }
}

/// A field that tells of limits, beside what others tell where it is a list.
fn tells<'f>((name, value): &'f (&'static str, String)) -> Operation<'f> {
    let (name, value) = (name.as_bytes(), value.as_bytes());
    if is_list(name) { Operation::Add(name, value) } else { Operation::Replace(name, value) }
}

/// A claim of a provider's accepted token, by the names that lead to it.
type ClaimText<'a> = dyn Fn(&str, &[String]) -> Option<Cow<'a, [u8]>> + 'a;
