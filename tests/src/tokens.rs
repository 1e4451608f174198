//! JSON Web Tokens (RFC 7519) as issuers sign them, and their keys as issuers publish them.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sallyport_traffic::Algorithm;
use serde_json::{Value, json};

/// A secret that policies and issuers of tests share, as long as RFC 7518 §3.2 asks for HS256: 256 bits or more.
pub const SECRET: &str = "a secret that this test may know.";

/// Whoever signs tokens: an algorithm (RFC 7518 §3.1, RFC 8037 §3.1) and a key for it.
pub struct Signer {
    algorithm: Algorithm,
    /// The key's name. A shared secret has none.
    kid: Option<String>,
    key: Key,
}

enum Key {
    Secret(Box<hmac::Key>),
    Rsa(rsa::KeyPair),
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// HS256 with this secret.
    #[must_use]
    pub fn shared(secret: impl AsRef<[u8]>) -> Self {
        let key = Key::Secret(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref())));
        Self { algorithm: Algorithm::Hs256, kid: None, key }
    }

    /// RS256 with a new key of 2,048 bits.
    ///
    /// # Errors
    /// When none can be made.
    pub fn rsa(kid: &str) -> Result<Self> {
        Self::new(Algorithm::Rs256, kid)
    }

    /// `EdDSA` with a new key.
    ///
    /// # Errors
    /// When none can be made.
    pub fn ed25519(kid: &str) -> Result<Self> {
        Self::new(Algorithm::EdDsa, kid)
    }

    /// An algorithm with a new pair of keys; of RSA, of 2,048 bits.
    ///
    /// # Errors
    /// When none can be made, or the algorithm has no pairs.
    pub fn new(algorithm: Algorithm, kid: &str) -> Result<Self> {
        use Algorithm as Is;
        let key = match algorithm {
            Is::Hs256 | Is::Hs384 | Is::Hs512 => bail!("{} has no pair of keys", algorithm.name()),
            Is::Rs256 | Is::Rs384 | Is::Rs512 | Is::Ps256 | Is::Ps384 | Is::Ps512 => {
                let pair = rsa::KeyPair::generate(KeySize::Rsa2048);
                Key::Rsa(pair.map_err(|_| anyhow!("no RSA key can be made"))?)
            }
            Is::Es256 => Key::Ec(EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING)?),
            Is::Es384 => Key::Ec(EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING)?),
            Is::Es512 => Key::Ec(EcdsaKeyPair::generate(&signature::ECDSA_P521_SHA512_FIXED_SIGNING)?),
            Is::EdDsa => Key::Ed25519(Ed25519KeyPair::generate()?),
        };
        Ok(Self { algorithm, kid: Some(kid.to_owned()), key })
    }

    /// A token with these claims.
    ///
    /// # Errors
    /// When it can't be signed.
    pub fn sign(&self, claims: &Value) -> Result<String> {
        self.sign_as(&self.header(), claims)
    }

    /// The header of its tokens (RFC 7515 §4).
    #[must_use]
    pub fn header(&self) -> Value {
        match &self.kid {
            None => json!({"alg": self.algorithm.name(), "typ": "JWT"}),
            Some(kid) => json!({"alg": self.algorithm.name(), "typ": "JWT", "kid": kid}),
        }
    }

    /// A token with these claims and this header, whatever that says of how it is signed.
    ///
    /// # Errors
    /// When it can't be signed.
    pub fn sign_as(&self, header: &Value, claims: &Value) -> Result<String> {
        let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.signature(input.as_bytes())?;
        Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn signature(&self, input: &[u8]) -> Result<Vec<u8>> {
        let random = SystemRandom::new();
        Ok(match &self.key {
            Key::Secret(key) => hmac::sign(key, input).as_ref().to_vec(),
            Key::Rsa(key) => {
                let encoding: &dyn signature::RsaEncoding = match self.algorithm {
                    Algorithm::Rs256 => &signature::RSA_PKCS1_SHA256,
                    Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
                    Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
                    Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
                    Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
                    Algorithm::Ps512 => &signature::RSA_PSS_SHA512,
                    other => bail!("{} is not of RSA", other.name()),
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(encoding, &random, input, &mut signature)
                    .map_err(|_| anyhow!("the token can't be signed"))?;
                signature
            }
            Key::Ec(key) => key.sign(&random, input)?.as_ref().to_vec(),
            Key::Ed25519(key) => key.sign(input).as_ref().to_vec(),
        })
    }

    /// The public key as `PUBLIC KEY` in PEM (RFC 7468 §13).
    ///
    /// # Errors
    /// For a shared secret, which has none.
    pub fn public_pem(&self) -> Result<String> {
        let der = match &self.key {
            Key::Secret(_) => bail!("a shared secret has no public half"),
            Key::Rsa(key) => AsDer::<PublicKeyX509Der<'_>>::as_der(key.public_key()),
            Key::Ec(key) => AsDer::<PublicKeyX509Der<'_>>::as_der(key.public_key()),
            Key::Ed25519(key) => AsDer::<PublicKeyX509Der<'_>>::as_der(key.public_key()),
        };
        let text = STANDARD.encode(der.ok().context("no DER")?.as_ref());
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).filter_map(|line| str::from_utf8(line).ok()).collect();
        Ok(format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n")))
    }

    /// The public key as a JSON Web Key (RFC 7518 §6, RFC 8037 §2).
    ///
    /// # Errors
    /// For a shared secret, which is not published.
    pub fn public_jwk(&self) -> Result<Value> {
        let mut jwk = match &self.key {
            Key::Secret(_) => bail!("a shared secret has no public half"),
            Key::Rsa(key) => {
                // RSAPublicKey (RFC 8017 appendix A.1.1): two INTEGERs, whose sizes are known of 2,048 bits and 65537.
                let der = key.public_key().as_ref();
                let n = der.get(9..265).context("not a key of 2,048 bits")?;
                ensure!(der.get(265..) == Some(&[2, 3, 1, 0, 1]), "not the exponent 65537");
                json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(n), "e": "AQAB"})
            }
            Key::Ec(key) => {
                // An uncompressed point (SEC 1 §2.3.3): 4, and the coordinates.
                let coordinates = key.public_key().as_ref().get(1..).context("not a point")?;
                let (x, y) = coordinates.split_at(coordinates.len() / 2);
                let curve = match self.algorithm {
                    Algorithm::Es256 => "P-256",
                    Algorithm::Es384 => "P-384",
                    _ => "P-521",
                };
                json!({
                    "kty": "EC", "crv": curve,
                    "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
                })
            }
            Key::Ed25519(key) => {
                let x = URL_SAFE_NO_PAD.encode(key.public_key());
                json!({"kty": "OKP", "crv": "Ed25519", "x": x})
            }
        };
        jwk["use"] = "sig".into();
        jwk["alg"] = self.algorithm.name().into();
        jwk["kid"] = json!(self.kid);
        Ok(jwk)
    }
}

/// The public keys as a JSON Web Key Set (RFC 7517 §5).
///
/// # Errors
/// For a shared secret, which is not published.
pub fn key_set(signers: &[&Signer]) -> Result<String> {
    let keys = signers.iter().map(|signer| signer.public_jwk()).collect::<Result<Vec<_>>>()?;
    Ok(json!({ "keys": keys }).to_string())
}

/// What a token says that is for `shop` and lives for so many seconds, by `https://issuer.example`.
#[must_use]
pub fn claims(user: &str, lives: i64) -> Value {
    let exp = seconds_from_now(lives);
    json!({"iss": "https://issuer.example", "aud": "shop", "sub": user, "exp": exp})
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
