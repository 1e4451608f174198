//! Keys that are fetched.

use sallyport_traffic::decide::{Step, Wait};
use sallyport_traffic::jose::base64url;
use sallyport_traffic::keys::{Fetch, Fetched};
use serde_json::{Value, json};

use super::proxy::{Proxy, Request};
use super::tokens::token;

/// An RSA key that signs nothing here: whether a signature is right is others' to test.
fn jwks(kid: &str) -> String {
    let modulus = base64url::encode(&[0xc5; 256]);
    json!({"keys": [{"kty": "RSA", "kid": kid, "n": modulus, "e": "AQAB"}]}).to_string()
}

fn proxy() -> Proxy {
    Proxy::with(spec())
}

fn request(kid: &str) -> Request {
    let hs256 = token("one", json!({"exp": super::proxy::NOW + 86_400}));
    let payload = hs256.split('.').nth(1).unwrap();
    let header = base64url::encode(json!({"alg": "RS256", "kid": kid}).to_string().as_bytes());
    Request::get("/").bearer(&format!("{header}.{payload}.{}", base64url::encode(&[1; 256])))
}

fn answer(proxy: &mut Proxy, status: u16, body: &str, cache_control: &[&[u8]]) -> Fetch {
    let answer = Fetched { status, cache_control, age: 0, body: body.as_bytes() };
    proxy.worker.fetched(&proxy.host, 0, Some(answer)).unwrap().unwrap()
}

fn due(proxy: &mut Proxy) -> bool {
    let (_, due) = proxy.worker.tick(&proxy.host).unwrap();
    assert!(due.iter().all(|due| due.source.authority == "issuer.example" && due.source.path == "/keys"));
    !due.is_empty()
}

fn waits(proxy: &mut Proxy, kid: &str) -> bool {
    matches!(proxy.decide(&request(kid)), Step::Wait(Wait::Keys))
}

#[track_caller]
fn told(proxy: &mut Proxy, kid: &str) -> String {
    proxy.ask(&request(kid)).told
}

#[test]
fn a_request_waits_for_the_first_keys_and_is_then_decided() {
    let mut proxy = proxy();
    assert!(waits(&mut proxy, "a"));
    assert!(due(&mut proxy) && !due(&mut proxy));
    assert!(waits(&mut proxy, "a"));
    assert_eq!(answer(&mut proxy, 200, &jwks("a"), &[]), Fetch::Changed);
    assert_eq!(proxy.worker.tick(&proxy.host).unwrap(), (true, vec![]));
    assert_eq!(told(&mut proxy, "a"), "denied signature");
}

#[test]
fn a_bad_token_does_not_wait() {
    let mut proxy = proxy();
    let got = proxy.ask(&Request::get("/").bearer("a.b.c"));
    assert_eq!(got.told, "denied malformed_token");
}

#[test]
fn without_keys_nobody_is_let_in_and_none_waits_after_a_failure() {
    let mut proxy = proxy();
    assert!(due(&mut proxy));
    assert_eq!(answer(&mut proxy, 500, "", &[]), Fetch::Status(500));
    proxy.worker.tick(&proxy.host).unwrap();
    let got = proxy.ask(&request("a"));
    assert_eq!((got.status, got.told.as_str()), (503, "denied no_keys"));
    assert_eq!(got.header("retry-after"), Some("1"));
}

#[test]
fn what_is_no_key_set_replaces_none_and_keys_lapse_at_their_hard_limit() {
    let mut proxy = proxy();
    assert!(due(&mut proxy));
    answer(&mut proxy, 200, &jwks("a"), &[]);
    for (status, body, want) in [
        (200, "{}", Fetch::Unusable),
        (200, "<html>", Fetch::Unusable),
        (302, "", Fetch::Status(302)),
        (200, &*" ".repeat((256 << 10) + 1), Fetch::TooLarge),
    ] {
        proxy.host.seconds.set(proxy.host.seconds.get() + 301);
        proxy.worker.tick(&proxy.host).unwrap();
        assert_eq!(answer(&mut proxy, status, body, &[]), want);
        proxy.worker.tick(&proxy.host).unwrap();
        assert_eq!(told(&mut proxy, "a"), "denied signature", "{want:?}");
    }
    // An hour after the keys arrived.
    proxy.host.seconds.set(1000 + 3600);
    assert_eq!(told(&mut proxy, "a"), "denied signature");
    assert_eq!(proxy.worker.key_ages(&proxy.host).next(), Some(("fetched", 3_600_000_000_000)));
    proxy.host.seconds.set(1000 + 3601);
    assert_eq!(told(&mut proxy, "a"), "denied no_keys");
}

#[test]
fn an_unknown_kid_has_the_keys_fetched_once_and_is_then_refused() {
    let mut proxy = proxy();
    assert!(due(&mut proxy));
    answer(&mut proxy, 200, &jwks("a"), &[b"max-age=3600"]);
    proxy.worker.tick(&proxy.host).unwrap();
    assert_eq!(told(&mut proxy, "b"), "denied unknown_key", "keys that have just come are not fetched again");
    proxy.host.seconds.set(1011);
    assert!(waits(&mut proxy, "c"));
    assert!(due(&mut proxy));
    answer(&mut proxy, 200, &jwks("c"), &[b"max-age=3600"]);
    proxy.worker.tick(&proxy.host).unwrap();
    assert_eq!(told(&mut proxy, "c"), "denied signature");
    proxy.host.seconds.set(1022);
    assert!(waits(&mut proxy, "d"));
    assert!(due(&mut proxy));
    answer(&mut proxy, 200, &jwks("c"), &[b"max-age=3600"]);
    proxy.worker.tick(&proxy.host).unwrap();
    assert_eq!(told(&mut proxy, "d"), "denied unknown_key");
    assert_eq!(told(&mut proxy, "e"), "denied unknown_key");
}

#[test]
fn a_key_that_is_new_just_after_a_fetch_is_fetched_as_soon_as_may_be() {
    let mut proxy = proxy();
    assert!(due(&mut proxy));
    answer(&mut proxy, 200, &jwks("a"), &[b"max-age=3600"]);
    proxy.worker.tick(&proxy.host).unwrap();
    for seconds in [1000, 1009] {
        proxy.host.seconds.set(seconds);
        assert_eq!(told(&mut proxy, "b"), "denied unknown_key", "at {seconds}");
    }
    proxy.host.seconds.set(1010);
    assert!(waits(&mut proxy, "b"));
    assert!(due(&mut proxy));
    answer(&mut proxy, 200, &jwks("a"), &[b"max-age=3600"]);
    proxy.worker.tick(&proxy.host).unwrap();
    // In vain: that makes nobody wait longer.
    for (seconds, is_early) in [(1019, true), (1020, false)] {
        proxy.host.seconds.set(seconds);
        assert_eq!(waits(&mut proxy, "b"), !is_early, "at {seconds}");
    }
}

#[test]
fn keys_are_fetched_again_as_the_answer_says() {
    for (cache_control, early, late) in
        [("max-age=1200", 959, 1200), ("no-store", 23, 30), ("", 239, 300), ("max-age=99999999", 2879, 3600)]
    {
        let mut proxy = proxy();
        assert!(due(&mut proxy));
        answer(&mut proxy, 200, &jwks("a"), &[cache_control.as_bytes()]);
        proxy.host.seconds.set(1000 + early);
        assert!(!due(&mut proxy), "{cache_control}");
        proxy.host.seconds.set(1000 + late);
        assert!(due(&mut proxy), "{cache_control}");
    }
}

#[test]
fn a_worker_finds_what_another_has_fetched() {
    let mut one = proxy();
    assert!(due(&mut one));
    answer(&mut one, 200, &jwks("a"), &[]);
    let host = std::mem::take(&mut one.host);
    let mut two = Proxy::on(host, spec());
    assert!(waits(&mut two, "a"));
    assert!(!due(&mut two));
    assert_eq!(told(&mut two, "a"), "denied signature");
}

fn spec() -> Value {
    json!({"jwt": {
        "providers": [{
            "name": "fetched", "issuer": "one", "audiences": ["shop"], "algorithms": ["RS256"],
            "jwks": {"uri": "https://issuer.example/keys", "maxStale": "1h"},
        }],
        "rules": [{"name": "all", "match": [{}], "require": {"anyOf": ["fetched"]}}],
    }})
}
