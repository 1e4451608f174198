//! Keys, as JSON Web Key Sets and in PEM: of each that is read, kid and alg are the text's; it is the same key when it is
//! written in DER and read again; it checks signatures of its own kind only; and no set has both halves of a key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sallyport_traffic::Algorithm;
use sallyport_traffic::jose::key::Material;
use sallyport_traffic::jose::{Key, KeySet, KeySetError};
use serde_json::{Value, json};

pub(crate) fn run(bytes: &[u8]) -> bool {
    if let Ok(set) = KeySet::from_pem(bytes) {
        hold(&set);
        return true;
    }
    let set = KeySet::from_jwks(bytes);
    let Ok(text) = serde_json::from_slice::<Value>(bytes) else {
        assert!(!matches!(set, Err(KeySetError::Private(_))));
        return set.is_ok_and(|set| !set.keys().is_empty());
    };
    let Ok(set) = set else { return false };
    let list = text["keys"].as_array().expect("a set has a list of keys");
    assert_eq!(list.len(), set.keys().len() + set.skipped().len());
    let skipped: Vec<usize> = set.skipped().iter().map(|skipped| skipped.index).collect();
    let used = list.iter().enumerate().filter(|(index, _)| !skipped.contains(index));
    for (key, (_, jwk)) in set.keys().iter().zip(used) {
        written(key, jwk);
    }
    hold(&set);
    true
}

/// What is read of a key is what is written.
fn written(key: &Key, jwk: &Value) {
    assert_eq!(key.kid(), jwk["kid"].as_str());
    assert_eq!(key.algorithm().map_or(Value::Null, |algorithm| json!(algorithm)), jwk["alg"]);
    assert!(jwk["use"].is_null() || jwk["use"] == "sig", "{jwk}");
    let kind = match key.material() {
        Material::Rsa(_) => "RSA",
        Material::Ec(_) => "EC",
        Material::Ed25519(_) => "OKP",
        Material::Secret(_) => "oct",
    };
    assert_eq!(jwk["kty"], kind);
    assert!(kind == "oct" || jwk.get("d").is_none(), "{jwk}");
}

fn hold(set: &KeySet) {
    for key in set.keys() {
        let Some(der) = key.spki() else {
            assert!(matches!(key.material(), Material::Secret(_)));
            continue;
        };
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
        let again = KeySet::from_pem(pem.as_bytes()).expect("what is written can be read");
        assert_eq!(again.keys().iter().map(Key::spki).collect::<Vec<_>>(), [Some(der)]);
    }
    for algorithm in ALGORITHMS {
        for key in set.candidates(algorithm, None) {
            assert!(key.algorithm().is_none_or(|own| own == algorithm));
            let secret = matches!(key.material(), Material::Secret(_));
            assert_eq!(secret, algorithm.is_symmetric(), "{algorithm:?}");
        }
    }
    for kid in set.keys().iter().filter_map(Key::kid) {
        assert!(set.names(kid));
    }
}

const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Hs256,
    Algorithm::Rs256,
    Algorithm::Ps512,
    Algorithm::Es256,
    Algorithm::Es512,
    Algorithm::EdDsa,
];
