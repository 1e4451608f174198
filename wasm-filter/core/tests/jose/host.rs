//! Envoy's foreign function `verify_signature`, on AWS-LC instead of BoringSSL.

use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, UnparsedPublicKey,
    VerificationAlgorithm,
};
use prost::Message;
use sallyport_traffic::Algorithm;
use sallyport_traffic::jose::probe::{HostAlgorithms, probe};

/// `envoy.source.extensions.common.wasm.VerifySignatureArguments`.
#[derive(Clone, PartialEq, Message)]
struct Arguments {
    #[prost(string, tag = "1")]
    hash_function: String,
    #[prost(bytes = "vec", tag = "2")]
    public_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    signature: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    text: Vec<u8>,
}

/// `envoy.source.extensions.common.wasm.VerifySignatureResult`.
#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(bool, tag = "1")]
    result: bool,
    #[prost(string, tag = "2")]
    error: String,
}

pub(crate) fn envoy(argument: &[u8]) -> Vec<u8> {
    let arguments = Arguments::decode(argument).expect("the argument can be read");
    let key = UnparsedPublicKey::new(algorithm(&arguments), &arguments.public_key);
    let result = key.verify(&arguments.text, &arguments.signature).is_ok();
    let error = if result { String::new() } else { "Failed to verify digital signature.".to_owned() };
    Answer { result, error }.encode_to_vec()
}

/// The algorithm of the key's kind and of the hash function. Envoy would take any hash function with any curve.
fn algorithm(arguments: &Arguments) -> &'static dyn VerificationAlgorithm {
    let key_has =
        |identifier: &[u8]| arguments.public_key.windows(identifier.len()).any(|window| window == identifier);
    match arguments.hash_function.as_str() {
        "sha256" if key_has(b"\x2a\x86\x48\xce\x3d\x03\x01\x07") => &ECDSA_P256_SHA256_ASN1,
        "sha384" if key_has(b"\x2b\x81\x04\x00\x22") => &ECDSA_P384_SHA384_ASN1,
        "sha512" if key_has(b"\x2b\x81\x04\x00\x23") => &ECDSA_P521_SHA512_ASN1,
        "sha256" => &signature::RSA_PKCS1_2048_8192_SHA256,
        "sha384" => &signature::RSA_PKCS1_2048_8192_SHA384,
        "sha512" => &signature::RSA_PKCS1_2048_8192_SHA512,
        other => panic!("no hash function is called {other}"),
    }
}

const SUPPORTED: [Algorithm; 6] = [
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::Es512,
];

fn found(host: &HostAlgorithms) -> Vec<Algorithm> {
    SUPPORTED.into_iter().filter(|algorithm| host.contains(*algorithm)).collect()
}

#[test]
fn a_host_that_checks_rightly_is_found_to() {
    let host = probe(|argument| Some(envoy(argument)));
    assert_eq!(found(&host), SUPPORTED);
    for other in [Algorithm::Ps256, Algorithm::EdDsa, Algorithm::Hs256] {
        assert!(!host.contains(other), "{other:?}");
    }
}

#[test]
fn a_host_that_does_not_answer_or_answers_wrongly_is_not_asked_again() {
    let yes = Answer { result: true, error: String::new() }.encode_to_vec();
    let no = Answer { result: false, error: "no".to_owned() }.encode_to_vec();
    for answer in [None, Some(yes), Some(no), Some(Vec::new()), Some(b"garbled".to_vec())] {
        assert_eq!(found(&probe(|_| answer.clone())), [], "{answer:?}");
    }
}

#[test]
fn a_host_is_asked_for_what_it_checks_rightly_only() {
    // One that knows no SHA-384, and takes every signature by a P-521 key.
    let host = probe(|argument| {
        let arguments = Arguments::decode(argument).unwrap();
        let answer = match arguments.hash_function.as_str() {
            "sha384" => {
                Answer { result: false, error: "sha384 is not supported.".to_owned() }.encode_to_vec()
            }
            _ if arguments.public_key.len() == 158 => {
                Answer { result: true, error: String::new() }.encode_to_vec()
            }
            _ => envoy(argument),
        };
        Some(answer)
    });
    assert_eq!(found(&host), [Algorithm::Rs256, Algorithm::Rs512, Algorithm::Es256]);
}
