//! Who signs the tokens that are sent.

use anyhow::Result;
use sallyport_tests::tokens::{Signer, seconds_from_now};
use serde_json::json;

/// An issuer with a key of its own, RS256 with 2,048 bits.
pub(crate) struct Issuer {
    signer: Signer,
}

impl Issuer {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self { signer: Signer::rsa("2026-11")? })
    }

    /// Its key set (RFC 7517 §5), as JSON.
    pub(crate) fn key_set(&self) -> Result<String> {
        Ok(json!({ "keys": [self.signer.public_jwk()?] }).to_string())
    }

    /// The token of that user, which outlives the run.
    pub(crate) fn token(&self, user: usize) -> Result<String> {
        let (now, later) = (seconds_from_now(0), seconds_from_now(86_400));
        self.signer.sign(&json!({
            "iss": "https://auth.example.com",
            "aud": "shop",
            "sub": format!("user-{user:05}"),
            "scope": "orders:read orders:write",
            "iat": now,
            "exp": later,
        }))
    }
}
