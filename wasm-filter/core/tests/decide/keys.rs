//! Keys that are fetched.

use sallyport_traffic::decide::{Ended, Step, Tick, Wait};
use sallyport_traffic::jose::{JsonError, KeySetError, base64url};
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
    ended(proxy, status, body, cache_control).fetch
}

fn ended(proxy: &mut Proxy, status: u16, body: &str, cache_control: &[&[u8]]) -> Ended {
    let answer = Fetched { status, cache_control, age: 0, body: body.as_bytes() };
    proxy.worker.fetched(&proxy.host, 0, Some(answer)).unwrap().unwrap()
}

fn due(proxy: &mut Proxy) -> bool {
    let Tick { due, failed, .. } = proxy.worker.tick(&proxy.host);
    assert_eq!(failed, None);
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
    assert_eq!(answer(&mut proxy, 200, &jwks("a"), &[]), Fetch::First);
    assert_eq!(proxy.worker.tick(&proxy.host), Tick { ended: true, ..Tick::default() });
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
    proxy.worker.tick(&proxy.host);
    let got = proxy.ask(&request("a"));
    assert_eq!((got.status, got.told.as_str()), (503, "denied no_keys"));
    assert_eq!(got.header("retry-after"), Some("1"));
    for (failures, wait) in [(2, "2"), (3, "4"), (4, "8"), (5, "10"), (6, "10")] {
        proxy.host.seconds.set(proxy.host.seconds.get() + 10);
        assert!(due(&mut proxy));
        answer(&mut proxy, 500, "", &[]);
        proxy.worker.tick(&proxy.host);
        let got = proxy.ask(&request("a"));
        assert_eq!((got.status, got.header("retry-after")), (503, Some(wait)), "after {failures}");
        assert_eq!(got.line, "verdict=denied reason=no_keys rule=all provider=fetched policy=shop/api");
    }
    proxy.host.seconds.set(proxy.host.seconds.get() + 10);
    assert!(due(&mut proxy));
    answer(&mut proxy, 200, &jwks("a"), &[]);
    proxy.worker.tick(&proxy.host);
    assert_eq!(told(&mut proxy, "a"), "denied signature");
}

#[test]
fn in_shadow_nobody_is_held_up_for_keys_or_refused_without_them() {
    let mut shadow = spec();
    shadow["mode"] = json!("Shadow");
    let mut proxy = Proxy::with(shadow);
    // None have come yet.
    let got = proxy.ask(&request("a"));
    assert_eq!((got.status, got.told.as_str()), (200, "shadowed no_keys"));
    assert!(due(&mut proxy));
    answer(&mut proxy, 500, "", &[]);
    proxy.worker.tick(&proxy.host);
    assert_eq!(proxy.ask(&request("a")).told, "shadowed no_keys");
    proxy.host.seconds.set(1002);
    assert!(due(&mut proxy));
    answer(&mut proxy, 200, &jwks("a"), &[b"max-age=3600"]);
    proxy.worker.tick(&proxy.host);
    assert_eq!(proxy.ask(&request("a")).told, "shadowed signature");
    // One that may be new has keys fetched all the same.
    proxy.host.seconds.set(1013);
    let got = proxy.ask(&request("b"));
    assert_eq!((got.status, got.told.as_str()), (200, "shadowed no_keys"));
    assert!(due(&mut proxy));
    assert_eq!(proxy.without_keys(&request("b")).told, "shadowed no_keys");
}

#[test]
fn whoever_has_waited_long_enough_is_told_whose_keys_did_not_come() {
    let mut proxy = proxy();
    assert!(waits(&mut proxy, "a"));
    assert!(due(&mut proxy));
    let got = proxy.without_keys(&request("a"));
    assert_eq!((got.status, got.told.as_str()), (503, "denied no_keys"));
    assert_eq!(got.line, "verdict=denied reason=no_keys rule=all provider=fetched policy=shop/api");
    assert_eq!(got.header("retry-after"), Some("1"));
}

#[test]
fn a_key_that_another_worker_has_fetched_is_known_at_once() {
    let mut one = proxy();
    assert!(due(&mut one));
    answer(&mut one, 200, &jwks("old"), &[b"max-age=3600"]);
    let mut two = Proxy::on(std::mem::take(&mut one.host), spec());
    two.worker.tick(&two.host);
    assert_eq!(told(&mut two, "old"), "denied signature");
    // The other fetches the new key, of which this one has not heard.
    two.host.seconds.set(1011);
    one.host = std::mem::take(&mut two.host);
    one.worker.tick(&one.host);
    assert!(waits(&mut one, "new"));
    assert!(due(&mut one));
    answer(&mut one, 200, &jwks("new"), &[b"max-age=3600"]);
    two.host = std::mem::take(&mut one.host);
    assert_eq!(told(&mut two, "new"), "denied signature");
    assert_eq!(told(&mut two, "other"), "denied unknown_key");
    // Whoever waits there is told by the next look all the same.
    assert!(two.worker.tick(&two.host).ended);
    assert!(!two.worker.tick(&two.host).ended);
}

#[test]
fn whoever_operates_the_proxy_is_told_what_became_of_keys() {
    let address = "https://issuer.example/keys";
    let cant = format!("keys of provider fetched can't be fetched from {address}: ");
    let mut proxy = proxy();
    assert!(!proxy.worker.key_states(&proxy.host).next().unwrap().are_usable);
    assert!(due(&mut proxy));
    let failed = ended(&mut proxy, 503, "", &[]);
    assert_eq!(failed.told, format!("{cant}the answer was 503; there are none; next try in 1s"));
    assert!(!failed.are_usable);
    let good = ended(&mut proxy, 200, &jwks("a"), &[]);
    assert_eq!(
        good.told,
        format!("keys of provider fetched were fetched from {address}: they are the first")
    );
    proxy.worker.tick(&proxy.host);
    assert!(proxy.worker.key_states(&proxy.host).next().unwrap().are_usable);
    proxy.host.seconds.set(1000 + 3000);
    let failed = ended(&mut proxy, 404, "", &[]);
    assert_eq!(
        failed.told,
        format!("{cant}the answer was 404; the last are good for 10m more; next try in 1s")
    );
    assert!(failed.are_usable);
    proxy.host.seconds.set(1000 + 3700);
    let private = jwks("a").replace("\"e\"", "\"d\":\"AQAB\",\"e\"");
    let failed = ended(&mut proxy, 200, &private, &[]);
    assert_eq!(failed.fetch.word(), "private_key");
    assert!(failed.told.ends_with("; the last are too old to be used; next try in 2s"), "{}", failed.told);
    assert!(failed.told.contains("holds a private key"), "{}", failed.told);
    proxy.worker.tick(&proxy.host);
    assert!(!proxy.worker.key_states(&proxy.host).next().unwrap().are_usable);
    assert_eq!(ended(&mut proxy, 200, &jwks("a"), &[]).fetch, Fetch::Same);
    assert_eq!(ended(&mut proxy, 200, &jwks("b"), &[]).fetch, Fetch::Changed);
}

#[test]
fn what_is_no_key_set_replaces_none_and_keys_lapse_at_their_hard_limit() {
    let mut proxy = proxy();
    assert!(due(&mut proxy));
    answer(&mut proxy, 200, &jwks("a"), &[]);
    for (status, body, want) in [
        (200, "{}", Fetch::Unusable(KeySetError::NoSet)),
        (200, "<html>", Fetch::Unusable(KeySetError::Json(JsonError::Syntax(0)))),
        (302, "", Fetch::Status(302)),
        (200, &*" ".repeat((256 << 10) + 1), Fetch::TooLarge),
    ] {
        proxy.host.seconds.set(proxy.host.seconds.get() + 301);
        proxy.worker.tick(&proxy.host);
        assert_eq!(answer(&mut proxy, status, body, &[]), want);
        proxy.worker.tick(&proxy.host);
        assert_eq!(told(&mut proxy, "a"), "denied signature", "{want:?}");
    }
    // An hour after the keys arrived.
    proxy.host.seconds.set(1000 + 3600);
    assert_eq!(told(&mut proxy, "a"), "denied signature");
    let state = proxy.worker.key_states(&proxy.host).next().unwrap();
    assert_eq!((state.provider, state.age, state.are_usable), ("fetched", Some(3_600_000_000_000), true));
    proxy.host.seconds.set(1000 + 3601);
    assert_eq!(told(&mut proxy, "a"), "denied no_keys");
}

#[test]
fn an_unknown_kid_has_the_keys_fetched_once_and_is_then_refused() {
    let mut proxy = proxy();
    assert!(due(&mut proxy));
    answer(&mut proxy, 200, &jwks("a"), &[b"max-age=3600"]);
    proxy.worker.tick(&proxy.host);
    assert_eq!(told(&mut proxy, "b"), "denied unknown_key", "keys that have just come are not fetched again");
    proxy.host.seconds.set(1011);
    assert!(waits(&mut proxy, "c"));
    assert!(due(&mut proxy));
    answer(&mut proxy, 200, &jwks("c"), &[b"max-age=3600"]);
    proxy.worker.tick(&proxy.host);
    assert_eq!(told(&mut proxy, "c"), "denied signature");
    proxy.host.seconds.set(1022);
    assert!(waits(&mut proxy, "d"));
    assert!(due(&mut proxy));
    answer(&mut proxy, 200, &jwks("c"), &[b"max-age=3600"]);
    proxy.worker.tick(&proxy.host);
    assert_eq!(told(&mut proxy, "d"), "denied unknown_key");
    assert_eq!(told(&mut proxy, "e"), "denied unknown_key");
}

#[test]
fn a_key_that_is_new_just_after_a_fetch_is_fetched_as_soon_as_may_be() {
    let mut proxy = proxy();
    assert!(due(&mut proxy));
    answer(&mut proxy, 200, &jwks("a"), &[b"max-age=3600"]);
    proxy.worker.tick(&proxy.host);
    for seconds in [1000, 1009] {
        proxy.host.seconds.set(seconds);
        assert_eq!(told(&mut proxy, "b"), "denied unknown_key", "at {seconds}");
    }
    proxy.host.seconds.set(1010);
    assert!(waits(&mut proxy, "b"));
    assert!(due(&mut proxy));
    answer(&mut proxy, 200, &jwks("a"), &[b"max-age=3600"]);
    proxy.worker.tick(&proxy.host);
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
    // At once, without a look at what is due.
    assert_eq!(told(&mut two, "a"), "denied signature");
    assert!(!due(&mut two));
}

#[test]
fn that_the_proxy_fails_is_told_and_nothing_is_taken_on() {
    let mut proxy = proxy();
    proxy.host.is_broken.set(true);
    let tick = proxy.worker.tick(&proxy.host);
    let failed = tick.failed.map(|error| error.to_string());
    assert_eq!(failed.as_deref(), Some("the proxy failed to read shared data: status 10"));
    assert!(!tick.ended && tick.due.is_empty(), "{tick:?}");
    proxy.host.is_broken.set(false);
    assert!(due(&mut proxy));
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
