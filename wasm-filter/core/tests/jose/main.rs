//! Tokens, keys and signatures, held against what others wrote: the examples of the RFCs, Wycheproof's collection of
//! what implementations get wrong, and AWS-LC, which is BoringSSL's code and so stands for Envoy here.

mod host;
mod json;
mod jws;
mod keys;
mod made;
mod rfc;
mod wycheproof;

use std::fs;
use std::path::{Path, PathBuf};

use host::envoy;
use sallyport_traffic::Algorithm;
use sallyport_traffic::jose::host_verify::{self, HostCall, host_call};
use sallyport_traffic::jose::{Jws, Key, KeySet, verify};
use serde_json::Value;

/// Whether the signature is the key's. Asks Rust and, where it may be asked, the host: there is one verdict.
#[track_caller]
fn is_valid(key: &Key, algorithm: Algorithm, signing_input: &[u8], signature: &[u8]) -> bool {
    let here = verify(key, algorithm, signing_input, signature);
    let there = match host_call(key, algorithm, signing_input, signature) {
        HostCall::Unsupported => return here,
        HostCall::Refused => false,
        HostCall::Call(argument) => {
            host_verify::result(&envoy(&argument)).expect("the host's result can be read")
        }
    };
    assert_eq!(here, there, "Rust and the host disagree on {algorithm:?}");
    here
}

/// Whether a key of the set has signed the token.
#[track_caller]
fn accepts(keys: &KeySet, token: &str) -> bool {
    Jws::parse(token.as_bytes()).is_ok_and(|jws| {
        keys.candidates(jws.algorithm(), jws.kid())
            .any(|key| is_valid(key, jws.algorithm(), jws.signing_input(), jws.signature()))
    })
}

/// A set of these keys.
fn set(keys: &[&Value]) -> String {
    serde_json::json!({ "keys": keys }).to_string()
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/jose")
}

fn read(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
