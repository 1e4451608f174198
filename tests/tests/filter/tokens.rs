//! Tokens of issuers that tests are.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A token that is signed with a secret both sides know, for `lives` seconds.
pub(crate) fn hs256(secret: &[u8], user: &str, lives: i64) -> Result<String> {
    let input = input(&json!({"alg": "HS256"}), user, lives)?;
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes());
    Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// A key that an issuer signs with.
pub(crate) struct Key {
    kid: &'static str,
    pair: Ed25519KeyPair,
}

impl Key {
    pub(crate) fn new(kid: &'static str) -> Result<Self> {
        Ok(Self { kid, pair: Ed25519KeyPair::generate()? })
    }

    /// A key set (RFC 7517 §5) with this key alone.
    pub(crate) fn set(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": x}]}).to_string()
    }

    /// A token that lives for an hour.
    pub(crate) fn token(&self, user: &str) -> Result<String> {
        let input = input(&json!({"alg": "EdDSA", "kid": self.kid}), user, 3600)?;
        let signature = self.pair.sign(input.as_bytes());
        Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn input(header: &Value, user: &str, lives: i64) -> Result<String> {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let claims = json!({"iss": "https://issuer.example", "aud": "shop", "sub": user, "exp": now + lives});
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    Ok(format!("{}.{}", encoded(header), encoded(&claims)))
}
