//! Who is let in.

use serde_json::{Value, json};

use sallyport_traffic::decide::Outcome;
use sallyport_traffic::request::{HeaderList, Request as Read};

use super::proxy::{Host, NOW, Proxy, Request};
use super::tokens::{OTHER, provider, sign, token};

fn policy(rules: Value) -> Proxy {
    Proxy::with(
        json!({"jwt": {"providers": [provider("one", "one"), provider("two", "two")], "rules": rules}}),
    )
}

fn any() -> Proxy {
    policy(
        json!([{"name": "all", "match": [{"path": {"prefix": "/"}}], "require": {"anyOf": ["one", "two"]}}]),
    )
}

#[track_caller]
fn check(proxy: &mut Proxy, request: &Request, status: u16, told: &str) {
    let got = proxy.ask(request);
    assert_eq!((got.status, got.told.as_str()), (status, told), "{got:?}");
}

#[test]
fn a_valid_token_is_let_in_and_any_other_is_refused_with_the_reason() {
    let mut proxy = any();
    let ask = |token: String| Request::get("/").bearer(&token);
    check(&mut proxy, &Request::get("/"), 401, "denied no_token");
    check(&mut proxy, &ask(token("one", json!({}))), 200, "allowed ok");
    check(&mut proxy, &ask(token("two", json!({}))), 200, "allowed ok");
    check(&mut proxy, &ask(token("three", json!({}))), 401, "denied issuer");
    check(&mut proxy, &ask(token("one", json!({"aud": "cart"}))), 401, "denied audience");
    check(&mut proxy, &ask(token("one", json!({"exp": NOW}))), 401, "denied expired");
    check(&mut proxy, &ask(token("one", json!({"exp": null}))), 401, "denied no_expiry");
    check(&mut proxy, &ask(token("one", json!({"nbf": NOW + 1}))), 401, "denied not_yet_valid");
    check(&mut proxy, &ask("a.b".to_owned()), 401, "denied malformed_token");
    let claims = json!({"iss": "one", "aud": "shop", "exp": NOW + 60}).to_string();
    check(&mut proxy, &ask(sign(&json!({"alg": "HS256"}), &claims, OTHER)), 401, "denied signature");
    check(&mut proxy, &ask(sign(&json!({"alg": "none"}), &claims, OTHER)), 401, "denied algorithm");
    check(&mut proxy, &ask(sign(&json!({"alg": "HS512"}), &claims, OTHER)), 401, "denied algorithm");
    let twice = claims.replacen('{', r#"{"exp":1,"#, 1);
    let signed = |claims: &str| sign(&json!({"alg": "HS256"}), claims, super::tokens::SECRET);
    check(&mut proxy, &ask(signed(&twice)), 401, "denied malformed_token");
    check(&mut proxy, &ask(signed("[]")), 401, "denied malformed_token");
}

#[test]
fn two_tokens_at_one_place_are_refused() {
    let request = Request::get("/").bearer(&token("one", json!({}))).bearer(&token("two", json!({})));
    check(&mut any(), &request, 400, "denied several_tokens");
}

#[test]
fn a_token_that_was_verified_is_refused_once_it_expires() {
    let mut proxy = any();
    let request = Request::get("/").bearer(&token("one", json!({})));
    check(&mut proxy, &request, 200, "allowed ok");
    proxy.host.seconds.set(1059);
    check(&mut proxy, &request, 200, "allowed ok");
    proxy.host.seconds.set(1060);
    check(&mut proxy, &request, 401, "denied expired");
}

#[test]
fn the_first_rule_that_matches_decides_and_without_one_nobody_is_let_in() {
    let mut proxy = policy(json!([
        {"name": "open", "match": [{"path": {"exact": "/health"}, "methods": ["GET"]}], "require": "None"},
        {"name": "staff", "match": [{"path": {"prefix": "/admin"}}], "require": {"anyOf": ["two"]},
         "claims": [{"claim": ["role"], "equals": "staff"}]},
        {"name": "api", "match": [{"path": {"prefix": "/api"}}], "require": {"anyOf": ["one"]}},
    ]));
    let ask = |path: &str, issuer: &str| Request::get(path).bearer(&token(issuer, json!({})));
    check(&mut proxy, &Request::get("/health"), 200, "allowed ok");
    check(&mut proxy, &Request::get("/health").with(":method", "POST"), 401, "denied no_rule");
    check(&mut proxy, &ask("/api/x", "one"), 200, "allowed ok");
    check(&mut proxy, &ask("/api/x", "two"), 401, "denied issuer");
    check(&mut proxy, &ask("/admin", "two"), 403, "denied claims");
    let staff = Request::get("/admin").bearer(&token("two", json!({"role": "staff"})));
    check(&mut proxy, &staff, 200, "allowed ok");
    // Signing in helps nobody there.
    check(&mut proxy, &Request::get("/other"), 401, "denied no_rule");
    check(&mut proxy, &ask("/other", "three"), 401, "denied no_rule");
    check(&mut proxy, &ask("/other", "one"), 403, "denied no_rule");
    let got = proxy.ask(&Request::get("/other"));
    assert_eq!(got.header("www-authenticate"), Some("Bearer realm=\"api\""));
}

#[test]
fn no_other_spelling_of_a_path_is_let_in_where_it_should_not() {
    let mut proxy = policy(json!([
        {"name": "open", "match": [{"path": {"prefix": "/public"}}], "require": "None"},
        {"name": "staff", "match": [{"path": {"prefix": "/admin"}}], "require": {"anyOf": ["two"]}},
        {"name": "all", "match": [{"path": {"prefix": "/"}}], "require": {"anyOf": ["one"]}},
    ]));
    let one = token("one", json!({}));
    for path in [
        "/public/../admin",
        "/public/%2e%2e/admin",
        "/public/..%2fadmin",
        "/public//../admin",
        "/public/..;/admin",
        "/public\\..\\admin",
        "/PUBLIC/x",
        "/%70ublic/x",
        "/public%2fx",
        "//public/x",
    ] {
        let got = proxy.ask(&Request::get(path));
        assert_eq!(got.status, 401, "{path}: {got:?}");
    }
    for path in ["/%61dmin", "//admin", "/x/../admin", "/admin;x", "/./admin", "/public/../admin"] {
        let got = proxy.ask(&Request::get(path).bearer(&one));
        assert_eq!(got.status, 401, "{path}: {got:?}");
    }
    check(&mut proxy, &Request::get("/public/x"), 200, "allowed ok");
    check(&mut proxy, &Request::get("/y").bearer(&one), 200, "allowed ok");
}

#[test]
fn all_of_several_tokens_may_be_asked_for() {
    let mut spec = json!({
        "providers": [provider("one", "one"), provider("two", "two")],
        "rules": [{"name": "all", "match": [{}], "require": {"allOf": ["one", "two"]}}],
    });
    spec["providers"][1]["tokenFrom"] = json!([{"cookie": "session"}]);
    let mut proxy = Proxy::with(json!({"jwt": spec}));
    let first = || Request::get("/").bearer(&token("one", json!({})));
    let session = |issuer: &str| format!("a=b; session={}", token(issuer, json!({})));
    check(&mut proxy, &first(), 401, "denied no_token");
    check(&mut proxy, &first().with("cookie", &session("one")), 401, "denied issuer");
    check(&mut proxy, &first().with("cookie", &session("two")), 200, "allowed ok");
}

#[test]
fn an_optional_token_may_be_absent_but_not_wrong() {
    let mut proxy = policy(json!([
        {"name": "perhaps", "match": [{}], "require": {"optional": ["one"]},
         "claims": [{"claim": ["sub"], "equals": "alice"}]},
    ]));
    let ask = |token: String| Request::get("/").bearer(&token);
    check(&mut proxy, &Request::get("/"), 200, "allowed ok");
    check(&mut proxy, &ask(token("one", json!({}))), 200, "allowed ok");
    check(&mut proxy, &ask(token("one", json!({"sub": "bob"}))), 403, "denied claims");
    check(&mut proxy, &ask(token("one", json!({"exp": NOW}))), 401, "denied expired");
}

#[test]
fn a_preflight_passes_only_where_the_policy_says_so_and_only_as_a_whole() {
    let rules = json!([{"name": "all", "match": [{}], "require": {"anyOf": ["one"]}}]);
    let jwt = |preflight: &str| json!({"jwt": {"providers": [provider("one", "one")], "rules": rules, "preflight": preflight}});
    let preflight = || {
        let request = Request::get("/api").with(":method", "OPTIONS").with("origin", "https://shop.example");
        request.with("access-control-request-method", "POST")
    };
    check(&mut Proxy::with(jwt("Check")), &preflight(), 401, "denied no_token");
    let mut passing = Proxy::with(jwt("Pass"));
    check(&mut passing, &preflight(), 200, "allowed ok");
    check(&mut passing, &preflight().with(":path", "/a/../b"), 401, "denied no_token");
    check(&mut passing, &preflight().with(":method", "GET"), 401, "denied no_token");
    check(&mut passing, &Request::get("/api").with(":method", "OPTIONS"), 401, "denied no_token");
    check(&mut passing, &preflight().with("upgrade", "websocket"), 401, "denied no_token");
    check(&mut passing, &preflight().with("content-length", "2"), 401, "denied no_token");
    // What no browser sends with it does not reach the application.
    let sent = preflight()
        .with("authorization", "Basic YTpi")
        .with("cookie", "session=1")
        .with("X-HTTP-Method-Override", "DELETE")
        .with("x-other", "1");
    let got = passing.ask(&sent);
    for name in ["authorization", "cookie", "X-HTTP-Method-Override"] {
        assert_eq!(got.header(name), None, "{got:?}");
    }
    assert_eq!((got.header("origin"), got.header("x-other")), (Some("https://shop.example"), Some("1")));
}

#[test]
fn hosts_of_others_are_left_alone_and_a_missing_host_is_not_one() {
    let rules = json!([{"name": "all", "match": [{}], "require": {"anyOf": ["one"]}}]);
    let mut proxy = Proxy::with(json!({
        "hosts": ["shop.example"], "jwt": {"providers": [provider("one", "one")], "rules": rules},
    }));
    check(&mut proxy, &Request::get("/").with(":authority", "other.example"), 200, "allowed other_host");
    check(&mut proxy, &Request::get("/").with(":authority", "SHOP.example.:443"), 401, "denied no_token");
    check(&mut proxy, &Request::get("/").with(":authority", ""), 401, "denied no_token");
}

#[test]
fn nobody_says_who_a_client_is_on_a_host_of_others_either() {
    let mut one = provider("one", "one");
    one["claimsToHeaders"] = json!([{"claim": ["sub"], "header": "x-user-id"}]);
    let spec = |mode: &str| {
        json!({
            "hosts": ["shop.example"], "mode": mode,
            "jwt": {"providers": [one], "rules": [{"name": "all", "match": [{}], "require": {"anyOf": ["one"]}}]},
            "headers": {"request": {"remove": ["x-internal"], "set": [{"name": "x-gate", "value": "1"}]}},
        })
    };
    let request = || {
        let request = Request::get("/").with(":authority", "other.example").with("x-internal", "1");
        request.with("x-user-id", "root").with("X_User.Id", "root").bearer("a.b.c")
    };
    let got = Proxy::with(spec("Enforce")).ask(&request());
    assert_eq!(got.told, "allowed other_host");
    assert!(!got.headers.iter().any(|(name, _)| name.to_lowercase().contains("user")), "{got:?}");
    // Nothing else is done there.
    assert_eq!((got.header("x-internal"), got.header("x-gate")), (Some("1"), None));
    assert_eq!(got.header("authorization"), Some("Bearer a.b.c"));
    let got = Proxy::with(spec("Shadow")).ask(&request());
    assert_eq!(got.header("x-user-id"), Some("root"));
    // What a policy before this one has set stays.
    let behind = json!({"setBefore": ["x-user-id"]});
    let got = Proxy::configured(Host::default(), spec("Enforce"), behind).ask(&request());
    assert_eq!(got.header("x-user-id"), Some("root"));
}

#[test]
fn a_closing_rule_by_a_header_is_not_passed_by_another_spelling_of_it() {
    let mut proxy = policy(json!([
        {"name": "debug", "match": [{"headers": [{"name": "x-debug", "exact": "1"}]}], "require": {"anyOf": ["one"]},
         "claims": [{"claim": ["role"], "equals": "admin"}]},
        {"name": "all", "match": [{}], "require": {"anyOf": ["one"]}},
    ]));
    let ask = |name: &str, value: &str| Request::get("/").bearer(&token("one", json!({}))).with(name, value);
    check(&mut proxy, &ask("x-debug", "0"), 200, "allowed ok");
    for (name, value) in [("x-debug", "1"), ("x_debug", "1"), ("X.DEBUG", "1"), ("x-debug", "0, 1")] {
        check(&mut proxy, &ask(name, value), 403, "denied claims");
    }
}

#[test]
fn a_request_that_only_an_opening_rule_lets_pass_can_not_become_another() {
    let mut proxy = policy(json!([
        {"name": "open", "match": [{"path": {"prefix": "/public"}, "methods": ["GET"]}], "require": "None"},
        {"name": "perhaps", "match": [{"path": {"prefix": "/perhaps"}}], "require": {"optional": ["one"]}},
        {"name": "all", "match": [{}], "require": {"anyOf": ["one"]}},
    ]));
    let overridden = |path: &str| {
        let request = Request::get(path).with("X-Original-URL", "/admin").with("x_rewrite_url", "/admin");
        request.with("x-http-method-override", "DELETE").with("x-method-override", "PUT")
    };
    let mut left = |request: &Request| {
        let got = proxy.ask(request);
        assert_eq!(got.status, 200, "{got:?}");
        let is_one = |name: &str| name.contains("overr") || name.to_lowercase().ends_with("url");
        got.headers.iter().filter(|(name, _)| is_one(name)).count()
    };
    assert_eq!(left(&overridden("/public/a")), 0);
    assert_eq!(left(&overridden("/perhaps")), 0);
    // Whoever signs in is asked no more of.
    assert_eq!(left(&overridden("/api").bearer(&token("one", json!({})))), 4);
}

#[test]
fn in_shadow_every_request_passes_unchanged_and_is_told_of() {
    let rules = json!([{"name": "all", "match": [{}], "require": {"anyOf": ["one"]}}]);
    let mut proxy = Proxy::with(json!({
        "mode": "Shadow", "jwt": {"providers": [provider("one", "one")], "rules": rules},
        "headers": {"request": {"set": [{"name": "x-gate", "value": "1"}]}},
    }));
    let got = proxy.ask(&Request::get("/"));
    assert_eq!((got.status, got.told.as_str()), (200, "shadowed no_token"));
    assert_eq!(got.header("x-gate"), None);
    let headers = HeaderList::default();
    let decision = proxy.worker.give_up(&proxy.host, &Read::of(&headers));
    assert!(matches!(decision.outcome, Outcome::Pass), "{decision:?}");
    let told = proxy.worker.tell(&decision.record, &decision.exchange);
    assert_eq!(told, "verdict=shadowed reason=host_failure policy=shop/api");
}

#[test]
fn a_request_that_can_not_be_decided_is_answered_and_told_of_as_any_other() {
    let mut spec = json!({"hosts": [], "headers": {"response": {"frameOptions": "DENY"}}});
    for mode in ["Closed", "Open"] {
        spec["failureMode"] = json!(mode);
        let proxy = Proxy::with(spec.clone());
        let request = Request::get("/").with("content-type", "application/grpc");
        let decision = proxy.worker.give_up(&proxy.host, &Read::of(&request.headers()));
        let got = proxy.got(&request, decision);
        assert_eq!(got.line, "verdict=failed_closed reason=host_failure policy=shop/api");
        assert_eq!((got.header("grpc-status"), got.header("x-frame-options")), (Some("14"), Some("DENY")));
    }
}

#[test]
fn whose_token_was_refused_is_told() {
    let mut proxy = any();
    for (asked, provider) in [
        (token("two", json!({"exp": NOW})), " provider=two"),
        (token("one", json!({"aud": "cart"})), " provider=one"),
    ] {
        let got = proxy.ask(&Request::get("/").bearer(&asked));
        assert!(got.line.contains(provider), "{}", got.line);
    }
    assert!(!proxy.ask(&Request::get("/")).line.contains("provider"));
}
