//! Keys: JSON Web Key Sets, PEM, secrets.

use proptest::prelude::*;
use sallyport_traffic::Algorithm;
use sallyport_traffic::jose::key::{MAX_KEYS, PemError, Skipped};
use sallyport_traffic::jose::{KeyError, KeySet, KeySetError, base64url};
use serde_json::{Value, json};

use crate::rfc::{examples, pem};
use crate::{data, read, set};

/// A key of the examples.
fn jwk(name: &str) -> Value {
    read(&data().join(format!("rfc/{name}.json")))["key"].take()
}

fn rsa() -> Value {
    jwk("7515-a2-rs256")
}

fn ec() -> Value {
    jwk("7515-a3-es256")
}

/// A key with members changed; null takes one out.
fn with(mut key: Value, members: Value) -> Value {
    let object = key.as_object_mut().unwrap();
    for (name, value) in members.as_object().unwrap() {
        if value.is_null() {
            object.remove(name);
        } else {
            object.insert(name.clone(), value.clone());
        }
    }
    key
}

fn keys(keys: &[&Value]) -> Result<KeySet, KeySetError> {
    KeySet::from_jwks(set(keys).as_bytes())
}

/// Why the key is skipped beside one that is not.
#[track_caller]
fn reason(key: &Value) -> Option<KeyError> {
    let other = jwk("8037-a4-eddsa");
    let set = keys(&[key, &other]).unwrap_or_else(|error| panic!("{key}: {error}"));
    assert_eq!(set.keys().len() + set.skipped().len(), 2);
    set.skipped().first().map(|skipped| {
        assert_eq!(skipped.index, 0);
        skipped.reason
    })
}

#[track_caller]
fn check(key: Value, want: Option<KeyError>) {
    assert_eq!(reason(&key), want, "{key}");
}

#[test]
fn a_key_that_can_not_be_used_is_skipped_with_its_reason() {
    check(rsa(), None);
    check(
        with(
            rsa(),
            json!({"kid": "a", "use": "sig", "alg": "PS512", "key_ops": ["verify"], "x5c": [1], "foo": {}}),
        ),
        None,
    );
    check(json!("text"), Some(KeyError::Kind));
    check(json!({}), Some(KeyError::Member("kty")));
    check(json!({"kty": 1}), Some(KeyError::Member("kty")));
    check(json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}), Some(KeyError::Type));
    check(with(rsa(), json!({"kty": "rsa"})), Some(KeyError::Type));
    check(with(rsa(), json!({"use": "enc"})), Some(KeyError::Use));
    check(with(rsa(), json!({"use": 1})), Some(KeyError::Member("use")));
    check(with(rsa(), json!({"key_ops": ["encrypt"]})), Some(KeyError::Operations));
    check(with(rsa(), json!({"key_ops": []})), Some(KeyError::Operations));
    check(with(rsa(), json!({"key_ops": "verify"})), Some(KeyError::Operations));
    check(with(rsa(), json!({"key_ops": ["verify", "verify"]})), Some(KeyError::Operations));
    check(with(rsa(), json!({"key_ops": ["verify", 1]})), Some(KeyError::Operations));
    check(with(rsa(), json!({"alg": "RSA-OAEP"})), Some(KeyError::Algorithm));
    check(with(rsa(), json!({"alg": "none"})), Some(KeyError::Algorithm));
    check(with(rsa(), json!({"alg": 1})), Some(KeyError::Member("alg")));
    check(with(rsa(), json!({"alg": "ES256"})), Some(KeyError::AlgorithmMismatch));
    check(with(rsa(), json!({"alg": "HS256"})), Some(KeyError::AlgorithmMismatch));
    check(with(ec(), json!({"alg": "ES384"})), Some(KeyError::AlgorithmMismatch));
    check(with(ec(), json!({"alg": "EdDSA"})), Some(KeyError::AlgorithmMismatch));
    check(with(rsa(), json!({"kid": 1})), Some(KeyError::Member("kid")));
    check(with(rsa(), json!({"kid": "k".repeat(513)})), Some(KeyError::KidTooLong));
    check(with(rsa(), json!({"n": null})), Some(KeyError::Member("n")));
    check(with(rsa(), json!({"n": 1})), Some(KeyError::Member("n")));
    check(with(rsa(), json!({"n": "AA=="})), Some(KeyError::Encoding("n")));
    check(with(rsa(), json!({"e": null})), Some(KeyError::Member("e")));
}

#[test]
fn rsa_keys_have_2048_to_8192_bits_and_an_odd_exponent_from_3_to_33_bits() {
    let sized = |bits: usize| {
        let mut n = vec![0xff; bits.div_ceil(8)];
        n[0] = 0xff >> (n.len() * 8 - bits);
        with(rsa(), json!({"n": base64url::encode(&n)}))
    };
    for bits in [2048, 2049, 3072, 4096, 8191, 8192] {
        check(sized(bits), None);
    }
    for bits in [8, 1024, 2040, 2047, 8193, 8200, 16_384] {
        check(sized(bits), Some(KeyError::RsaSize));
    }
    let exponent = |bytes: &[u8]| with(rsa(), json!({"e": base64url::encode(bytes)}));
    for bytes in [&[3][..], &[1, 0, 1], &[1, 0xff, 0xff, 0xff, 0xff]] {
        check(exponent(bytes), None);
    }
    for bytes in [&[][..], &[1], &[2], &[1, 0, 0], &[2, 0, 0, 0, 1], &[1; 9], &[0xff; 256]] {
        check(exponent(bytes), Some(KeyError::RsaNumbers));
    }
    check(exponent(&[0, 3]), Some(KeyError::LeadingZero("e")));
    let mut n = base64url::decode(rsa()["n"].as_str().unwrap().as_bytes()).unwrap();
    let last = n.len() - 1;
    n[last] ^= 1;
    check(with(rsa(), json!({"n": base64url::encode(&n)})), Some(KeyError::RsaNumbers));
    n[last] ^= 1;
    n.insert(0, 0);
    check(with(rsa(), json!({"n": base64url::encode(&n)})), Some(KeyError::LeadingZero("n")));
    check(with(rsa(), json!({"n": ""})), Some(KeyError::RsaNumbers));
}

#[test]
fn points_are_on_their_curve_and_have_its_size() {
    check(ec(), None);
    check(with(ec(), json!({"crv": null})), Some(KeyError::Member("crv")));
    check(with(ec(), json!({"crv": "secp256k1"})), Some(KeyError::Curve));
    check(with(ec(), json!({"crv": "P-384"})), Some(KeyError::CoordinateLength));
    check(with(ec(), json!({"y": ec()["x"]})), Some(KeyError::Point));
    check(with(ec(), json!({"y": null})), Some(KeyError::Member("y")));
    let x = base64url::decode(ec()["x"].as_str().unwrap().as_bytes()).unwrap();
    for wrong in [&x[1..], &[&[0], x.as_slice()].concat(), &[x.as_slice(), &[0]].concat(), &[]] {
        check(with(ec(), json!({"x": base64url::encode(wrong)})), Some(KeyError::CoordinateLength));
    }
    let (zero, most) = (base64url::encode(&[0; 32]), base64url::encode(&[0xff; 32]));
    check(with(ec(), json!({"x": zero, "y": zero})), Some(KeyError::Point));
    check(with(ec(), json!({"x": most})), Some(KeyError::Point));
    // A P-521 coordinate of 65 bytes, because its first is zero, is not one (RFC 7518 §6.2.1.2).
    let long = jwk("7520-4.3-es512");
    let x = base64url::decode(long["x"].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(x[0], 0);
    check(with(long, json!({"x": base64url::encode(&x[1..])})), Some(KeyError::CoordinateLength));
}

#[test]
fn ed25519_points_of_small_order_are_no_keys() {
    let okp = jwk("8037-a4-eddsa");
    let other = ec();
    let reason = |x: &[u8]| {
        let key = with(okp.clone(), json!({"x": base64url::encode(x)}));
        keys(&[&key, &other]).unwrap().skipped().first().map(|skipped| skipped.reason)
    };
    let hexadecimal = |text: &str| -> Vec<u8> {
        (0..64).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    for point in [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ] {
        assert_eq!(reason(&hexadecimal(point)), Some(KeyError::Point), "{point}");
    }
    assert_eq!(reason(&[2; 32]), Some(KeyError::Point), "no point has this y");
    assert_eq!(reason(&[1; 31]), Some(KeyError::CoordinateLength));
    assert_eq!(reason(&[1; 33]), Some(KeyError::CoordinateLength));
    check(with(okp.clone(), json!({"crv": "X25519"})), Some(KeyError::Curve));
    check(with(okp, json!({"crv": "Ed448"})), Some(KeyError::Curve));
}

#[test]
fn a_secret_is_as_long_as_the_hash_at_least() {
    let oct = |length, alg: Value| {
        with(json!({"kty": "oct", "k": base64url::encode(&vec![7; length])}), json!({"alg": alg}))
    };
    check(oct(31, json!(null)), Some(KeyError::SecretTooShort));
    check(oct(0, json!("HS256")), Some(KeyError::SecretTooShort));
    check(oct(47, json!("HS384")), Some(KeyError::AlgorithmMismatch));
    check(oct(63, json!("HS512")), Some(KeyError::AlgorithmMismatch));
    check(oct(64, json!("RS256")), Some(KeyError::AlgorithmMismatch));
    check(oct(64, json!("A256KW")), Some(KeyError::Algorithm));
    for (length, want) in [(32, 1), (47, 1), (48, 2), (63, 2), (64, 3), (100, 3)] {
        for set in [keys(&[&oct(length, json!(null))]).unwrap(), KeySet::from_raw(&vec![7; length]).unwrap()]
        {
            let algorithms = [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512];
            let found =
                algorithms.into_iter().filter(|algorithm| set.candidates(*algorithm, None).next().is_some());
            assert_eq!(found.count(), want, "{length}");
        }
    }
    let short = KeySetError::Unusable(Skipped { index: 0, reason: KeyError::SecretTooShort });
    assert_eq!(KeySet::from_raw(&[7; 31]).unwrap_err(), short);
    assert_eq!(KeySet::from_raw(&vec![7; 300_000]).unwrap_err(), KeySetError::TooLong);
}

#[test]
fn a_set_is_an_object_with_a_list_of_keys_of_which_one_can_be_used() {
    let error = |text: &str| KeySet::from_jwks(text.as_bytes()).unwrap_err();
    for text in ["[]", "{}", r#"{"keys":{}}"#, r#"{"Keys":[]}"#, "1", &rsa().to_string()] {
        assert_eq!(error(text), KeySetError::NoSet, "{text}");
    }
    assert_eq!(error(r#"{"keys":[]}"#), KeySetError::Empty);
    assert!(matches!(error("{"), KeySetError::Json(_)));
    assert!(matches!(error(r#"{"keys":[],"keys":[]}"#), KeySetError::Json(_)));
    let twice = format!(r#"{{"keys":[{{"kty":"RSA",{}]}}"#, &rsa().to_string()[1..]);
    assert!(matches!(error(&twice), KeySetError::Json(_)), "{twice}");
    let enc = with(rsa(), json!({"use": "enc"}));
    let unusable = keys(&[&enc, &json!(1)]).unwrap_err();
    assert_eq!(unusable, KeySetError::Unusable(Skipped { index: 0, reason: KeyError::Use }));
    assert_eq!(unusable.to_string(), "key 0 can't be used: its use is not sig");
    let (one, many) = (ec(), vec![json!(1); MAX_KEYS]);
    let with_one = |others: &[Value]| keys(&[&one].into_iter().chain(others).collect::<Vec<_>>());
    assert_eq!(with_one(&many[1..]).map(|set| set.skipped().len()), Ok(MAX_KEYS - 1));
    assert_eq!(with_one(&many).map(|set| set.keys().len()), Err(KeySetError::TooManyKeys));
}

#[test]
fn a_private_key_refuses_the_whole_set() {
    for (key, members) in [
        (rsa(), ["d", "p", "q", "dp", "dq", "qi", "oth"].as_slice()),
        (ec(), &["d"]),
        (jwk("8037-a4-eddsa"), &["d"]),
    ] {
        for member in members {
            // Whatever else is wrong with it.
            let private = with(key.clone(), json!({(*member): "AQAB", "use": "enc"}));
            let error = keys(&[&ec(), &private]).unwrap_err();
            assert_eq!(error, KeySetError::Private(1), "{member}");
        }
    }
}

#[test]
fn candidates_are_picked_by_kid_kind_curve_and_alg() {
    let text = set(&[
        &with(rsa(), json!({"kid": "a"})),
        &with(rsa(), json!({"kid": "b", "alg": "RS256"})),
        &with(rsa(), json!({"alg": "PS256"})),
        &with(ec(), json!({"kid": "a"})),
        &with(jwk("7520-4.3-es512"), json!({"kid": "c"})),
        &with(jwk("8037-a4-eddsa"), json!({"kid": "d"})),
        &with(jwk("7515-a1-hs256"), json!({"kid": "e"})),
    ]);
    let set = KeySet::from_jwks(text.as_bytes()).unwrap();
    let check = |algorithm, kid, want: &[usize]| {
        let found: Vec<usize> = set
            .candidates(algorithm, kid)
            .map(|key| set.keys().iter().position(|other| std::ptr::eq(key, other)).unwrap())
            .collect();
        assert_eq!(found, want, "{algorithm:?} {kid:?}");
    };
    check(Algorithm::Rs256, None, &[0, 1]);
    check(Algorithm::Rs256, Some("a"), &[0]);
    check(Algorithm::Rs256, Some("b"), &[1]);
    check(Algorithm::Rs256, Some("other"), &[]);
    check(Algorithm::Rs384, None, &[0]);
    check(Algorithm::Rs384, Some("b"), &[]);
    // A key without a kid may be any.
    check(Algorithm::Ps256, Some("a"), &[0, 2]);
    check(Algorithm::Ps256, Some("other"), &[2]);
    check(Algorithm::Es256, None, &[3]);
    check(Algorithm::Es256, Some("A"), &[]);
    check(Algorithm::Es384, None, &[]);
    check(Algorithm::Es512, None, &[4]);
    check(Algorithm::EdDsa, None, &[5]);
    check(Algorithm::Hs256, None, &[6]);
    check(Algorithm::Hs512, Some("e"), &[6]);
    check(Algorithm::Hs256, Some("a"), &[]);
    assert!(set.names("a") && set.names("e"));
    assert!(!set.names("") && !set.names("A") && !set.names("other"));
}

#[test]
fn the_fingerprint_changes_with_the_keys_and_with_nothing_else() {
    let one = keys(&[&with(rsa(), json!({"kid": "a"})), &ec()]).unwrap().fingerprint();
    let same = [
        keys(&[&with(rsa(), json!({"kid": "a", "x5t": "x", "use": "sig"})), &ec()]),
        keys(&[&with(rsa(), json!({"kid": "a"})), &json!(1), &ec()]),
    ];
    for set in same {
        assert!(set.unwrap().fingerprint() == one);
    }
    let oct = jwk("7515-a1-hs256");
    let others = [
        keys(&[&with(rsa(), json!({"kid": "b"})), &ec()]),
        keys(&[&rsa(), &ec()]),
        keys(&[&with(rsa(), json!({"kid": ""})), &ec()]),
        keys(&[&with(rsa(), json!({"kid": "a", "alg": "RS256"})), &ec()]),
        keys(&[&with(rsa(), json!({"kid": "a"}))]),
        keys(&[&with(rsa(), json!({"kid": "a", "e": "Aw"})), &ec()]),
        keys(&[&ec(), &with(rsa(), json!({"kid": "a"}))]),
        keys(&[&with(rsa(), json!({"kid": "a"})), &ec(), &ec()]),
        keys(&[&oct]),
        keys(&[&with(oct, json!({"k": base64url::encode(&[1; 64])}))]),
    ];
    let mut seen = std::collections::HashSet::from([one]);
    for set in others {
        assert!(seen.insert(set.unwrap().fingerprint()));
    }
}

#[test]
fn nothing_shows_a_secret() {
    let secret = b"a secret that nobody may ever get to see";
    let set = KeySet::from_raw(secret).unwrap();
    let shown = format!("{set:?} {:?}", set.keys()[0]);
    let want = "KeySet { keys: [Key { kid: None, algorithm: None, material: Secret, .. }], skipped: [], \
                fingerprint: Fingerprint } Key { kid: None, algorithm: None, material: Secret, .. }";
    assert_eq!(shown, want);
}

/// The SubjectPublicKeyInfo of an example.
fn spki(name: &str) -> Vec<u8> {
    let (_, keys, _) = examples().into_iter().find(|(other, ..)| other == name).unwrap();
    keys.keys()[0].spki().unwrap().to_vec()
}

#[test]
fn pem_may_hold_several_keys_with_text_around() {
    let (one, two) = (pem(&spki("7515-a2-rs256")), pem(&spki("7515-a3-es256")));
    let set = KeySet::from_pem(format!("first\n{one}second\n\n{two}\n--\u{e9}").as_bytes()).unwrap();
    assert_eq!(set.keys().len(), 2);
    let latin = [b"caf\xe9\n".as_slice(), one.as_bytes()].concat();
    assert_eq!(KeySet::from_pem(&latin).unwrap().keys().len(), 1);
    let windows = one.replace('\n', "\r\n");
    assert_eq!(KeySet::from_pem(windows.as_bytes()).unwrap().keys().len(), 1);
    let line = one.replace('\n', " ");
    assert_eq!(KeySet::from_pem(line.as_bytes()).unwrap().keys().len(), 1);
    let set = KeySet::from_pem(one.repeat(MAX_KEYS).as_bytes());
    assert_eq!(set.map(|set| set.keys().len()), Ok(MAX_KEYS));
    assert_eq!(KeySet::from_pem(one.repeat(MAX_KEYS + 1).as_bytes()).unwrap_err(), KeySetError::TooManyKeys);
}

#[test]
fn what_is_no_public_key_in_pem_says_so() {
    let good = pem(&spki("7515-a3-es256"));
    let relabelled = |label: &str| good.replace("PUBLIC KEY", label);
    let cut = &good[..good.len() - 30];
    for (text, want) in [
        (String::new(), PemError::NoBlock),
        ("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE".to_owned(), PemError::NoBlock),
        (relabelled("CERTIFICATE"), PemError::Certificate),
        (relabelled("PRIVATE KEY"), PemError::Private),
        (relabelled("ENCRYPTED PRIVATE KEY"), PemError::Private),
        (relabelled("EC PRIVATE KEY"), PemError::Private),
        (relabelled("RSA PUBLIC KEY"), PemError::OtherPublic),
        (relabelled("EC PARAMETERS"), PemError::Label),
        (relabelled(""), PemError::Label),
        // One key too many is one that the author did not mean.
        (good.clone() + &relabelled("PRIVATE KEY"), PemError::Private),
        (cut.to_owned(), PemError::Block),
        (good.replace("END PUBLIC KEY", "END PRIVATE KEY"), PemError::Block),
        (good.replace("M", "*"), PemError::Block),
        (good.replace("==", ""), PemError::Block),
        ("-----BEGIN PUBLIC KEY".to_owned(), PemError::Block),
        ("-----BEGIN PUBLIC KEY-----".to_owned(), PemError::Block),
    ] {
        // The replacement of padding only says something where there is some.
        if text != good {
            assert_eq!(KeySet::from_pem(text.as_bytes()).unwrap_err(), KeySetError::Pem(want), "{text}");
        }
    }
    assert_eq!(KeySet::from_pem(&[b'-'; 300_000]).unwrap_err(), KeySetError::TooLong);
}

#[test]
fn der_has_one_form() {
    let reason = |der: &[u8]| match KeySet::from_pem(pem(der).as_bytes()) {
        Ok(_) => None,
        Err(KeySetError::Unusable(skipped)) => Some(skipped.reason),
        Err(error) => panic!("{error}"),
    };
    for name in ["7515-a2-rs256", "7515-a3-es256", "7515-a4-es512", "8037-a4-eddsa"] {
        let der = spki(name);
        assert_eq!(reason(&der), None, "{name}");
        assert!(reason(&[der.as_slice(), &[0]].concat()).is_some(), "{name} with more behind it");
        for length in 0..der.len() {
            assert!(reason(&der[..length]).is_some(), "{name} cut at {length}");
        }
    }
    let ec = spki("7515-a3-es256");
    let edited = |at: usize, bytes: &[u8]| [&ec[..at], bytes, &ec[at + bytes.len()..]].concat();
    // A length in two bytes, where one is enough.
    assert_eq!(reason(&[&[0x30, 0x81], &ec[1..]].concat()), Some(KeyError::Der));
    assert_eq!(reason(&edited(25, &[1])), Some(KeyError::Der), "an unused bit");
    assert_eq!(reason(&edited(26, &[2])), Some(KeyError::Point), "a compressed point");
    assert_eq!(reason(&edited(22, &[8])), Some(KeyError::Type), "another curve");
    assert_eq!(reason(&edited(90, &[ec[90] ^ 1])), Some(KeyError::Point), "no point of the curve");
    // rsaEncryption without its NULL, and id-RSASSA-PSS, which is for one algorithm only.
    let rsa = spki("7515-a2-rs256");
    let pss = [&rsa[..16], &[0x0a], &rsa[17..]].concat();
    assert_eq!(reason(&pss), Some(KeyError::Type));
}

proptest! {
    #[test]
    fn any_bytes_are_keys_or_refused(bytes: Vec<u8>) {
        let _ = KeySet::from_jwks(&bytes);
        let _ = KeySet::from_pem(&bytes);
        let _ = KeySet::from_pem(pem(&bytes).as_bytes());
        let _ = KeySet::from_raw(&bytes);
    }

    #[test]
    fn a_changed_key_in_der_is_refused_or_is_another_key(at in 0..400_usize, bit in 0..8_u32, name in 0..4_usize) {
        let der = spki(["7515-a2-rs256", "7515-a3-es256", "7515-a4-es512", "8037-a4-eddsa"][name]);
        let at = at % der.len();
        let mut changed = der.clone();
        changed[at] ^= 1_u8 << bit;
        if let Ok(set) = KeySet::from_pem(pem(&changed).as_bytes()) {
            prop_assert_eq!(set.keys()[0].spki(), Some(changed.as_slice()));
        }
    }
}
