//! Signed tokens in compact serialization (RFC 7515 §7.1), read strictly and not yet believed.

use std::fmt;

use thiserror::Error;

use super::json::Object;
use super::{Json, JsonError, base64url};
use crate::Algorithm;

/// The longest token that is read, in bytes.
pub const MAX_LENGTH: usize = 16 * 1024;
/// The longest `kid` that is read, in bytes. A key's is no longer either.
pub const MAX_KID: usize = 512;

/// A token in parts. Nothing in it may be believed before [`super::verify`] says so.
pub struct Jws<'t> {
    algorithm: Algorithm,
    kid: Option<Box<str>>,
    typ: Option<Box<str>>,
    signing_input: &'t [u8],
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// Why a token is not read. None tells anything of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum JwsError {
    /// It is longer than [`MAX_LENGTH`].
    #[error("it is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// It is not in three parts: no JWS in compact serialization. Five would be an encrypted token.
    #[error("it is not three parts with dots between them")]
    Parts,
    /// The header is not base64url.
    #[error("its header is not base64url")]
    HeaderEncoding,
    /// The payload is not base64url.
    #[error("its payload is not base64url")]
    PayloadEncoding,
    /// The signature is not base64url.
    #[error("its signature is not base64url")]
    SignatureEncoding,
    /// There is no signature.
    #[error("it has no signature")]
    Unsigned,
    /// The header is not JSON that has one reading.
    #[error("its header can't be read: {0}")]
    Header(#[from] JsonError),
    /// The header is JSON, but no object.
    #[error("its header is no JSON object")]
    HeaderKind,
    /// The header has no `alg` that is text.
    #[error("its header has no alg")]
    NoAlgorithm,
    /// `alg` is none that is supported; `none` is none of them.
    #[error("its alg is not supported")]
    UnknownAlgorithm,
    /// `kid` is not text.
    #[error("its kid is not text")]
    Kid,
    /// `kid` is longer than [`MAX_KID`].
    #[error("its kid is longer than {MAX_KID} bytes")]
    KidTooLong,
    /// `typ` is not text.
    #[error("its typ is not text")]
    Typ,
    /// There is `crit`: extensions that must be understood, of which none is (RFC 7515 §4.1.11).
    #[error("its header has crit, and no extension is supported")]
    Critical,
    /// There is `b64`, which would change what is signed (RFC 7797 §3).
    #[error("its header has b64, which is not supported")]
    UnencodedPayload,
}

impl<'t> Jws<'t> {
    /// Reads a token. Of the header, `alg`, `kid` and `typ` are used. `jku`, `jwk`, `x5u`, `x5c` are not: they would
    /// let whoever made the token choose its key (RFC 8725 §3.10).
    ///
    /// # Errors
    /// It is no JWS in compact serialization, or not one that is supported.
    pub fn parse(token: &'t [u8]) -> Result<Self, JwsError> {
        if token.len() > MAX_LENGTH {
            return Err(JwsError::TooLong);
        }
        let mut parts = token.split(|byte| *byte == b'.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwsError::Parts);
        };
        // All but the last dot and the signature behind it.
        let signing_input = token.get(..token.len() - signature.len() - 1).ok_or(JwsError::Parts)?;

        let header = base64url::decode(header).ok_or(JwsError::HeaderEncoding)?;
        let header = Json::parse(&header)?;
        let header = header.as_object().ok_or(JwsError::HeaderKind)?;
        if header.get("crit").is_some() {
            return Err(JwsError::Critical);
        }
        if header.get("b64").is_some() {
            return Err(JwsError::UnencodedPayload);
        }
        let algorithm = header.get("alg").and_then(Json::as_str).ok_or(JwsError::NoAlgorithm)?;
        let algorithm = Algorithm::from_name(algorithm).ok_or(JwsError::UnknownAlgorithm)?;
        let kid = text(header, "kid").ok_or(JwsError::Kid)?;
        if kid.as_ref().is_some_and(|kid| kid.len() > MAX_KID) {
            return Err(JwsError::KidTooLong);
        }
        let typ = text(header, "typ").ok_or(JwsError::Typ)?;

        let payload = base64url::decode(payload).ok_or(JwsError::PayloadEncoding)?;
        let signature = base64url::decode(signature).ok_or(JwsError::SignatureEncoding)?;
        if signature.is_empty() {
            return Err(JwsError::Unsigned);
        }
        Ok(Self { algorithm, kid, typ, signing_input, payload, signature })
    }

    /// The algorithm that the token says it is signed with (RFC 7515 §4.1.1). Its word alone decides nothing.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key that the token says it is signed with (RFC 7515 §4.1.4).
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The token's media type, as it is written (RFC 7515 §4.1.9).
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }

    /// Whether the token is of this media type. Letters' case does not matter, nor a leading `application/` where no
    /// other slash follows (RFC 7515 §4.1.9).
    #[must_use]
    pub fn is_of_type(&self, wanted: &str) -> bool {
        self.typ().is_some_and(|typ| short(typ).eq_ignore_ascii_case(short(wanted)))
    }

    /// What is signed: header and payload as they stand in the token, with the dot between them (RFC 7515 §5.2).
    #[must_use]
    pub const fn signing_input(&self) -> &'t [u8] {
        self.signing_input
    }

    /// The payload. A JSON Web Token's is a JSON object of claims.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The signature.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }
}

/// Shows nothing that could be used as a token.
impl fmt::Debug for Jws<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jws").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// A member that may be absent, but must be text; none if it is not.
fn text(header: &Object, name: &str) -> Option<Option<Box<str>>> {
    match header.get(name) {
        None => Some(None),
        Some(value) => value.as_str().map(|text| Some(text.into())),
    }
}

/// A media type without a leading `application/`, where that may be left out.
fn short(typ: &str) -> &str {
    const PREFIX: &str = "application/";
    match (typ.get(..PREFIX.len()), typ.get(PREFIX.len()..)) {
        (Some(prefix), Some(rest)) if prefix.eq_ignore_ascii_case(PREFIX) && !rest.contains('/') => rest,
        _ => typ,
    }
}
