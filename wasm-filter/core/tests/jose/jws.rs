//! Compact serialization, read strictly.

use proptest::prelude::*;
use sallyport_traffic::Algorithm;
use sallyport_traffic::jose::base64url::{decode, encode};
use sallyport_traffic::jose::jws::{MAX_KID, MAX_LENGTH};
use sallyport_traffic::jose::{JsonError, Jws, JwsError};

fn token(header: &str) -> String {
    format!("{}.{}.{}", encode(header.as_bytes()), encode(b"{}"), encode(b"signature"))
}

#[track_caller]
fn check(header: &str, want: Option<JwsError>) {
    let token = token(header);
    assert_eq!(Jws::parse(token.as_bytes()).err(), want, "{header}");
}

#[test]
fn a_header_says_the_algorithm_and_may_say_key_and_type() {
    let token = token(r#"{"typ":"at+jwt","alg":"ES256","kid":"ä","cty":"JWT","x":{"y":[1]}}"#);
    let jws = Jws::parse(token.as_bytes()).unwrap();
    assert_eq!(jws.algorithm(), Algorithm::Es256);
    assert_eq!(jws.kid(), Some("ä"));
    assert_eq!(jws.typ(), Some("at+jwt"));
    assert_eq!(jws.payload(), b"{}");
    assert_eq!(jws.signature(), b"signature");
    assert_eq!(jws.signing_input(), &token.as_bytes()[..token.rfind('.').unwrap()]);
}

#[test]
fn each_reason_has_its_error() {
    check(r#"{"alg":"RS256"}"#, None);
    check(r#"{"alg":"RS256","kid":"","typ":""}"#, None);
    // Keys that a token brings along are not looked at, whatever they are (RFC 8725 §3.10).
    check(r#"{"alg":"RS256","jku":"https://evil.example","jwk":{"kty":"oct"},"x5u":1,"x5c":null}"#, None);
    check(r#"{"alg":"none"}"#, Some(JwsError::UnknownAlgorithm));
    check(r#"{"alg":"rs256"}"#, Some(JwsError::UnknownAlgorithm));
    check(r#"{"alg":"ES256K"}"#, Some(JwsError::UnknownAlgorithm));
    check(r#"{"alg":""}"#, Some(JwsError::UnknownAlgorithm));
    check(r#"{"alg":null}"#, Some(JwsError::NoAlgorithm));
    check(r#"{"alg":["RS256"]}"#, Some(JwsError::NoAlgorithm));
    check(r#"{"typ":"JWT"}"#, Some(JwsError::NoAlgorithm));
    check(r#"{"alg":"RS256","crit":["exp"],"exp":1}"#, Some(JwsError::Critical));
    check(r#"{"alg":"RS256","crit":[]}"#, Some(JwsError::Critical));
    check(r#"{"alg":"RS256","crit":null}"#, Some(JwsError::Critical));
    check(r#"{"alg":"RS256","crit":["b64"],"b64":false}"#, Some(JwsError::Critical));
    check(r#"{"alg":"RS256","b64":false}"#, Some(JwsError::UnencodedPayload));
    check(r#"{"alg":"RS256","b64":true}"#, Some(JwsError::UnencodedPayload));
    check(r#"{"alg":"RS256","kid":1}"#, Some(JwsError::Kid));
    check(r#"{"alg":"RS256","kid":null}"#, Some(JwsError::Kid));
    check(r#"{"alg":"RS256","typ":{}}"#, Some(JwsError::Typ));
    check(r#"{"alg":"RS256","alg":"RS256"}"#, Some(JwsError::Header(JsonError::Duplicate(29))));
    check(r#"{"alg":"none","\u0061lg":"RS256"}"#, Some(JwsError::Header(JsonError::Duplicate(33))));
    check(r#"{"alg":"RS256","x":{"a":1,"a":2}}"#, Some(JwsError::Header(JsonError::Duplicate(32))));
    check(r#"{"alg":"RS256"} "#, None);
    check(r#"{"alg":"RS256"}{}"#, Some(JwsError::Header(JsonError::Trailing(15))));
    check(r#""RS256""#, Some(JwsError::HeaderKind));
    check("[]", Some(JwsError::HeaderKind));
    check("", Some(JwsError::Header(JsonError::Syntax(0))));
    let kid = |length| format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(length));
    check(&kid(MAX_KID), None);
    check(&kid(MAX_KID + 1), Some(JwsError::KidTooLong));
}

#[test]
fn a_token_has_three_parts_in_base64url() {
    let header = encode(br#"{"alg":"RS256"}"#);
    let check = |token: &str, want| assert_eq!(Jws::parse(token.as_bytes()).err(), Some(want), "{token}");
    check("", JwsError::Parts);
    check(&header, JwsError::Parts);
    check(&format!("{header}.e30"), JwsError::Parts);
    check(&format!("{header}.e30.AAAA."), JwsError::Parts);
    check(&format!("{header}.a.b.c.d"), JwsError::Parts);
    check("..", JwsError::Header(JsonError::Syntax(0)));
    check(&format!("{header}.e30."), JwsError::Unsigned);
    check(&format!("{header}=.e30.AAAA"), JwsError::HeaderEncoding);
    check(&format!(" {header}.e30.AAAA"), JwsError::HeaderEncoding);
    check(&format!("{header}.e30=.AAAA"), JwsError::PayloadEncoding);
    check(&format!("{header}.e31.AAAA"), JwsError::PayloadEncoding);
    check(&format!("{header}.e30.AAA+"), JwsError::SignatureEncoding);
    check(&format!("{header}.e30.AAAA\n"), JwsError::SignatureEncoding);
    check(&format!("{header}.e30.AAé"), JwsError::SignatureEncoding);
    let long = |length: usize| {
        let around = format!("{header}..AAAA");
        format!("{header}.{}.AAAA", "A".repeat(length - around.len()))
    };
    // One of the two lengths is no length of base64url.
    assert_eq!(
        Jws::parse(long(MAX_LENGTH - 1).as_bytes()).or(Jws::parse(long(MAX_LENGTH).as_bytes())).err(),
        None
    );
    check(&long(MAX_LENGTH + 1), JwsError::TooLong);
}

#[test]
fn a_media_type_is_compared_as_rfc_7515_says() {
    let typ = |typ: &str| token(&format!(r#"{{"alg":"RS256","typ":"{typ}"}}"#));
    let is = |have: &str, wanted| Jws::parse(typ(have).as_bytes()).unwrap().is_of_type(wanted);
    for (have, wanted) in [
        ("at+jwt", "at+jwt"),
        ("AT+JWT", "at+jwt"),
        ("application/at+jwt", "at+jwt"),
        ("Application/At+Jwt", "at+jwt"),
        ("JWT", "application/jwt"),
        ("application/a/b", "application/a/b"),
    ] {
        assert!(is(have, wanted), "{have} {wanted}");
    }
    for (have, wanted) in [
        ("JWT", "at+jwt"),
        ("", "at+jwt"),
        ("text/jwt", "jwt"),
        ("application/a/b", "a/b"),
        ("äpplication/x", "x"),
    ] {
        assert!(!is(have, wanted), "{have} {wanted}");
    }
    assert!(!Jws::parse(token(r#"{"alg":"RS256"}"#).as_bytes()).unwrap().is_of_type("JWT"));
}

#[test]
fn no_error_tells_anything_of_the_token() {
    let secret = "c2VjcmV0LXNlY3JldA";
    for token in [
        secret.to_owned(),
        format!("{secret}.{secret}.{secret}"),
        format!("{}.{secret}.{secret}=", encode(br#"{"alg":"RS256"}"#)),
        format!("{}.{secret}.{secret}", encode(br#"{"alg":"secret-secret"}"#)),
        format!("{}.{secret}.{secret}", encode(br#"{"alg":"RS256","secret-secret":1,"secret-secret":1}"#)),
        format!("{}.{secret}.{secret}", encode(br#"{"alg":"RS256","crit":["secret-secret"]}"#)),
    ] {
        let error = Jws::parse(token.as_bytes()).unwrap_err();
        for shown in [error.to_string(), format!("{error:?}")] {
            assert!(!shown.contains("secret") && !shown.contains("c2Vj"), "{shown}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = Jws::parse(&bytes);
    }

    #[test]
    fn what_is_read_is_the_whole_token(header in "\\PC{0,40}", payload: Vec<u8>, signature: Vec<u8>) {
        let header = serde_json::json!({"alg": "HS256", "kid": header}).to_string();
        let token = format!("{}.{}.{}", encode(header.as_bytes()), encode(&payload), encode(&signature));
        match Jws::parse(token.as_bytes()) {
            Ok(jws) => {
                prop_assert_eq!(jws.payload(), payload);
                prop_assert_eq!(jws.signature(), &signature);
                let end = token.rfind('.').unwrap();
                prop_assert_eq!(jws.signing_input(), &token.as_bytes()[..end]);
                prop_assert_eq!(decode(&token.as_bytes()[end + 1..]), Some(signature));
            }
            Err(error) => prop_assert!(error == JwsError::Unsigned && signature.is_empty(), "{}", error),
        }
    }
}
