//! Tokens, signed with a secret that the policy of a test has.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sallyport_traffic::jose::base64url;
use serde_json::{Value, json};
use sha2::Sha256;

use super::proxy::NOW;

pub(crate) const SECRET: &[u8; 32] = b"a secret that all tests may know";
/// What is no one's secret.
pub(crate) const OTHER: &[u8; 32] = b"a secret that no provider has ..";

/// A provider `name` that signs with [`SECRET`].
pub(crate) fn provider(name: &str, issuer: &str) -> Value {
    json!({
        "name": name, "issuer": issuer, "audiences": ["shop"], "algorithms": ["HS256"], "clockSkew": "0s",
        "jwks": {"env": {"name": "SECRET", "format": "Raw"}},
    })
}

/// A token of `issuer` that is good for a minute, with these claims too.
pub(crate) fn token(issuer: &str, more: Value) -> String {
    let mut claims = json!({"iss": issuer, "aud": "shop", "exp": NOW + 60, "sub": "alice"});
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    sign(&json!({"alg": "HS256"}), &claims.to_string(), SECRET)
}

pub(crate) fn sign(header: &Value, payload: &str, secret: &[u8]) -> String {
    let [header, payload] = [header.to_string().as_bytes(), payload.as_bytes()].map(base64url::encode);
    let input = format!("{header}.{payload}");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(input.as_bytes());
    format!("{input}.{}", base64url::encode(&mac.finalize().into_bytes()))
}
