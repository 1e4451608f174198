//! Whether one provider accepts one token.

use std::rc::Rc;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::keys::{Keys, NoKeys};
use super::signature::Signatures;
use crate::host::{Host, HostError, Monotonic, WallClock};
use crate::jose::key::Fingerprint;
use crate::jose::{Json, JsonError, Jws, JwsError, KeySet};
use crate::keys::Asked;
use crate::program::ProviderProgram;
use crate::token::{ClaimError, Times, VerifiedTokens, check_parties};

/// A token that a provider's keys have signed.
#[derive(Debug)]
pub struct Token {
    /// What it says.
    pub claims: Json,
    /// When it is good.
    pub times: Times,
    /// Whose it is, for logs: the start of a SHA-256 digest of its issuer and subject, in hexadecimal digits. It tells
    /// one from another, and says who it is only to those who know whom to look for. `None` without `sub`.
    pub subject: Option<Rc<str>>,
}

/// How many bytes of a digest tell subjects apart.
const SUBJECT_BYTES: usize = 8;

fn subject(claims: &Json) -> Option<Rc<str>> {
    let [issuer, subject] = ["iss", "sub"].map(|name| claims.at(&[name]).and_then(Json::as_str));
    let mut digest = Sha256::new();
    digest.update(issuer?.as_bytes());
    digest.update(b"\0");
    digest.update(subject?.as_bytes());
    let digest = digest.finalize();
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
    let digits = digest.iter().take(SUBJECT_BYTES).flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
    Some(digits.collect::<String>().into())
}

/// Why a token is refused. None tells anything of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It is no JWS that is supported.
    #[error("the token can't be read: {0}")]
    Jws(#[from] JwsError),
    /// The payload is no JSON with one reading.
    #[error("what the token says can't be read: {0}")]
    Payload(#[from] JsonError),
    /// The payload is JSON, but no object.
    #[error("what the token says is no JSON object")]
    PayloadKind,
    /// The provider does not sign with its algorithm.
    #[error("the token is signed with an algorithm that its issuer does not use")]
    Algorithm,
    /// It is of another type.
    #[error("the token is of another type")]
    Type,
    /// What it says is not what is asked of every token.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The provider has no key that the token may be signed with.
    #[error("the token is signed with an unknown key")]
    UnknownKey,
    /// The signature is not the provider's.
    #[error("the token's signature is wrong")]
    Signature,
}

/// What came of a token, where it is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAccepted {
    /// It is refused.
    Refused(TokenError),
    /// The keys are on their way.
    KeysComing,
    /// The keys could not be fetched.
    NoKeys,
    /// The proxy failed.
    Host(HostError),
}

impl NotAccepted {
    const fn without(keys: NoKeys) -> Self {
        match keys {
            NoKeys::Coming => Self::KeysComing,
            NoKeys::Failed => Self::NoKeys,
        }
    }
}

impl<E: Into<TokenError>> From<E> for NotAccepted {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// The tokens that a worker has verified: by which provider, with which keys.
pub(super) type Cache = VerifiedTokens<(usize, Fingerprint), Rc<Token>>;

/// A provider as a worker sees it.
pub(super) struct Checker<'a> {
    pub(super) index: usize,
    pub(super) provider: &'a ProviderProgram,
    pub(super) keys: &'a mut Keys,
    pub(super) cache: &'a mut Cache,
    pub(super) signatures: &'a Signatures,
    pub(super) now: Monotonic,
    pub(super) wall: WallClock,
}

impl Checker<'_> {
    /// The token, if the provider accepts it. What costs least is asked first; a signature is checked once, and times
    /// at every request.
    pub(super) fn check(&mut self, token: &[u8], host: &dyn Host) -> Result<Rc<Token>, NotAccepted> {
        let spec = &self.provider.spec;
        let mut keys = match self.keys.current(self.now) {
            Ok(keys) => keys,
            Err(missing) => {
                // A token that no key makes good needs not wait for any.
                self.read(token)?;
                // Another worker may have fetched some a moment ago.
                if !self.keys.catch_up(host).map_err(NotAccepted::Host)? {
                    return Err(NotAccepted::without(missing));
                }
                self.keys.current(self.now).map_err(NotAccepted::without)?
            }
        };
        let index = self.index;
        let by = |keys: &KeySet| (index, keys.fingerprint());
        if let Some(known) = self.cache.get(token, &by(&keys), self.now) {
            known.times.check(spec, self.wall)?;
            return Ok(Rc::clone(known));
        }
        let (jws, mut read) = self.read(token)?;
        self.check_signature(&jws, &mut keys, host)?;
        read.subject = subject(&read.claims);
        let read = Rc::new(read);
        self.cache.insert(token, by(&keys), self.now, Rc::clone(&read));
        Ok(read)
    }

    /// Reads a token, and checks all but who signed it.
    fn read<'t>(&self, token: &'t [u8]) -> Result<(Jws<'t>, Token), TokenError> {
        let spec = &self.provider.spec;
        let jws = Jws::parse(token)?;
        if !spec.algorithms.contains(&jws.algorithm()) {
            return Err(TokenError::Algorithm);
        }
        if !spec.types.is_empty() && !spec.types.iter().any(|wanted| jws.is_of_type(wanted)) {
            return Err(TokenError::Type);
        }
        let claims = Json::parse(jws.payload())?;
        if claims.as_object().is_none() {
            return Err(TokenError::PayloadKind);
        }
        check_parties(spec, &claims)?;
        let times = Times::of(&claims)?;
        times.check(spec, self.wall)?;
        Ok((jws, Token { claims, times, subject: None }))
    }

    /// Whether one of these keys has signed the token, or one of those that another worker has fetched since.
    fn check_signature(
        &mut self,
        jws: &Jws<'_>,
        keys: &mut Rc<KeySet>,
        host: &dyn Host,
    ) -> Result<(), NotAccepted> {
        loop {
            let mut known = false;
            for key in keys.candidates(jws.algorithm(), jws.kid()) {
                known = true;
                if self.signatures.verify(key, jws, host) {
                    return Ok(());
                }
            }
            if known {
                return Err(TokenError::Signature.into());
            }
            // The issuer may sign with a key that it made since.
            let kid = jws.kid().ok_or(TokenError::UnknownKey)?;
            match self.keys.ask_for(host, kid, self.now).map_err(NotAccepted::Host)? {
                Asked::Others => *keys = self.keys.current(self.now).map_err(NotAccepted::without)?,
                Asked::Coming => return Err(NotAccepted::KeysComing),
                Asked::Unknown => return Err(TokenError::UnknownKey.into()),
            }
        }
    }
}
