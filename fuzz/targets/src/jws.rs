//! Tokens, or their headers alone: read as base64 and serde_json read them, or refused; accepted only where they are, to
//! the letter, what a key signed.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sallyport_traffic::Algorithm;
use sallyport_traffic::jose::jws::{MAX_KID, MAX_LENGTH};
use sallyport_traffic::jose::{JsonError, Jws, JwsError, KeySet, verify};
use serde_json::{Value, json};

pub(crate) fn run(bytes: &[u8]) -> bool {
    let header = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(bytes));
    // Both, so that the second is not left out.
    read(bytes) | read(header.as_bytes())
}

fn read(token: &[u8]) -> bool {
    let ours = Jws::parse(token);
    let theirs = other(token);
    match (&ours, &theirs) {
        (Ok(jws), Ok(other)) => same(jws, other),
        (Err(_), Err(_))
        | (Err(JwsError::Header(JsonError::Duplicate(_) | JsonError::TooDeep(_))), Ok(_)) => {}
        (Ok(_), Err(why)) => assert!(why.contains("number out of range"), "{why}"),
        (Err(error), Ok(_)) => panic!("{error}"),
    }
    let Ok(jws) = ours else { return false };
    for (keys, example) in EXAMPLES.iter() {
        let mut candidates = keys.candidates(jws.algorithm(), jws.kid());
        let accepted =
            candidates.any(|key| verify(key, jws.algorithm(), jws.signing_input(), jws.signature()));
        assert_eq!(accepted, token == example.as_bytes());
    }
    true
}

/// A token, read by others.
struct Other {
    header: Value,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

fn other(token: &[u8]) -> Result<Other, String> {
    let parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
    let &[header, payload, signature] = parts.as_slice() else { return Err("parts".to_owned()) };
    let decode = |part| URL_SAFE_NO_PAD.decode(part).map_err(|error| error.to_string());
    let header: Value = serde_json::from_slice(&decode(header)?).map_err(|error| error.to_string())?;
    let other = Other { header, payload: decode(payload)?, signature: decode(signature)? };
    let text = |name| other.header.get(name).is_none_or(Value::is_string);
    let refused = token.len() > MAX_LENGTH
        || other.signature.is_empty()
        || !other.header.is_object()
        || ["crit", "b64"].iter().any(|name| other.header.get(name).is_some())
        // serde takes {"PS256": null} for one as well.
        || !other.header["alg"].is_string()
        || serde_json::from_value::<Algorithm>(other.header["alg"].clone()).is_err()
        || !(text("kid") && text("typ"))
        || other.header["kid"].as_str().is_some_and(|kid| kid.len() > MAX_KID);
    if refused { Err("refused".to_owned()) } else { Ok(other) }
}

fn same(jws: &Jws<'_>, other: &Other) {
    assert_eq!(json!(jws.algorithm()), other.header["alg"]);
    assert_eq!(jws.kid(), other.header["kid"].as_str());
    assert_eq!(jws.typ(), other.header["typ"].as_str());
    assert_eq!(jws.payload(), other.payload);
    assert_eq!(jws.signature(), other.signature);
}

/// Keys, and what they signed.
static EXAMPLES: LazyLock<Vec<(KeySet, String)>> = LazyLock::new(|| {
    let example = |text: &str| {
        let example: Value = serde_json::from_str(text).expect("an example is JSON");
        let keys = json!({ "keys": [example["key"]] }).to_string();
        let keys = KeySet::from_jwks(keys.as_bytes()).expect("an example has a key");
        (keys, example["token"].as_str().unwrap_or_default().to_owned())
    };
    [
        include_str!("../../../wasm-filter/core/tests/data/jose/rfc/7515-a1-hs256.json"),
        include_str!("../../../wasm-filter/core/tests/data/jose/rfc/7515-a2-rs256.json"),
        include_str!("../../../wasm-filter/core/tests/data/jose/rfc/7515-a3-es256.json"),
        include_str!("../../../wasm-filter/core/tests/data/jose/rfc/8037-a4-eddsa.json"),
    ]
    .map(example)
    .into()
});
