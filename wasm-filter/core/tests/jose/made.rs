//! Tokens that AWS-LC signs with keys that it makes.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use aws_lc_rs::{hmac, rand};
use sallyport_traffic::Algorithm;
use sallyport_traffic::jose::{KeySet, base64url};

use crate::accepts;
use crate::rfc::pem;

/// Signs a token with it, whose key must accept it, and no other key and for no other algorithm.
#[track_caller]
fn check(keys: &KeySet, others: &KeySet, algorithm: Algorithm, sign: impl Fn(&[u8]) -> Vec<u8>) {
    let header = format!(r#"{{"typ":"JWT","alg":"{}"}}"#, algorithm.name());
    let token = |payload: &str| {
        let input =
            format!("{}.{}", base64url::encode(header.as_bytes()), base64url::encode(payload.as_bytes()));
        let signature = sign(input.as_bytes());
        (input, base64url::encode(&signature))
    };
    let (input, signature) = token(r#"{"sub":"a"}"#);
    let (other_input, other_signature) = token(r#"{"sub":"b"}"#);
    assert!(accepts(keys, &format!("{input}.{signature}")), "{algorithm:?}");
    assert!(accepts(keys, &format!("{other_input}.{other_signature}")), "{algorithm:?}");
    assert!(!accepts(keys, &format!("{input}.{other_signature}")), "{algorithm:?}");
    assert!(!accepts(others, &format!("{input}.{signature}")), "{algorithm:?}");
    let (_, payload) = input.split_once('.').unwrap();
    for other in
        ["RS256", "RS384", "PS256", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS512", "none"]
    {
        if other != algorithm.name() {
            let header = base64url::encode(format!(r#"{{"alg":"{other}"}}"#).as_bytes());
            assert!(!accepts(keys, &format!("{header}.{payload}.{signature}")), "{algorithm:?} as {other}");
        }
    }
}

fn public(der: &[u8]) -> KeySet {
    KeySet::from_pem(pem(der).as_bytes()).unwrap()
}

#[test]
fn rsa() {
    let algorithms: [(Algorithm, &'static dyn RsaEncoding); 6] = [
        (Algorithm::Rs256, &RSA_PKCS1_SHA256),
        (Algorithm::Rs384, &RSA_PKCS1_SHA384),
        (Algorithm::Rs512, &RSA_PKCS1_SHA512),
        (Algorithm::Ps256, &RSA_PSS_SHA256),
        (Algorithm::Ps384, &RSA_PSS_SHA384),
        (Algorithm::Ps512, &RSA_PSS_SHA512),
    ];
    let keys = |size| {
        let pair = RsaKeyPair::generate(size).unwrap();
        let der = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
        (public(der.as_ref()), pair)
    };
    let (others, _) = keys(KeySize::Rsa2048);
    for size in [KeySize::Rsa2048, KeySize::Rsa3072] {
        let (keys, pair) = keys(size);
        for (algorithm, encoding) in algorithms {
            check(&keys, &others, algorithm, |message| {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            });
        }
    }
}

#[test]
fn ecdsa() {
    let algorithms: [(Algorithm, &'static EcdsaSigningAlgorithm); 3] = [
        (Algorithm::Es256, &ECDSA_P256_SHA256_FIXED_SIGNING),
        (Algorithm::Es384, &ECDSA_P384_SHA384_FIXED_SIGNING),
        (Algorithm::Es512, &ECDSA_P521_SHA512_FIXED_SIGNING),
    ];
    for (algorithm, signing) in algorithms {
        let keys = || {
            let pair = EcdsaKeyPair::generate(signing).unwrap();
            let der = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
            (public(der.as_ref()), pair)
        };
        let ((keys, pair), (others, _)) = (keys(), keys());
        // Often enough for numbers with leading zeros and leading ones in DER.
        for _ in 0..20 {
            check(&keys, &others, algorithm, |message| {
                pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
            });
        }
    }
}

#[test]
fn ed25519() {
    let keys = || {
        let pair = Ed25519KeyPair::generate().unwrap();
        let der = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
        (public(der.as_ref()), pair)
    };
    let ((keys, pair), (others, _)) = (keys(), keys());
    check(&keys, &others, Algorithm::EdDsa, |message| pair.sign(message).as_ref().to_vec());
}

#[test]
fn hmac() {
    for (algorithm, hash) in [
        (Algorithm::Hs256, hmac::HMAC_SHA256),
        (Algorithm::Hs384, hmac::HMAC_SHA384),
        (Algorithm::Hs512, hmac::HMAC_SHA512),
    ] {
        let keys = || {
            let mut secret = [0; 64];
            rand::fill(&mut secret).unwrap();
            (KeySet::from_raw(&secret).unwrap(), secret)
        };
        let ((keys, secret), (others, _)) = (keys(), keys());
        check(&keys, &others, algorithm, |message| {
            hmac::sign(&hmac::Key::new(hash, &secret), message).as_ref().to_vec()
        });
    }
}
