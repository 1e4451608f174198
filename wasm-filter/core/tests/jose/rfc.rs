//! The examples of RFC 7515, RFC 7520 and RFC 8037: each file of `data/jose/rfc` is a key and a token that it signed.

use std::fs;

use sallyport_traffic::jose::{Jws, KeySet, base64url};
use serde_json::Value;

use crate::{accepts, data, read, set};

/// The examples, by the names of their files.
pub(crate) fn examples() -> Vec<(String, KeySet, String)> {
    let mut paths: Vec<_> =
        fs::read_dir(data().join("rfc")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 9, "examples are missing");
    let example = |path: std::path::PathBuf| {
        let example = read(&path);
        let keys = KeySet::from_jwks(set(&[&example["key"]]).as_bytes());
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let keys = keys.unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, keys, example["token"].as_str().unwrap().to_owned())
    };
    paths.into_iter().map(example).collect()
}

#[test]
fn the_examples_are_valid() {
    for (name, keys, token) in examples() {
        assert!(accepts(&keys, &token), "{name}");
        let jws = Jws::parse(token.as_bytes()).unwrap();
        assert!(name.ends_with(&jws.algorithm().name().to_lowercase()), "{name} is of {:?}", jws.algorithm());
    }
}

#[test]
fn a_key_checks_its_own_example_only() {
    let examples = examples();
    for (one, keys, _) in &examples {
        for (other, _, token) in &examples {
            // One RSA key of RFC 7520 is in two examples.
            let twice = ["7520-4.1-rs256", "7520-4.2-ps384"];
            let same = one == other || [one, other].iter().all(|name| twice.contains(&name.as_str()));
            assert_eq!(accepts(keys, token), same, "the key of {one} on {other}");
        }
    }
}

/// Texts that differ from a token in one place are refused: each bit of the signature and each letter of all of it,
/// exchanged for another, left out or doubled.
#[test]
fn a_token_that_differs_in_any_place_is_refused() {
    for (name, keys, token) in examples() {
        for at in 0..token.len() {
            let (before, rest) = token.split_at(at);
            let (letter, behind) = rest.split_at(1);
            // The next letter of the alphabet stands for one more, the one 32 further for the highest bit.
            let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            let others = match alphabet.find(letter) {
                Some(index) => {
                    [index ^ 1, index ^ 32].map(|index| alphabet[index % 64..=index % 64].to_owned())
                }
                None => ["A".to_owned(), "..".to_owned()],
            };
            for other in others.iter().map(String::as_str).chain(["", &letter.repeat(2), "=", " "]) {
                let changed = format!("{before}{other}{behind}");
                // Letters that are equal can't be told apart when one is doubled or left out.
                if changed != token {
                    assert!(!accepts(&keys, &changed), "{name}: {other:?} for {letter:?} at {at}");
                }
            }
        }
    }
}

#[test]
fn a_token_without_signature_is_refused() {
    // RFC 7515 appendix A.5.
    let unsecured = "eyJhbGciOiJub25lIn0.\
                     eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";
    for (name, keys, token) in examples() {
        assert!(!accepts(&keys, unsecured), "{name}");
        let bare = token.rsplit_once('.').unwrap().0;
        assert!(!accepts(&keys, bare), "{name}");
        assert!(!accepts(&keys, &format!("{bare}.")), "{name}");
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    // The oldest attack (RFC 8725 §2.1): the public key, which all know, as the secret of HS256.
    for (name, keys, _) in examples() {
        let Some(spki) = keys.keys()[0].spki() else { continue };
        let pem = pem(spki);
        for secret in [spki, pem.as_bytes()] {
            let input = format!("{}.{}", base64url::encode(br#"{"alg":"HS256"}"#), base64url::encode(b"{}"));
            let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
            let tag = aws_lc_rs::hmac::sign(&key, input.as_bytes());
            let token = format!("{input}.{}", base64url::encode(tag.as_ref()));
            assert!(!accepts(&keys, &token), "{name}");
            assert!(accepts(&KeySet::from_raw(secret).unwrap(), &token), "the token itself is well made");
        }
    }
}

/// A public key in PEM, in one line.
pub(crate) fn pem(der: &[u8]) -> String {
    use base64ct::{Base64, Encoding};
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", Base64::encode_string(der))
}

#[test]
fn keys_are_the_same_in_jwk_and_in_pem() {
    for (name, keys, token) in examples() {
        let Some(spki) = keys.keys()[0].spki() else { continue };
        let again = KeySet::from_pem(pem(spki).as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(again.keys()[0].spki(), Some(spki), "{name}");
        assert!(accepts(&again, &token), "{name}");
    }
}

#[test]
fn payloads_and_headers_come_out_as_they_went_in() {
    for (name, _, token) in examples() {
        let jws = Jws::parse(token.as_bytes()).unwrap();
        let header: Value =
            serde_json::from_slice(&base64url::decode(token.split('.').next().unwrap().as_bytes()).unwrap())
                .unwrap();
        assert_eq!(Some(jws.algorithm().name()), header["alg"].as_str(), "{name}");
        assert_eq!(jws.kid(), header["kid"].as_str(), "{name}");
        assert_eq!(jws.typ(), header["typ"].as_str(), "{name}");
        let rebuilt = format!(
            "{}.{}",
            str::from_utf8(jws.signing_input()).unwrap(),
            base64url::encode(jws.signature())
        );
        assert_eq!(rebuilt, token, "{name}");
        assert!(jws.signing_input().ends_with(base64url::encode(jws.payload()).as_bytes()), "{name}");
        assert_eq!(format!("{jws:?}"), format!("Jws {{ algorithm: {:?}, .. }}", jws.algorithm()));
    }
}
