//! Wycheproof's signatures: tokens, key sets, and plain signatures of every algorithm.
//!
//! Where a verdict is not Wycheproof's, a table says so and why. A row that is not needed is an error too.

use std::collections::BTreeSet;
use std::env;
use std::path::PathBuf;

use sallyport_traffic::Algorithm;
use sallyport_traffic::jose::{Jws, JwsError, KeySet};
use serde_json::Value;

use crate::{accepts, is_valid, read, set};

/// Verdicts on tokens that are not Wycheproof's: the first test case, the last, and why.
const TOKENS: &[(u64, u64, &str)] = &[
    (
        346,
        346,
        "valid: a PS384 token of RFC 7520 §4.2, but the key is labelled PS256, and a key is for its own algorithm only \
         (RFC 7517 §4.4). Without the label it is valid: data/jose/rfc/7520-4.2-ps384.json",
    ),
    (
        347,
        347,
        "valid: the key is labelled ES521, which is no algorithm. Without it: data/jose/rfc/7520-4.3-es512.json",
    ),
    (350, 350, "as 346, with key_ops"),
    (351, 351, "as 347, with key_ops"),
    (367, 367, "invalid: it is to the letter the token of 357, which is valid"),
    (370, 370, "invalid: as 367"),
    (372, 373, "valid: there is a ? within base64url, which RFC 7515 §2 does not allow"),
];

/// Verdicts on key sets that are not Wycheproof's.
const KEY_SETS: &[(u64, u64, &str)] = &[
    (
        1,
        1,
        "invalid: secrets and public keys in one set. A set may have both (RFC 7517 §5); a token picks its own",
    ),
    (
        4,
        4,
        "invalid: two keys of one kid. They are tried one after the other (RFC 7517 §4.5 allows equivalent ones)",
    ),
    (
        7,
        7,
        "invalid: the key is of a broken generator (ROCA). Whoever publishes keys must replace them; no verifier that \
            we know looks for it",
    ),
];

#[test]
fn tokens() {
    let mut seen = Seen::new(TOKENS);
    let mut padding = 0;
    for group in groups("json_web_signature_test") {
        // Only secrets have no public half.
        let key = group.get("public").unwrap_or(&group["private"]);
        let keys = KeySet::from_jwks(set(&[key]).as_bytes());
        for test in tests(&group) {
            let token = text(test, "jws");
            seen.check(test, keys.as_ref().is_ok_and(|keys| accepts(keys, token)));
            if has_flag(test, "ModifiedPadding") {
                padding += 1;
                assert_eq!(Jws::parse(token.as_bytes()).err(), None::<JwsError>, "{}", test["tcId"]);
            }
        }
    }
    assert_eq!(padding, 213, "these are refused for their signature, not for their form");
    seen.finish(401);
}

#[test]
fn key_sets() {
    let mut seen = Seen::new(KEY_SETS);
    for group in groups("json_web_key_test") {
        let keys = group.get("public").unwrap_or(&group["private"]).to_string();
        let keys = KeySet::from_jwks(without_private_members(&keys).as_bytes());
        for test in tests(&group) {
            seen.check(test, keys.as_ref().is_ok_and(|keys| accepts(keys, text(test, "jws"))));
        }
    }
    seen.finish(26);
}

/// A set of both halves refuses as a whole, which would hide what else is tested.
fn without_private_members(keys: &str) -> String {
    let mut keys: Value = serde_json::from_str(keys).unwrap();
    for key in keys["keys"].as_array_mut().unwrap() {
        key.as_object_mut().unwrap().remove("d");
    }
    keys.to_string()
}

#[test]
fn a_set_with_both_halves_is_refused() {
    for group in groups("json_web_key_test").iter().filter(|group| group.get("public").is_some()) {
        let keys = &group["private"];
        if keys["keys"][0].get("d").is_some() && keys["keys"][0]["kty"] != "oct" {
            let error = KeySet::from_jwks(keys.to_string().as_bytes()).unwrap_err();
            assert!(error.to_string().contains("private"), "{error}");
        }
    }
}

#[test]
fn rsa_pkcs1() {
    for (bits, hash, algorithm) in [
        (2048, 256, Algorithm::Rs256),
        (2048, 384, Algorithm::Rs384),
        (2048, 512, Algorithm::Rs512),
        (3072, 256, Algorithm::Rs256),
        (3072, 384, Algorithm::Rs384),
        (3072, 512, Algorithm::Rs512),
        (4096, 256, Algorithm::Rs256),
        (4096, 384, Algorithm::Rs384),
        (4096, 512, Algorithm::Rs512),
        (8192, 256, Algorithm::Rs256),
        (8192, 384, Algorithm::Rs384),
        (8192, 512, Algorithm::Rs512),
    ] {
        signatures(&format!("rsa_signature_{bits}_sha{hash}_test"), algorithm, |_, test| is_right(test));
    }
}

/// Where a file's salts are not as long as the hash, right is only what was made wrong by a salt that is.
#[test]
fn rsa_pss() {
    for (file, algorithm, salt) in [
        ("rsa_pss_2048_sha256_mgf1_32_test", Algorithm::Ps256, 32),
        ("rsa_pss_2048_sha256_mgf1_0_test", Algorithm::Ps256, 32),
        ("rsa_pss_2048_sha256_mgf1sha1_20_test", Algorithm::Ps256, 32),
        ("rsa_pss_2048_sha384_mgf1_48_test", Algorithm::Ps384, 48),
        ("rsa_pss_3072_sha256_mgf1_32_test", Algorithm::Ps256, 32),
        ("rsa_pss_4096_sha256_mgf1_32_test", Algorithm::Ps256, 32),
        ("rsa_pss_4096_sha384_mgf1_48_test", Algorithm::Ps384, 48),
        ("rsa_pss_4096_sha512_mgf1_32_test", Algorithm::Ps512, 64),
        ("rsa_pss_4096_sha512_mgf1_64_test", Algorithm::Ps512, 64),
    ] {
        signatures(file, algorithm, |group, test| {
            if group["sLen"] == salt {
                return is_right(test);
            }
            group["mgfSha"] == group["sha"] && test["comment"] == format!("s_len changed to {salt}")
        });
    }
}

#[test]
fn ecdsa() {
    signatures("ecdsa_secp256r1_sha256_p1363_test", Algorithm::Es256, |_, test| is_right(test));
    signatures("ecdsa_secp384r1_sha384_p1363_test", Algorithm::Es384, |_, test| is_right(test));
    signatures("ecdsa_secp521r1_sha512_p1363_test", Algorithm::Es512, |_, test| is_right(test));
}

#[test]
fn ed25519() {
    signatures("ed25519_test", Algorithm::EdDsa, |_, test| is_right(test));
}

#[test]
fn hmac() {
    for (hash, algorithm) in [(256, Algorithm::Hs256), (384, Algorithm::Hs384), (512, Algorithm::Hs512)] {
        let mut checked = 0;
        for group in groups(&format!("hmac_sha{hash}_test")) {
            for test in tests(&group) {
                // Keys that are too short are no keys, and truncated tags no signatures (RFC 7518 §3.2).
                let want =
                    is_right(test) && group["keySize"].as_u64() >= Some(hash) && group["tagSize"] == hash;
                let found = KeySet::from_raw(&bytes(test, "key")).is_ok_and(|keys| {
                    keys.candidates(algorithm, None)
                        .any(|key| is_valid(key, algorithm, &bytes(test, "msg"), &bytes(test, "tag")))
                });
                assert_eq!(found, want, "{algorithm:?} {}", test["tcId"]);
                checked += 1;
            }
        }
        assert!(checked > 100);
    }
}

/// Plain signatures by keys in PEM.
#[track_caller]
fn signatures(file: &str, algorithm: Algorithm, want: impl Fn(&Value, &Value) -> bool) {
    let (mut checked, mut valid) = (0, 0);
    for group in groups(file) {
        let keys = KeySet::from_pem(text(&group, "publicKeyPem").as_bytes())
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        for test in tests(&group) {
            let found = is_valid(&keys.keys()[0], algorithm, &bytes(test, "msg"), &bytes(test, "sig"));
            assert_eq!(found, want(&group, test), "{file} {}: {}", test["tcId"], test["comment"]);
            checked += 1;
            valid += u32::from(found);
        }
    }
    assert!(checked > 50, "{file} has {checked} signatures, of which {valid} are valid");
}

/// The verdicts on a file, against a table of exceptions.
struct Seen<'t> {
    table: &'t [(u64, u64, &'t str)],
    exceptions: BTreeSet<u64>,
    checked: usize,
}

impl<'t> Seen<'t> {
    fn new(table: &'t [(u64, u64, &'t str)]) -> Self {
        Self { table, exceptions: BTreeSet::new(), checked: 0 }
    }

    #[track_caller]
    fn check(&mut self, test: &Value, found: bool) {
        let case = test["tcId"].as_u64().unwrap();
        let differs = found != is_right(test);
        let why = self.table.iter().find(|(first, last, _)| (*first..=*last).contains(&case));
        assert_eq!(differs, why.is_some(), "{case}, {}: {why:?}", test["comment"]);
        if differs {
            self.exceptions.insert(case);
        }
        self.checked += 1;
    }

    #[track_caller]
    fn finish(self, cases: usize) {
        assert_eq!(self.checked, cases);
        let listed = self.table.iter().flat_map(|(first, last, _)| *first..=*last);
        assert_eq!(self.exceptions, listed.collect());
    }
}

/// Whether Wycheproof wants it accepted. What it calls acceptable is not: a DigestInfo without its NULL.
fn is_right(test: &Value) -> bool {
    test["result"] == "valid"
}

fn has_flag(test: &Value, flag: &str) -> bool {
    test["flags"].as_array().is_some_and(|flags| flags.iter().any(|other| other == flag))
}

fn groups(file: &str) -> Vec<Value> {
    let file = folder().join(file).with_extension("json");
    let Value::Array(groups) = read(&file)["testGroups"].take() else {
        panic!("{} has no groups", file.display())
    };
    groups
}

fn tests(group: &Value) -> &[Value] {
    group["tests"].as_array().expect("a group has tests")
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is text"))
}

/// Bytes in hexadecimal.
fn bytes(value: &Value, name: &str) -> Vec<u8> {
    let text = text(value, name);
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Where `e2e/tools/install wycheproof` links the vectors to.
fn folder() -> PathBuf {
    let home = || PathBuf::from(env::var_os("HOME").expect("HOME is set")).join(".cache");
    let caches = || env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from);
    let cache = env::var_os("SALLYPORT_CACHE").map_or_else(|| caches().join("sallyport"), PathBuf::from);
    let folder = cache.join("corpus/wycheproof");
    assert!(folder.is_dir(), "{} is missing: run `make tools`", folder.display());
    folder
}
