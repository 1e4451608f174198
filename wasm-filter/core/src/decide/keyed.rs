//! What a limit counts a request by.

use std::borrow::Cow;

use crate::MissingKey;
use crate::program::LimitProgram;
use crate::route::KeyFacts;

/// What a limit counts a request by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Keyed<'a> {
    /// These parts.
    By(Vec<Cow<'a, [u8]>>),
    /// Nothing: the limit does not count it.
    Not,
    /// A part is missing, and the policy refuses such requests.
    Refused,
}

/// What the limit counts the request by. Keys that took another's place are told from all others.
pub(super) fn key_of<'a>(limit: &'a LimitProgram, facts: &KeyFacts<'a>) -> Keyed<'a> {
    const KEY: &[u8] = b"key";
    const ADDRESS: &[u8] = b"address";
    let parts = limit.key.iter().map(|part| part.value(facts)).chain([Some(Cow::Borrowed(KEY))]);
    if let Some(parts) = parts.collect() {
        return Keyed::By(parts);
    }
    match limit.on_missing_key {
        MissingKey::Deny => Keyed::Refused,
        MissingKey::Skip => Keyed::Not,
        MissingKey::ClientAddress => {
            let address = facts.client.map(|client| client.network(32, 64)).unwrap_or_default();
            Keyed::By(vec![address.into(), ADDRESS.into()])
        }
    }
}
