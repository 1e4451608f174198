//! JSON Web Tokens (RFC 7519) as issuers sign them, and their keys as issuers publish them.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, ensure};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// Whoever signs tokens.
pub enum Signer {
    /// HS256, by a shared secret.
    Shared(String),
    /// RS256, by a key of this name.
    Rsa {
        /// Its `kid`.
        kid: String,
        /// Its private key.
        key: KeyPair,
    },
}

impl Signer {
    /// RS256 with a new key of 2,048 bits.
    ///
    /// # Errors
    /// When none can be made.
    pub fn rsa(kid: &str) -> Result<Self> {
        let key = KeyPair::generate(KeySize::Rsa2048).map_err(|_| anyhow!("no RSA key can be made"))?;
        Ok(Self::Rsa { kid: kid.to_owned(), key })
    }

    /// A token with these claims.
    ///
    /// # Errors
    /// When it can't be signed.
    pub fn sign(&self, claims: &Value) -> Result<String> {
        let header = match self {
            Self::Shared(_) => json!({"alg": "HS256", "typ": "JWT"}),
            Self::Rsa { kid, .. } => json!({"alg": "RS256", "typ": "JWT", "kid": kid}),
        };
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", encoded(&header), encoded(claims));
        let signature = match self {
            Self::Shared(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
                hmac::sign(&key, input.as_bytes()).as_ref().to_vec()
            }
            Self::Rsa { key, .. } => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature)
                    .map_err(|_| anyhow!("the token can't be signed"))?;
                signature
            }
        };
        Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The public key as `PUBLIC KEY` in PEM (RFC 7468 §13).
    ///
    /// # Errors
    /// For a shared secret, which has none.
    pub fn public_pem(&self) -> Result<String> {
        let Self::Rsa { key, .. } = self else { anyhow::bail!("a shared secret has no public half") };
        let der = AsDer::<PublicKeyX509Der<'_>>::as_der(key.public_key()).ok().context("no DER")?;
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).filter_map(|line| str::from_utf8(line).ok()).collect();
        Ok(format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n")))
    }

    /// The public key as a JSON Web Key (RFC 7518 §6.3).
    ///
    /// # Errors
    /// For a shared secret, which is not published.
    pub fn public_jwk(&self) -> Result<Value> {
        let Self::Rsa { kid, key } = self else { anyhow::bail!("a shared secret has no public half") };
        // RSAPublicKey (RFC 8017 appendix A.1.1): two INTEGERs, whose sizes are known of 2,048 bits and 65537.
        let der = key.public_key().as_ref();
        let n = der.get(9..265).context("not a key of 2,048 bits")?;
        ensure!(der.get(265..) == Some(&[2, 3, 1, 0, 1]), "not the exponent 65537");
        let (n, e) = (URL_SAFE_NO_PAD.encode(n), "AQAB");
        Ok(json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": n, "e": e}))
    }
}

/// The time by this machine's clock, so many seconds from now (RFC 7519 §2, NumericDate).
///
/// # Panics
/// When the clock stands before 1970.
#[must_use]
pub fn seconds_from_now(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_secs();
    i64::try_from(now).unwrap_or(i64::MAX).saturating_add(seconds)
}
