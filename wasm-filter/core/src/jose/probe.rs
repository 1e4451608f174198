//! Whether the host checks signatures, and rightly: asked once, before any is left to it.
//!
//! `probe.json` has keys made for this, of which nobody has the private half, and what each algorithm signed.

use super::host_verify::{self, HostCall, host_call};
use super::json::Object;
use super::{Json, KeySet, base64url};
use crate::Algorithm;

/// What the signatures in `probe.json` sign.
const TEXT: &[u8] = b"Does the host check signatures?";
const VECTORS: &str = include_str!("probe.json");

/// The algorithms that the host checks rightly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostAlgorithms(Vec<Algorithm>);

impl HostAlgorithms {
    /// Whether signatures of this algorithm may be left to the host.
    #[must_use]
    pub fn contains(&self, algorithm: Algorithm) -> bool {
        self.0.contains(&algorithm)
    }
}

/// Asks the host about a signature that is right and two that are wrong, of each algorithm. `call` calls the host's
/// function with an argument, and gives its result, or none where the host has no such function or it fails.
///
/// An algorithm counts only where each answer is right, since a host that does not know a hash function says of every
/// signature that it is wrong.
#[must_use]
pub fn probe(mut call: impl FnMut(&[u8]) -> Option<Vec<u8>>) -> HostAlgorithms {
    let (Ok(vectors), Ok(keys)) = (Json::parse(VECTORS.as_bytes()), KeySet::from_jwks(VECTORS.as_bytes()))
    else {
        return HostAlgorithms::default();
    };
    let signatures =
        vectors.as_object().and_then(|vectors| vectors.get("signatures")).and_then(Json::as_object);
    let rightly = signatures.into_iter().flat_map(Object::iter).filter_map(|(name, signature)| {
        let algorithm = Algorithm::from_name(name)?;
        let signature = base64url::decode(signature.as_str()?.as_bytes())?;
        // One key is for all of RSA.
        let kid = if name.starts_with("RS") { "RS" } else { name };
        let key = keys.candidates(algorithm, Some(kid)).next()?;
        let mut other = signature.clone();
        *other.last_mut()? ^= 1;
        let mut says = |text, signature: &[u8], valid| match host_call(key, algorithm, text, signature) {
            HostCall::Call(argument) => {
                call(&argument).is_some_and(|answer| host_verify::result(&answer) == Some(valid))
            }
            _ => false,
        };
        let right = says(TEXT, &signature, true)
            && says(TEXT, &other, false)
            && says(TEXT.split_last()?.1, &signature, false);
        right.then_some(algorithm)
    });
    HostAlgorithms(rightly.collect())
}
