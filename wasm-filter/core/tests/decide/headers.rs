//! Which headers come and go.

use sallyport_traffic::edit::{Facts, Gone, IdentityHeaders, Operation, RequestEdits};
use sallyport_traffic::request::{HeaderList, Request as Read};
use serde_json::json;

use super::proxy::{Proxy, Request};
use super::tokens::{provider, token};

fn signed_in(more: serde_json::Value) -> Proxy {
    let mut one = provider("one", "one");
    one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Proxy::with(json!({
        "jwt": {"providers": [one], "rules": [
            {"name": "open", "match": [{"path": {"exact": "/open"}}], "require": "None"},
            {"name": "all", "match": [{}], "require": {"anyOf": ["one"]}},
        ]},
    }))
}

#[test]
fn claims_become_headers_and_whatever_the_client_sent_there_is_gone() {
    let mut proxy = signed_in(json!({
        "claimsToHeaders": [
            {"claim": ["sub"], "header": "x-user-id"}, {"claim": ["roles"], "header": "x-roles"},
            {"claim": ["org"], "header": "x-org", "encoding": "Base64urlJson"},
        ],
        "payloadToHeader": "x-claims",
    }));
    let forged = |request: Request| {
        request
            .with("x-user-id", "root")
            .with("X-User-Id", "root")
            .with("x_user_id", "root")
            .with("x-claims", "e30")
    };
    let signed = token("one", json!({"roles": ["a", "b"], "org": {"id": 1}}));
    let got = proxy.ask(&forged(Request::get("/")).bearer(&signed));
    assert_eq!(got.status, 200);
    let users: Vec<_> = got.headers.iter().filter(|(name, _)| name.to_lowercase().contains("user")).collect();
    assert_eq!(users, [&("x-user-id".to_owned(), "alice".to_owned())]);
    assert_eq!(got.header("x-roles"), Some("a,b"));
    assert_eq!(got.header("x-org"), Some("eyJpZCI6MX0"));
    assert_eq!(got.header("x-claims"), signed.split('.').nth(1));
    assert_eq!(got.header("authorization"), None);

    let got = proxy.ask(&forged(Request::get("/open")));
    assert_eq!(got.status, 200);
    assert!(!got.headers.iter().any(|(name, _)| name.to_lowercase().contains("user")), "{got:?}");
    assert_eq!(got.header("x-claims"), None);
}

#[test]
fn a_claim_that_no_header_can_hold_sets_none() {
    let mut proxy = signed_in(json!({"claimsToHeaders": [{"claim": ["sub"], "header": "x-user-id"}]}));
    let request = Request::get("/").with("x-user-id", "root");
    let got = proxy.ask(&request.bearer(&token("one", json!({"sub": "a\r\nx-admin: 1"}))));
    assert_eq!((got.status, got.header("x-user-id")), (200, None));
}

#[test]
fn a_token_is_forwarded_only_where_the_policy_says_so() {
    let signed = token("one", json!({}));
    for forward in [false, true] {
        let from = json!([{"cookie": "t"}, {"queryParameter": "t"}, {"header": "authorization", "scheme": "Bearer"}]);
        let mut proxy = signed_in(json!({"forward": forward, "tokenFrom": from}));
        let got = proxy.ask(&Request::get("/").bearer(&signed));
        assert_eq!(got.header("authorization").is_some(), forward);
        let cookie = format!("a=b; t={signed}; c=d");
        let got = proxy.ask(&Request::get("/").with("cookie", &cookie));
        assert_eq!(got.header("cookie"), Some(if forward { cookie.as_str() } else { "a=b; c=d" }));
        let path = format!("/x?a=b&t={signed}&c=d");
        let got = proxy.ask(&Request::get(&path));
        assert_eq!(got.header(":path"), Some(if forward { path.as_str() } else { "/x?a=b&c=d" }));
    }
}

#[test]
fn a_token_is_taken_away_however_its_parameter_is_spelled() {
    let signed = token("one", json!({}));
    let mut proxy = signed_in(json!({"tokenFrom": [{"queryParameter": "access token"}]}));
    for name in ["access+token", "access%20token", "%61ccess+token"] {
        let got = proxy.ask(&Request::get(&format!("/x?a=+&{name}={signed}&b=%20")));
        assert_eq!((got.status, got.header(":path")), (200, Some("/x?a=+&b=%20")), "{name}");
    }
}

#[test]
fn all_of_several_tokens_are_taken_away() {
    for (place, named) in [("cookie", "cookie"), ("queryParameter", ":path")] {
        let (mut one, mut two) = (provider("one", "one"), provider("two", "two"));
        one["tokenFrom"] = json!([{place: "s"}]);
        two["tokenFrom"] = json!([{place: "t"}]);
        let mut proxy = Proxy::with(json!({"jwt": {
            "providers": [one, two],
            "rules": [{"name": "all", "match": [{}], "require": {"allOf": ["one", "two"]}}],
        }}));
        let tokens = ["one", "two"].map(|issuer| token(issuer, json!({})));
        let (sent, kept) = if named == "cookie" {
            (format!("a=b; s={}; t={}; c=d", tokens[0], tokens[1]), "a=b; c=d")
        } else {
            (format!("/?a=b&s={}&t={}&c=d", tokens[0], tokens[1]), "/?a=b&c=d")
        };
        let got = proxy.ask(&Request::get("/").with(named, &sent));
        assert_eq!((got.status, got.header(named)), (200, Some(kept)));
    }
}

/// Two providers, each with places of its own, of which the first forwards or not.
fn two(forward: bool) -> Proxy {
    let (mut one, mut two) = (provider("one", "one"), provider("two", "two"));
    one["tokenFrom"] = json!([
        {"header": "authorization", "scheme": "Bearer"}, {"cookie": "session"}, {"queryParameter": "access_token"},
    ]);
    one["forward"] = json!(forward);
    two["tokenFrom"] = json!([{"header": "x-token"}]);
    Proxy::with(json!({"jwt": {"providers": [one, two], "rules": [
        {"name": "open", "match": [{"path": {"exact": "/open"}}], "require": "None"},
        {"name": "all", "match": [{}], "require": {"anyOf": ["one"]}},
    ]}}))
}

const FORGED: &str = "eyJ.forged.x";

#[test]
fn a_token_that_nobody_has_looked_at_does_not_reach_the_application() {
    let signed = token("one", json!({}));
    let query = format!("a=b&access_token={FORGED}&access_token[]={FORGED};Access.Token[x]={FORGED}&c=d");
    let sent = |path: &str| {
        let request =
            Request::get(&format!("{path}?{query}")).with("x_token", FORGED).with("X-Token", FORGED);
        request.with("cookie", &format!("a=b; session={FORGED}; session[1]={FORGED}"))
    };
    for (path, status) in [("/open", 200), ("/", 200)] {
        let request = sent(path);
        let got = two(false).ask(&if path == "/" { request.bearer(&signed) } else { request.bearer(FORGED) });
        assert_eq!(got.status, status, "{path}: {got:?}");
        for name in ["authorization", "x_token", "X-Token"] {
            assert_eq!(got.header(name), None, "{path}: {got:?}");
        }
        assert_eq!(got.header("cookie"), Some("a=b"));
        assert_eq!(got.header(":path"), Some(&*format!("{path}?a=b&c=d")));
    }
}

#[test]
fn a_token_that_is_forwarded_is_the_only_one() {
    let signed = token("one", json!({}));
    let cookie = format!("session={FORGED}; a=b");
    let request = || Request::get("/?access_token=x").with("cookie", &cookie).with("x-token", FORGED);
    let got = two(true).ask(&request().bearer(&signed));
    assert_eq!(got.header("authorization"), Some(&*format!("Bearer {signed}")));
    assert_eq!((got.header("cookie"), got.header(":path")), (Some("a=b"), Some("/")));
    assert_eq!(got.header("x-token"), None);
    // Only as it was looked at.
    let path = format!("/?access_token={signed}&access_token[]=x&Access-Token=y");
    let got = two(true).ask(&Request::get(&path));
    assert_eq!(got.header(":path"), Some(&*format!("/?access_token={signed}")));
    // Where no token is looked at, what is forwarded is the application's to check, and nothing else reaches it.
    let got = two(true).ask(&Request::get("/open").bearer(FORGED).with("x-token", FORGED));
    assert_eq!(got.header("authorization"), Some("Bearer eyJ.forged.x"));
    assert_eq!(got.header("x-token"), None);
}

#[test]
fn other_credentials_than_tokens_stay() {
    let signed = token("one", json!({}));
    let cookie = format!("session={signed}");
    let ask = |path: &str, authorization: &str| {
        let request = Request::get(path).with("authorization", authorization).with("cookie", &cookie);
        two(false).ask(&request).header("authorization").map(str::to_owned)
    };
    assert_eq!(ask("/open", "Basic YTpi"), Some("Basic YTpi".to_owned()));
    assert_eq!(ask("/", "Basic YTpi"), Some("Basic YTpi".to_owned()));
    for authorization in ["bearer", "bearerx", "Basic YTpi, BEARER x", "Bearer\tx", "bearer:x"] {
        assert_eq!(ask("/open", authorization), None, "{authorization}");
    }
}

#[test]
fn no_later_proxy_is_told_to_take_away_what_we_set() {
    let mut proxy = signed_in(json!({"claimsToHeaders": [{"claim": ["sub"], "header": "x-user-id"}]}));
    for (sent, wanted) in [
        ("Upgrade, X-User-Id", "Upgrade"),
        ("upgrade,close, x-gate", "upgrade, close"),
        ("Keep-Alive, Upgrade", "Keep-Alive, Upgrade"),
    ] {
        let request = Request::get("/").bearer(&token("one", json!({}))).with("connection", sent);
        let got = proxy.ask(&request.with("upgrade", "websocket"));
        assert_eq!((got.header("connection"), got.header("x-user-id")), (Some(wanted), Some("alice")));
    }
    let request = Request::get("/").bearer(&token("one", json!({}))).with("connection", "x-user-id");
    assert_eq!(proxy.ask(&request).header("connection"), None);
}

#[test]
fn responses_and_our_own_answers_get_the_policy_s_headers() {
    let mut proxy = Proxy::with(json!({
        "jwt": {"providers": [provider("one", "one")],
                "rules": [{"name": "all", "match": [{}], "require": {"anyOf": ["one"]}}]},
        "headers": {
            "correlation": {"header": "x-correlation-id", "accept": "Valid", "respond": true},
            "response": {"frameOptions": "DENY", "remove": ["server"],
                         "set": [{"name": "x-served-to", "value": "to %{client-address}"}]},
        },
    }));
    let request = Request::get("/").bearer(&token("one", json!({}))).with("x-correlation-id", "abc");
    let got = proxy.ask(&request);
    assert_eq!(got.header("x-correlation-id"), Some("abc"));
    let response = proxy.response(&request, &got, &[("server", "x"), ("x-frame-options", "SAMEORIGIN")]);
    let mut response: Vec<_> = response.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    response.sort_unstable();
    let want = [("x-correlation-id", "abc"), ("x-frame-options", "DENY"), ("x-served-to", "to 192.0.2.7")];
    assert_eq!(response, want);

    let got = proxy.ask(&Request::get("/").with("x-correlation-id", "abc"));
    assert_eq!(got.status, 401);
    assert_eq!(got.header("x-frame-options"), Some("DENY"));
    assert_eq!(got.header("x-correlation-id"), Some("abc"));
    assert_eq!(got.header("cache-control"), Some("no-store"));
    assert_eq!(got.header("www-authenticate"), Some("Bearer realm=\"api\""));
}

#[test]
fn what_is_left_of_the_cookies_is_what_the_policy_changes() {
    let signed = token("one", json!({}));
    let mut one = provider("one", "one");
    one["tokenFrom"] = json!([{"cookie": "session"}]);
    let cookies = |headers: serde_json::Value, sent: &str| -> Vec<String> {
        let mut proxy = Proxy::with(json!({
            "jwt": {"providers": [one], "rules": [{"name": "all", "match": [{}], "require": {"anyOf": ["one"]}}]},
            "headers": {"request": headers},
        }));
        let got = proxy.ask(&Request::get("/").with("cookie", sent));
        assert_eq!(got.status, 200, "{got:?}");
        got.headers.into_iter().filter(|(name, _)| name == "cookie").map(|(_, value)| value).collect()
    };
    let alone = format!("session={signed}");
    let beside = format!("a=b; {alone}");
    let set = |existing: &str| json!({"set": [{"name": "cookie", "value": "c=d", "existing": existing}]});
    assert_eq!(cookies(set("Keep"), &alone), ["c=d"]);
    assert_eq!(cookies(set("Keep"), &beside), ["a=b"]);
    assert_eq!(cookies(set("Append"), &alone), ["c=d"]);
    assert_eq!(cookies(set("Append"), &beside), ["a=b", "c=d"]);
    assert_eq!(cookies(set("Replace"), &beside), ["c=d"]);
    assert_eq!(cookies(json!({"remove": ["cookie"]}), &beside), [""; 0]);
}

#[test]
fn what_a_client_calls_its_correlation_identifier_is_not_who_it_is() {
    let mut one = provider("one", "one");
    one["claimsToHeaders"] = json!([{"claim": ["sub"], "header": "x-user-id"}]);
    // A check refuses this.
    let spec = serde_json::from_value(json!({
        "selector": {}, "jwt": {"providers": [one], "rules": []},
        "headers": {"correlation": {"header": "X_User-Id", "accept": "Valid"}},
    }));
    let spec: sallyport_traffic::TrafficPolicySpec = spec.unwrap();
    let edits = RequestEdits::compile(&spec, IdentityHeaders::of(&spec)).unwrap();
    let sent = [("x-user-id", "admin"), ("x_user-id", "admin")];
    let list = HeaderList::from_pairs(sent.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    assert_eq!(edits.correlation(&list, [0; 16]), None);
    let claim = |_: &str, _: &[String]| None;
    let request = Read::of(&list);
    let facts = Facts { request: &request, client: None, correlation: Some(b"admin"), claim: &claim };
    let changes = edits.changes(&[], &facts, Gone::default());
    assert_eq!(changes.operations(&list), [Operation::Remove(b"x-user-id"), Operation::Remove(b"x_user-id")]);
}

#[test]
fn the_policy_has_the_last_word_on_what_is_told_of_limits_whoever_answers() {
    let mut proxy = Proxy::with(json!({
        "rateLimits": [{"name": "all", "limit": {"requests": 1, "period": "1m"}}],
        "rateLimitFields": "WithLegacy",
        "headers": {"response": {
            "remove": ["ratelimit-policy"],
            "set": [{"name": "ratelimit", "value": "none"}, {"name": "x-ratelimit-limit", "value": "9", "existing": "Keep"},
                    {"name": "x-ratelimit-reset", "value": "9", "existing": "Append"}],
        }},
    }));
    let request = Request::get("/");
    let got = proxy.ask(&request);
    let passed = proxy.response(&request, &got, &[("RateLimit-Policy", "app"), ("ratelimit", "app")]);
    let refused = proxy.ask(&request);
    assert_eq!(refused.status, 429);
    for headers in [&passed, &refused.headers] {
        let values = |name: &str| -> Vec<&str> {
            headers
                .iter()
                .filter(|(other, _)| other.eq_ignore_ascii_case(name))
                .map(|(_, v)| v.as_str())
                .collect()
        };
        assert_eq!(values("ratelimit-policy"), [""; 0]);
        assert_eq!(values("ratelimit"), ["none"]);
        assert_eq!(values("x-ratelimit-limit"), ["1"]);
        assert_eq!(values("x-ratelimit-reset"), ["60", "9"]);
    }
}
