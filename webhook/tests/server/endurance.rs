//! Clients that are slow, silent, too many or too large, and a gate that fails.

use std::sync::Arc;
use std::time::Duration;

use sallyport::server::Limits;
use sallyport_admission::Decision;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::gate::{Fake, Held, allowed};
use crate::running::{Running, body, large_body, limits, review, within};

/// What a bound that is meant to be met is set to.
const SOON: Duration = Duration::from_millis(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_gate_that_panics_is_503_and_the_connection_lives_on() {
    let gate =
        Fake::new(|request| if request.uid == "bad" { panic!("as the test wants") } else { allowed() });
    let server = Running::start(gate).await;
    for client in [server.http1(), server.http2()] {
        for bytes in [0, 100_000] {
            let answer = server.post(&client, "/mutate", large_body("bad", bytes)).await;
            let want = "the decision failed: this is a bug, and the log says more\n";
            assert_eq!((answer.status, answer.text.as_str()), (503, want));
            server.post(&client, "/mutate", large_body("good", bytes)).await.response();
        }
    }
    let metrics = server.get("/metrics").await.text;
    assert!(metrics.contains("sallyport_admission_unanswered_total{reason=\"panic\"} 4\n"), "{metrics}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bodies_beyond_the_memory_that_is_set_aside_are_503() {
    let server = Running::with(Fake::allowing(), Limits { bodies_bytes: 10_000, ..limits() }).await;
    let client = server.http2();
    let answer = server.post(&client, "/mutate", large_body("u", 10_000)).await;
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (503, "too many requests are being decided: try again\n")
    );
    for _ in 0..100 {
        // What was held is given back: together these are far more than 10,000 bytes.
        server.post(&client, "/mutate", body("u")).await.response();
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_decision_that_misses_its_deadline_is_503() {
    let (held, gate) = Held::gate();
    let server = Running::with(gate, Limits { deadline: SOON, ..limits() }).await;
    let answer = server.post(&server.http2(), "/mutate", large_body("u", 100_000)).await;
    held.release();
    assert_eq!((answer.status, answer.text.as_str()), (503, "no decision within 30 ms\n"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_body_that_never_arrives_is_408() {
    let server = Running::with(Fake::allowing(), Limits { deadline: SOON, ..limits() }).await;
    let mut tls = server.tls(&["http/1.1"]).await.unwrap();
    let head = "POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 100\r\n\r\n{";
    tls.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // An end without close_notify is an error in TLS; what was read stays.
    let _ = within(tls.read_to_end(&mut answer)).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.ends_with("the body did not arrive in time; expected it within 30 ms\n"), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    let metrics = server.get("/metrics").await.text;
    assert!(metrics.contains("sallyport_admission_unanswered_total{reason=\"slow-body\"} 1\n"), "{metrics}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn silent_clients_are_let_go_at_each_stage() {
    let limits = Limits { handshake: SOON, header: SOON, idle: SOON, ..limits() };
    let server = Running::with(Fake::allowing(), limits).await;
    let mut rest = Vec::new();
    // No TLS.
    let mut tcp = TcpStream::connect(server.admission).await.unwrap();
    assert_eq!(within(tcp.read_to_end(&mut rest)).await.unwrap(), 0);
    // No end of the headers; no preface; no call after the preface.
    for (alpn, sent) in [
        ("http/1.1", "POST /mutate HTTP/1.1\r\nx: "),
        ("http/1.1", ""),
        ("h2", ""),
        ("h2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
    ] {
        let mut tls = within(async {
            loop {
                // Where the machine is so slow that the handshake meets its bound, it is tried again.
                if let Ok(tls) = server.tls(&[alpn]).await {
                    break tls;
                }
            }
        })
        .await;
        let _ = tls.write_all(sent.as_bytes()).await;
        let _ = within(tls.read_to_end(&mut rest)).await;
    }
    let metrics = within(async {
        loop {
            // The plain port keeps the same bounds.
            if let Ok(answer) = server.try_get("/metrics").await {
                break answer.text;
            }
        }
    })
    .await;
    assert!(!metrics.contains("sallyport_tls_handshake_failures_total{reason=\"timeout\"} 0"), "{metrics}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_connection_beyond_the_limit_waits_while_all_others_have_calls() {
    let (held, gate) = Held::gate();
    let server = Running::with(gate, Limits { connections: 1, ..limits() }).await;
    server.reached_itself().await;
    let server = Arc::new(server);
    let call = tokio::spawn({
        let server = Arc::clone(&server);
        // Decided on a thread of its own, so that the test's are free.
        async move { server.post(&server.http1(), "/mutate", large_body("u", 100_000)).await }
    });
    within(held.entered()).await;
    let waiting = tokio::spawn({
        let server = Arc::clone(&server);
        async move { server.tls(&["http/1.1"]).await.map(drop) }
    });
    // The plain port answers meanwhile, often enough for the other to have had its chance.
    for _ in 0..100 {
        assert_eq!(server.get("/healthz").await.status, 200);
        assert!(!waiting.is_finished() && !call.is_finished());
    }
    held.release();
    assert_eq!(within(call).await.unwrap().response()["uid"], "u");
    within(waiting).await.unwrap().unwrap();
    Arc::into_inner(server).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_idle_gives_way_whatever_they_said_so_far() {
    let server = Running::with(Fake::allowing(), Limits { connections: 4, ..limits() }).await;
    server.reached_itself().await;
    // Ten times as many as there is room for, none of which closes: no TLS, no request, no preface.
    let mut open = Vec::new();
    let mut idle = Vec::new();
    for alpn in ["http/1.1", "h2", "http/1.1", "h2", "http/1.1"] {
        for _ in 0..7 {
            idle.push(TcpStream::connect(server.admission).await.unwrap());
        }
        open.push(within(server.tls(&[alpn])).await.unwrap());
        server.post(&server.http2(), "/mutate", body("u")).await.response();
        server.post(&server.http1(), "/mutate", body("u")).await.response();
    }
    // The first of each sort was let go; the server holds no more than it may.
    let mut rest = Vec::new();
    let _ = within(open[0].read_to_end(&mut rest)).await;
    let _ = within(idle[0].read_to_end(&mut rest)).await;
    let metrics = server.get("/metrics").await.text;
    let connections = metrics.lines().find_map(|line| line.strip_prefix("sallyport_tls_connections "));
    assert!(connections.unwrap().parse::<u32>().unwrap() <= 4, "{connections:?}");
    assert!(metrics.contains("sallyport_tls_connections_limit 4\n"), "{metrics}");
    assert!(!metrics.contains("sallyport_tls_connections_gave_way_total 0\n"), "{metrics}");
    drop((open, idle));
    server.stop().await;
}

/// The file descriptors that this process may have open.
fn most_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap_or(usize::MAX)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_connections_that_say_nothing_keep_nobody_out() {
    // Or as many as this process may open, beside the server's own and those of other tests.
    let many = 10_000.min(most_files() / 2);
    let server = Running::with(Fake::allowing(), Limits { connections: 256, ..limits() }).await;
    let mut open = Vec::new();
    for n in 0..many {
        open.push(TcpStream::connect(server.admission).await.unwrap());
        if n % 1000 == 0 {
            server.post(&server.http2(), "/mutate", body("u")).await.response();
        }
    }
    server.post(&server.http1(), "/mutate", body("u")).await.response();
    assert_eq!(server.get("/healthz").await.status, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_beyond_the_limit_are_503_and_the_others_are_answered() {
    let (held, gate) = Held::gate();
    let server = Arc::new(Running::with(gate, Limits { in_flight: 1, ..limits() }).await);
    let first = tokio::spawn({
        let server = Arc::clone(&server);
        async move { server.post(&server.http2(), "/mutate", large_body("u", 100_000)).await }
    });
    within(held.entered()).await;
    let client = server.http2();
    let answer = server.post(&client, "/mutate", body("v")).await;
    let want = "too many requests are being decided: try again\n";
    assert_eq!((answer.status, answer.text.as_str()), (503, want));
    held.release();
    assert_eq!(within(first).await.unwrap().response()["uid"], "u");
    assert_eq!(server.post(&client, "/mutate", body("v")).await.response()["uid"], "v");
    let metrics = server.get("/metrics").await.text;
    assert!(metrics.contains("sallyport_admission_unanswered_total{reason=\"overload\"} 1\n"), "{metrics}");
    Arc::into_inner(server).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_no_tls_is_counted_and_harms_nobody() {
    let server = Running::start(Fake::allowing()).await;
    let mut tcp = TcpStream::connect(server.admission).await.unwrap();
    tcp.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = within(tcp.read_to_end(&mut rest)).await;
    server.post(&server.http2(), "/mutate", body("u")).await.response();
    let metrics = server.get("/metrics").await.text;
    assert!(metrics.contains("sallyport_tls_handshake_failures_total{reason=\"tls\"} 1\n"), "{metrics}");
    server.stop().await;
}

/// A review whose object has so many small objects, or containers.
fn many(field: &str, count: usize) -> Vec<u8> {
    let mut review = review("u");
    review["request"]["object"]["spec"][field] = json!(vec![json!({"a": 1}); count]);
    serde_json::to_vec(&review).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_body_that_would_become_too_much_is_413_before_anything_is_made_of_it() {
    let server = Running::start(Fake::allowing()).await;
    let client = server.http2();
    let answer = server.post(&client, "/mutate", many("x", 300_000)).await;
    assert_eq!(answer.status, 413);
    assert!(answer.text.starts_with("the body would take "), "{}", answer.text);
    assert!(answer.text.ends_with("; expected at most 201326592\n"), "{}", answer.text);
    // What a large workload holds is far less, and text is cheap.
    server.post(&client, "/mutate", many("x", 20_000)).await.response();
    server.post(&client, "/mutate", large_body("u", 3_000_000)).await.response();
    let answer = server.post(&client, "/mutate", many("containers", 1001)).await;
    let want = "the object has more than 1000 containers; expected at most that many\n";
    assert_eq!((answer.status, answer.text.as_str()), (413, want));
    server.post(&client, "/mutate", many("containers", 1000)).await.response();
    let metrics = server.get("/metrics").await.text;
    for reason in ["too-heavy", "too-many-containers"] {
        let want = format!("sallyport_admission_malformed_total{{reason=\"{reason}\"}} 1\n");
        assert!(metrics.contains(&want), "{metrics}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bodies_that_become_much_wait_for_each_other_at_most_until_their_deadline() {
    let (held, gate) = Held::gate();
    // Room for one of them.
    let server = Arc::new(Running::with(gate, Limits { decisions_bytes: 100 << 20, ..limits() }).await);
    let first = tokio::spawn({
        let server = Arc::clone(&server);
        async move { server.post(&server.http2(), "/mutate", many("x", 20_000)).await }
    });
    within(held.entered()).await;
    let client = server.http2();
    let answer = server.post(&client, "/mutate?timeout=1s", many("x", 20_000)).await;
    assert_eq!((answer.status, answer.text.as_str()), (503, "no decision within 1000 ms\n"));
    // It was never begun: the gate, which holds what enters it, saw the first only.
    assert!(tokio::time::timeout(SOON, held.entered()).await.is_err());
    held.release();
    within(first).await.unwrap().response();
    server.post(&client, "/mutate", many("x", 20_000)).await.response();
    Arc::into_inner(server).unwrap().stop().await;
}

/// A frame of HTTP/2 (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// An HTTP/2 client whose window for answers is empty (section 6.9.2), with a review on its first stream.
fn who_takes_no_answer(body: &[u8]) -> Vec<u8> {
    // Each literal without indexing (RFC 7541 section 6.2.2), its name indexed or written out.
    let text = |text: &str| [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat();
    let post_over_https = vec![0x83, 0x87];
    let headers = [
        post_over_https,
        [vec![0x04], text("/mutate")].concat(),
        [vec![0x01], text("localhost")].concat(),
        [vec![0x00], text("content-type"), text("application/json")].concat(),
    ]
    .concat();
    let no_window = [0, 4, 0, 0, 0, 0];
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, 0, &no_window),
        frame(1, 4, 1, &headers),
        frame(0, 1, 1, body),
    ]
    .concat()
}

/// The types of the frames in what a server sent (RFC 9113 section 4.1).
fn frame_kinds(mut sent: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let [a, b, c, kind, rest @ ..] = sent {
        kinds.push(*kind);
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        sent = rest.get(5 + length..).unwrap_or_default();
    }
    kinds
}

/// A gate whose every patch has 60,000 bytes.
fn verbose() -> Arc<Fake> {
    let patch = json!([{"op": "add", "path": "/metadata/labels", "value": "x".repeat(45_000)}]);
    let decision =
        Decision { allowed: true, patch: serde_json::from_value(patch).unwrap(), ..Decision::default() };
    Fake::new(move |_| decision.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_takes_no_answer_loses_the_connection() {
    let server = Running::with(verbose(), Limits { answer: SOON, ..limits() }).await;
    let mut tls = server.tls(&["h2"]).await.unwrap();
    tls.write_all(&who_takes_no_answer(&body("u-1"))).await.unwrap();
    // What comes are the server's own frames, the headers of the answer, and the end: no data (section 6.1).
    let mut came = Vec::new();
    let _ = within(tls.read_to_end(&mut came)).await;
    let kinds = frame_kinds(&came);
    assert!(kinds.contains(&1) && !kinds.contains(&0), "{kinds:?}");
    // It was decided, and not for anything that is wrong with it.
    let metrics = server.get("/metrics").await.text;
    let patched =
        "sallyport_admission_requests_total{path=\"/mutate\",operation=\"CREATE\",verdict=\"patched\"} 1";
    assert!(metrics.contains(patched), "{metrics}");

    let mut tls = server.tls(&["http/1.1"]).await.unwrap();
    let body = body("u-1");
    let length = body.len();
    let head = format!(
        "POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n"
    );
    let request = [head.into_bytes(), body].concat();
    // Nothing is read: once the sockets hold no more answers, none is taken.
    let mut sent = 0;
    within(async {
        while tls.write_all(&request).await.is_ok() {
            sent += 1;
        }
    })
    .await;
    assert!(sent > 1, "the connection is kept as long as answers are taken");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_that_nobody_takes_count_against_the_memory_of_bodies() {
    let server = Running::with(verbose(), Limits { bodies_bytes: 100_000, ..limits() }).await;
    let mut tls = server.tls(&["h2"]).await.unwrap();
    tls.write_all(&who_takes_no_answer(&body("u-1"))).await.unwrap();
    let client = server.http1();
    let refused = within(async {
        loop {
            let answer = server.post(&client, "/mutate", body("u-2")).await;
            if answer.status != 200 {
                break answer;
            }
        }
    });
    let refused = refused.await;
    let want = (503, "too many requests are being decided: try again\n");
    assert_eq!((refused.status, refused.text.as_str()), want);
    // Now nothing is held but what the other client doesn't take.
    assert_eq!(server.post(&client, "/mutate", body("u-2")).await.status, 503);
    drop(tls);
    within(async { while server.post(&client, "/mutate", body("u-3")).await.status != 200 {} }).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_policy_that_takes_long_to_check_is_in_nobodys_way() {
    let (held, gate) = Held::gate();
    let server = Running::with(gate, Limits { deadline: SOON, ..limits() }).await;
    let answer = server.post(&server.http2(), "/validate-policies", body("u")).await;
    assert_eq!((answer.status, answer.text.as_str()), (503, "no decision within 30 ms\n"));
    held.entered().await;
    assert_eq!(server.get("/healthz").await.status, 200);
    // The next one waits for that one, and not for a thread that others need.
    let answer = server.post(&server.http2(), "/validate-policies", body("u")).await;
    assert_eq!((answer.status, answer.text.as_str()), (503, "no decision within 30 ms\n"));
    held.release();
    server.stop().await;
}
