//! One JSON Web Key (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).

use super::{Key, KeyError, Material};
use crate::Algorithm;
use crate::distinct::distinct;
use crate::jose::algorithm::Curve;
use crate::jose::json::Object;
use crate::jose::rsa::RsaKey;
use crate::jose::{Json, base64url};

/// Members that only private keys have (RFC 7518 §6.2.2, §6.3.2, RFC 8037 §2).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// Reads a key that checks signatures. Members that are not about that are ignored, certificates with them.
pub(super) fn read(jwk: &Json) -> Result<Key, KeyError> {
    let jwk = jwk.as_object().ok_or(KeyError::Kind)?;
    let kty = required(jwk, "kty")?;
    if matches!(kty, "RSA" | "EC" | "OKP") && PRIVATE.iter().any(|name| jwk.get(name).is_some()) {
        return Err(KeyError::Private);
    }
    if optional(jwk, "use")?.is_some_and(|usage| usage != "sig") {
        return Err(KeyError::Use);
    }
    if jwk.get("key_ops").is_some_and(|operations| !may_verify(operations)) {
        return Err(KeyError::Operations);
    }
    let material = match kty {
        "RSA" => Material::Rsa(RsaKey::new(&bytes(jwk, "n")?, &bytes(jwk, "e")?)?),
        "EC" => {
            let curve = match required(jwk, "crv")? {
                "P-256" => Curve::P256,
                "P-384" => Curve::P384,
                "P-521" => Curve::P521,
                _ => return Err(KeyError::Curve),
            };
            Material::ec(curve, &bytes(jwk, "x")?, &bytes(jwk, "y")?)?
        }
        "OKP" => match required(jwk, "crv")? {
            "Ed25519" => Material::ed25519(&bytes(jwk, "x")?)?,
            _ => return Err(KeyError::Curve),
        },
        "oct" => Material::secret(&bytes(jwk, "k")?)?,
        _ => return Err(KeyError::Type),
    };
    let algorithm = match optional(jwk, "alg")? {
        None => None,
        Some(name) => Some(Algorithm::from_name(name).ok_or(KeyError::Algorithm)?),
    };
    Key::new(optional(jwk, "kid")?, algorithm, material)
}

/// Whether these are operations, each once, and `verify` among them (RFC 7517 §4.3).
fn may_verify(operations: &Json) -> bool {
    let Some(list) = operations.as_array() else { return false };
    let names = distinct(list.iter().filter_map(Json::as_str).map(str::as_bytes).collect());
    names.len() == list.len() && names.contains(&&b"verify"[..])
}

fn required<'j>(jwk: &'j Object, name: &'static str) -> Result<&'j str, KeyError> {
    optional(jwk, name)?.ok_or(KeyError::Member(name))
}

fn optional<'j>(jwk: &'j Object, name: &'static str) -> Result<Option<&'j str>, KeyError> {
    jwk.get(name).map(|value| value.as_str().ok_or(KeyError::Member(name))).transpose()
}

fn bytes(jwk: &Object, name: &'static str) -> Result<Vec<u8>, KeyError> {
    base64url::decode(required(jwk, name)?.as_bytes()).ok_or(KeyError::Encoding(name))
}
