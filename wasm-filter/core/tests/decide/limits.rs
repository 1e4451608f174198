//! How often one may ask.

use prost::Message as _;
use serde_json::{Value, json};

use super::proxy::{Got, Host, Proxy, Request};
use super::tokens::{provider, token};
use sallyport_traffic::decide::{Heard, Outcome, Said, Series};
use sallyport_traffic::request::Request as Read;

fn limited(limits: Value) -> Proxy {
    Proxy::with(json!({"rateLimits": limits}))
}

#[track_caller]
fn admitted(proxy: &mut Proxy, request: &Request, most: usize) -> usize {
    (0..most).filter(|_| proxy.ask(request).status == 200).count()
}

#[test]
fn a_burst_is_admitted_then_the_steady_rate_and_the_client_is_told() {
    let mut proxy = limited(json!([{"name": "all", "limit": {"requests": 60, "period": "1m", "burst": 3}}]));
    let request = Request::get("/");
    assert_eq!(admitted(&mut proxy, &request, 5), 3);
    let got = proxy.ask(&request);
    assert_eq!((got.status, got.told.as_str()), (429, "denied over_limit"));
    assert_eq!(got.header("retry-after"), Some("1"));
    assert_eq!(got.header("ratelimit-policy"), Some("\"all\";q=60;w=60"));
    assert_eq!(got.header("ratelimit"), Some("\"all\";r=0;t=1"));
    proxy.host.seconds.set(1002);
    assert_eq!(admitted(&mut proxy, &request, 5), 2);
}

#[test]
fn an_admitted_response_tells_what_is_left() {
    let mut proxy = limited(json!([{"name": "all", "limit": {"requests": 10, "period": "10s"}}]));
    let request = Request::get("/");
    let got = proxy.ask(&request);
    let response = proxy.response(&request, &got, &[(":status", "200")]);
    assert!(response.contains(&("ratelimit".to_owned(), "\"all\";r=9;t=9".to_owned())), "{response:?}");
}

#[test]
fn what_others_tell_of_their_limits_stays_beside_ours() {
    let mut proxy = Proxy::with(json!({
        "rateLimits": [{"name": "all", "limit": {"requests": 10, "period": "10s"}}],
        "rateLimitFields": "WithLegacy",
    }));
    let request = Request::get("/");
    let got = proxy.ask(&request);
    let theirs = [
        ("ratelimit-policy", "\"app\";q=3;w=1"),
        ("ratelimit", "\"app\";r=1;t=1"),
        ("x-ratelimit-limit", "3"),
    ];
    let response = proxy.response(&request, &got, &theirs);
    let values = |name: &str| -> Vec<&str> {
        response.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!(values("ratelimit-policy"), ["\"app\";q=3;w=1", "\"all\";q=10;w=10"]);
    assert_eq!(values("ratelimit"), ["\"app\";r=1;t=1", "\"all\";r=9;t=9"]);
    // One number has no place for another beside it.
    assert_eq!(values("x-ratelimit-limit"), ["10"]);
}

#[test]
fn keys_are_counted_apart() {
    let mut proxy = limited(json!([
        {"name": "each", "key": [{"header": {"name": "x-tenant"}}, {"method": {}}],
         "limit": {"requests": 1, "period": "1m"}},
    ]));
    let ask = |tenant: &str, method: &str| Request::get("/").with("x-tenant", tenant).with(":method", method);
    for (tenant, method) in [("a", "GET"), ("b", "GET"), ("a", "POST")] {
        assert_eq!(admitted(&mut proxy, &ask(tenant, method), 2), 1, "{tenant} {method}");
    }
    // Methods that nobody defined have one limit together.
    assert_eq!(admitted(&mut proxy, &ask("a", "MADE-UP"), 2), 1);
    assert_eq!(admitted(&mut proxy, &ask("a", "MADE-UP-TOO"), 2), 0);
}

#[test]
fn no_spelling_of_a_path_has_a_limit_of_its_own_beside_its_template_s() {
    let limit = json!([
        {"name": "users", "key": [{"path": {"templates": ["/users/{id}", "/users/{id}/posts"]}}],
         "limit": {"requests": 1, "period": "1m"}},
    ]);
    let spellings =
        ["/users/7", "/users/8/", "/Users/7", "/users/%37", "/users/7;v=1", "/users//9", "/USERS/a%2Fb"];
    for first in spellings {
        let mut proxy = limited(limit.clone());
        assert_eq!(admitted(&mut proxy, &Request::get(first), 2), 1, "{first}");
        for other in spellings {
            assert_eq!(admitted(&mut proxy, &Request::get(other), 1), 0, "{other} after {first}");
        }
        assert_eq!(admitted(&mut proxy, &Request::get("/users/7/posts"), 2), 1);
        assert_eq!(admitted(&mut proxy, &Request::get("/users/9/Posts/"), 2), 0);
        assert_eq!(admitted(&mut proxy, &Request::get("/users/9/%70osts"), 2), 0);
    }
}

#[test]
fn a_claim_is_a_key_only_of_whoever_signed_in() {
    let mut proxy = Proxy::with(json!({
        "jwt": {"providers": [provider("one", "one")],
                "rules": [{"name": "all", "match": [{}], "require": {"optional": ["one"]}}]},
        "rateLimits": [{"name": "user", "key": [{"claim": {"provider": "one", "path": ["sub"]}}],
                        "onMissingKey": "Deny", "limit": {"requests": 1, "period": "1m"}}],
    }));
    for user in ["alice", "bob"] {
        let request = Request::get("/").bearer(&token("one", json!({"sub": user})));
        assert_eq!(admitted(&mut proxy, &request, 2), 1, "{user}");
    }
    let got = proxy.ask(&Request::get("/"));
    assert_eq!((got.status, got.told.as_str()), (429, "denied missing_limit_key"));
    let Outcome::Answer(answer) = &got.decision.outcome else { panic!("{got:?}") };
    let body = String::from_utf8_lossy(&answer.body);
    assert!(body.contains("\"The request lacks what a limit counts by\""), "{body}");
}

#[test]
fn a_header_is_believed_from_its_peers_only() {
    let mut proxy = limited(json!([
        {"name": "user", "key": [{"header": {"name": "x-user", "fromPeers": ["cluster.local/ns/istio/sa/gateway"]}}],
         "onMissingKey": "Deny", "limit": {"requests": 1, "period": "1m"}},
    ]));
    let request = Request::get("/").with("x-user", "alice");
    assert_eq!(proxy.ask(&request).told, "denied missing_limit_key");
    *proxy.host.peer.borrow_mut() = Some("spiffe://cluster.local/ns/other/sa/gateway");
    assert_eq!(proxy.ask(&request).told, "denied missing_limit_key");
    *proxy.host.peer.borrow_mut() = Some("spiffe://cluster.local/ns/istio/sa/gateway");
    assert_eq!(proxy.ask(&request).told, "allowed ok");
}

#[test]
fn a_missing_key_is_replaced_by_the_client_s_address_or_not_counted() {
    for (on_missing, admitted_of_3) in [("ClientAddress", 1), ("Skip", 3)] {
        let mut proxy = limited(json!([
            {"name": "user", "key": [{"header": {"name": "x-user"}}], "onMissingKey": on_missing,
             "limit": {"requests": 1, "period": "1m"}},
        ]));
        assert_eq!(admitted(&mut proxy, &Request::get("/"), 3), admitted_of_3, "{on_missing}");
        // Whoever sends the address as the header's value uses another limit.
        let request = Request::get("/").with("x-user", "192.0.2.7");
        assert_eq!(admitted(&mut proxy, &request, 3), 1);
    }
}

#[test]
fn nobody_gets_a_limit_of_its_own_by_an_address_that_it_made_up() {
    let spec = |hops: u8| {
        json!({"trustedHops": hops, "rateLimits": [
            {"name": "client", "key": [{"clientAddress": {}}], "limit": {"requests": 1, "period": "1m"}},
        ]})
    };
    let ask = |forwarded: &str| Request::get("/").with("x-forwarded-for", forwarded);
    // As a sidecar sees it, which takes the header for the connection.
    let mut proxy = Proxy::with(spec(0));
    for (source, status) in [("203.0.113.1:0", 200), ("203.0.113.2:0", 429), ("203.0.113.3:0", 429)] {
        proxy.host.source.set(source);
        assert_eq!(proxy.ask(&ask(source.trim_end_matches(":0"))).status, status, "{source}");
    }
    // A proxy that has appended who connected is not one of those in front.
    for (more, fits) in [
        (json!({}), "6.6.6.6, 198.51.100.1"),
        (json!({"forwardedFor": "Appended"}), "6.6.6.6, 198.51.100.1, 192.0.2.7"),
    ] {
        let mut proxy = Proxy::configured(Host::default(), spec(1), more);
        assert_eq!(proxy.ask(&ask(fits)).status, 200, "{fits}");
        assert_eq!(proxy.ask(&ask(&fits.replace("6.6.6.6", "7.7.7.7"))).status, 429, "{fits}");
        assert_eq!(proxy.ask(&ask(&fits.replace("198.51.100.1", "198.51.100.2"))).status, 200, "{fits}");
    }
}

#[test]
fn exempt_requests_do_not_count_but_no_other_spelling_is_exempt() {
    let mut proxy = limited(json!([
        {"name": "all", "exempt": [{"path": {"exact": "/health"}}], "limit": {"requests": 1, "period": "1m"}},
    ]));
    assert_eq!(admitted(&mut proxy, &Request::get("/health"), 3), 3);
    assert_eq!(admitted(&mut proxy, &Request::get("/health/."), 3), 1);
    assert_eq!(admitted(&mut proxy, &Request::get("//health"), 3), 0);
}

#[test]
fn several_limits_are_charged_only_if_all_admit() {
    let mut proxy = limited(json!([
        {"name": "wide", "limit": {"requests": 3, "period": "1m"}},
        {"name": "narrow", "match": [{"path": {"prefix": "/a"}}], "limit": {"requests": 1, "period": "1m"}},
    ]));
    assert_eq!(admitted(&mut proxy, &Request::get("/a"), 10), 1);
    assert_eq!(admitted(&mut proxy, &Request::get("/b"), 10), 2);
}

#[test]
fn a_limit_in_shadow_refuses_nothing_and_is_told_of() {
    let mut proxy = limited(json!([
        {"name": "all", "mode": "Shadow", "limit": {"requests": 1, "period": "1m"}},
    ]));
    assert_eq!(proxy.ask(&Request::get("/")).told, "allowed ok");
    let got = proxy.ask(&Request::get("/"));
    assert_eq!((got.status, got.told.as_str()), (200, "shadowed over_limit"));
    assert_eq!(got.decision.record.limit, Some(0));
}

#[test]
fn a_request_may_cost_more_than_one() {
    let mut proxy = limited(json!([{"name": "all", "cost": 3, "limit": {"requests": 10, "period": "1m"}}]));
    assert_eq!(admitted(&mut proxy, &Request::get("/"), 10), 3);
}

#[test]
fn when_the_proxy_fails_the_failure_mode_decides() {
    let limits = json!([{"name": "all", "limit": {"requests": 10, "period": "1m"}}]);
    for (mode, status, told) in
        [("Closed", 503, "failed_closed host_failure"), ("Open", 200, "failed_open host_failure")]
    {
        let mut proxy = Proxy::with(json!({"failureMode": mode, "rateLimits": limits}));
        proxy.host.is_broken.set(true);
        let got = proxy.ask(&Request::get("/"));
        assert_eq!((got.status, got.told.as_str()), (status, told));
        let error = got.decision.record.error.map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("the proxy failed to read shared data: status 10"));
    }
}

fn global(when_unavailable: &str, lease: u32) -> Proxy {
    Proxy::with(json!({
        "rateLimitService": {"service": "ratelimit", "port": 8081, "whenUnavailable": when_unavailable},
        "rateLimits": [
            {"name": "all", "scope": "Global", "lease": lease, "limit": {"requests": 100, "period": "1m"}},
            {"name": "here", "limit": {"requests": 5, "period": "1m"}},
        ],
    }))
}

/// What a service answers.
#[derive(Clone, PartialEq, prost::Message)]
struct RateLimitResponse {
    #[prost(int32, tag = "1")]
    overall_code: i32,
    #[prost(message, repeated, tag = "2")]
    statuses: Vec<Status>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(message, optional, tag = "2")]
    current_limit: Option<RateLimit>,
    #[prost(uint32, tag = "3")]
    limit_remaining: u32,
    #[prost(message, optional, tag = "4")]
    duration_until_reset: Option<Duration>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RateLimit {
    #[prost(uint32, tag = "1")]
    requests_per_unit: u32,
    #[prost(int32, tag = "2")]
    unit: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Duration {
    #[prost(int64, tag = "1")]
    seconds: i64,
}

fn answer(code: i32, remaining: u32) -> Vec<u8> {
    let status = Status {
        code,
        current_limit: Some(RateLimit { requests_per_unit: 100, unit: 2 }),
        limit_remaining: remaining,
        duration_until_reset: Some(Duration { seconds: 30 }),
    };
    RateLimitResponse { overall_code: code, statuses: vec![status] }.encode_to_vec()
}

#[track_caller]
fn resume(proxy: &mut Proxy, request: &Request, answer: Option<&[u8]>) -> Got {
    let mut asking = proxy.asks_service(request);
    assert_eq!(asking.messages().count(), 1);
    let heard = proxy.worker.answered(&proxy.host, &mut asking, 0, answer).unwrap();
    let said = match answer {
        None => Said::Nothing,
        Some(b"nonsense") => Said::NotCounted,
        Some(_) => Said::Counted,
    };
    assert_eq!(heard, Heard { limit: 0, said, is_last: true });
    assert_eq!(proxy.worker.answered(&proxy.host, &mut asking, 0, answer), None, "heard twice");
    let decision = proxy.worker.resume(&proxy.host, &Read::of(&request.headers()), asking);
    proxy.got(request, decision)
}

#[test]
fn a_global_limit_asks_the_service_and_does_what_it_says() {
    let mut proxy = global("Deny", 1);
    let request = Request::get("/");
    let got = resume(&mut proxy, &request, Some(&answer(1, 99)));
    assert_eq!((got.status, got.told.as_str()), (200, "allowed ok"));
    let got = resume(&mut proxy, &request, Some(&answer(2, 0)));
    assert_eq!((got.status, got.told.as_str()), (429, "denied over_limit"));
    assert_eq!(got.decision.record.limit, Some(0));
}

#[test]
fn when_the_service_is_away_the_policy_says_what_happens() {
    for (when, status, told) in [
        ("Deny", 429, "denied limit_service_unavailable"),
        ("Allow", 200, "allowed limit_service_unavailable"),
        ("Local", 200, "allowed limit_service_unavailable"),
    ] {
        for nothing in [None, Some(&b"nonsense"[..])] {
            let got = resume(&mut global(when, 1), &Request::get("/"), nothing);
            assert_eq!((got.status, got.told.as_str()), (status, told), "{when}");
            assert_eq!(got.decision.record.limit, Some(0), "{when}");
            // No other limit speaks for it.
            assert!(status == 200 || got.header("ratelimit").is_none(), "{got:?}");
        }
    }
}

#[test]
fn in_shadow_each_limit_that_would_refuse_is_told_with_its_own_reason() {
    let spec = |mode: &str, of_limits: Value| {
        json!({
            "mode": mode,
            "rateLimitService": {"service": "ratelimit", "port": 8081, "whenUnavailable": "Deny"},
            "rateLimits": [
                {"name": "all", "mode": of_limits, "scope": "Global", "limit": {"requests": 100, "period": "1m"}},
                {"name": "user", "mode": of_limits, "key": [{"header": {"name": "x-user"}}], "onMissingKey": "Deny",
                 "limit": {"requests": 1, "period": "1m"}},
                {"name": "here", "mode": of_limits, "limit": {"requests": 1, "period": "1m"}},
            ],
        })
    };
    for (mode, of_limits) in [("Enforce", json!("Shadow")), ("Shadow", Value::Null)] {
        let mut proxy = Proxy::with(spec(mode, of_limits));
        let request = Request::get("/");
        let got = resume(&mut proxy, &request, Some(&answer(1, 99)));
        let told = "verdict=shadowed reason=missing_limit_key limit=user policy=shop/api";
        assert_eq!((got.status, got.line.as_str()), (200, told));
        let got = resume(&mut proxy, &Request::get("/").with("x-user", "a"), None);
        let told = "verdict=shadowed reason=limit_service_unavailable limit=all policy=shop/api \
                    shadowed=here:over_limit";
        assert_eq!((got.status, got.line.as_str()), (200, told));
        let got = resume(&mut proxy, &request, Some(&answer(2, 0)));
        let told = "verdict=shadowed reason=missing_limit_key limit=user policy=shop/api \
                    shadowed=all:over_limit,here:over_limit";
        assert_eq!((got.status, got.line.as_str()), (200, told));
    }
}

#[test]
fn in_shadow_whoever_s_token_ends_while_the_service_is_asked_passes() {
    for (mode, status, told) in [("Enforce", 401, "denied expired"), ("Shadow", 200, "shadowed expired")] {
        let mut proxy = Proxy::with(json!({
            "mode": mode,
            "jwt": {"providers": [provider("one", "one")],
                    "rules": [{"name": "all", "match": [{}], "require": {"anyOf": ["one"]}}]},
            "rateLimitService": {"service": "ratelimit", "port": 8081},
            "rateLimits": [{"name": "all", "scope": "Global", "limit": {"requests": 100, "period": "1m"}}],
        }));
        let request = Request::get("/").bearer(&token("one", json!({})));
        let mut asking = proxy.asks_service(&request);
        proxy.host.seconds.set(1060);
        proxy.worker.answered(&proxy.host, &mut asking, 0, Some(&answer(1, 99))).unwrap();
        let decision = proxy.worker.resume(&proxy.host, &Read::of(&request.headers()), asking);
        let got = proxy.got(&request, decision);
        assert_eq!((got.status, got.told.as_str()), (status, told));
    }
}

#[test]
fn whoever_finds_no_place_to_be_counted_at_is_told_so() {
    let mut proxy = limited(json!([
        {"name": "user", "key": [{"header": {"name": "x-user"}}], "limit": {"requests": 1, "period": "1h"}},
    ]));
    let mut told = std::collections::BTreeSet::new();
    let mut first = None;
    for user in 0..40_000 {
        let got = proxy.ask(&Request::get("/").with("x-user", &user.to_string()));
        if got.status == 429 && first.is_none() {
            first = Some(user);
            assert!(!got.headers.iter().any(|(_, value)| value.contains("violated")), "{got:?}");
        }
        told.insert(got.told);
    }
    assert!(first.is_some_and(|first| (4_096..16_384).contains(&first)), "{first:?}");
    assert!(told.iter().eq(["allowed ok", "denied limit_table_full"]), "{told:?}");
    assert_eq!(proxy.ask(&Request::get("/").with("x-user", "0")).told, "denied over_limit");
}

#[test]
fn the_address_that_counts_is_told_where_others_are_trusted_to_tell_it() {
    let spec = json!({"trustedHops": 1, "rateLimits": [
        {"name": "client", "key": [{"clientAddress": {}}], "limit": {"requests": 1, "period": "1m"}},
    ]});
    let request = Request::get("/").with("x-forwarded-for", "6.6.6.6, 198.51.100.1");
    for (logs_paths, client) in [(true, " client=198.51.100.1"), (false, "")] {
        let more = json!({"logsPaths": logs_paths});
        let mut proxy = Proxy::configured(Host::default(), spec.clone(), more);
        assert_eq!(proxy.ask(&request).line, format!("verdict=allowed reason=ok policy=shop/api{client}"));
    }
}

#[test]
fn every_number_that_is_watched_for_stands_at_zero_before_it_counts() {
    let mut proxy = Proxy::with(json!({
        "jwt": {"providers": [provider("one", "one")], "rules": [
            {"name": "open", "match": [{"path": {"exact": "/open"}}], "require": "None"},
            {"name": "all", "match": [{}], "require": {"anyOf": ["one"]}},
        ]},
        "rateLimits": [{"name": "few", "limit": {"requests": 3, "period": "1m"}}],
    }));
    let usual = Series::usual(proxy.worker.program());
    let names = |series: &Series| series.name(proxy.worker.program());
    let expected = "sallyport_requests;policy=shop/api;verdict=denied;reason=over_limit;limit=few";
    assert!(usual.iter().map(names).any(|name| name == expected), "{usual:?}");
    let mut indices: Vec<_> = usual.iter().map(|series| series.part.index(proxy.worker.program())).collect();
    indices.dedup();
    assert_eq!(indices, [0, 1, 2, 3]);
    let one = || Request::get("/").bearer(&token("one", json!({})));
    for request in [Request::get("/open"), Request::get("/"), one(), one(), one()] {
        let got = proxy.ask(&request);
        assert!(usual.contains(&Series::of(&got.decision.record)), "{}", got.line);
    }
}

#[test]
fn leased_tokens_are_spent_without_a_call() {
    let mut proxy = global("Deny", 4);
    let request = Request::get("/");
    // The first tells of the window; the second leases.
    assert_eq!(resume(&mut proxy, &request, Some(&answer(1, 99))).status, 200);
    assert_eq!(resume(&mut proxy, &request, Some(&answer(1, 95))).status, 200);
    for _ in 0..3 {
        assert_eq!(proxy.ask(&request).status, 200);
    }
    // The local limit is used up, which costs no further call.
    assert_eq!(proxy.ask(&request).status, 429);
}
