//! How the server ends.

use std::time::Duration;

use sallyport::server::{Drained, Limits};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::gate::{Fake, Held};
use crate::running::{Running, body, limits, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_call_in_flight_is_answered_after_shutdown_began_and_connections_are_refused() {
    for http2 in [false, true] {
        let (held, gate) = Held::gate();
        let mut server = Running::start(gate).await;
        let client = if http2 { server.http2() } else { server.http1() };
        let url = server.url("/mutate");
        let request = client.post(url).header("content-type", "application/json").body(body("u"));
        let call = tokio::spawn(request.send());
        within(held.entered()).await;
        server.ask_to_stop();
        server.refuses_connections().await;
        assert!(!call.is_finished());
        let ready = server.get("/readyz").await;
        assert_eq!((ready.status, ready.text.as_str()), (503, "shutting down\n"));
        assert_eq!(server.get("/healthz").await.status, 200);
        held.release();
        let response = within(call).await.unwrap().unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.text().await.unwrap().contains("\"allowed\":true"));
        assert_eq!(server.stop().await, Drained { cut: 0 });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn idle_connections_are_closed_when_the_server_ends() {
    let server = Running::start(Fake::allowing()).await;
    let (one, two) = (server.http1(), server.http2());
    for client in [&one, &two] {
        server.post(client, "/mutate", body("u")).await.response();
    }
    // Connected, and never said a word: neither a request nor the preface of HTTP/2.
    let mut silent = [server.tls(&["h2"]).await.unwrap(), server.tls(&["http/1.1"]).await.unwrap()];
    assert_eq!(server.stop().await, Drained { cut: 0 });
    for tls in &mut silent {
        let mut rest = Vec::new();
        let _ = within(tls.read_to_end(&mut rest)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_call_that_outlasts_the_drain_is_cut_and_counted() {
    let limits = Limits { drain: Duration::from_millis(20), ..limits() };
    let server = Running::with(Fake::allowing(), limits).await;
    // A request whose body never ends.
    let mut tls = server.tls(&["http/1.1"]).await.unwrap();
    let head = "POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 100\r\nexpect: 100-continue\r\n\r\n";
    tls.write_all(head.as_bytes()).await.unwrap();
    // The server asks for the body only once the call has begun.
    let mut line = [0; 25];
    within(tls.read_exact(&mut line)).await.unwrap();
    assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(server.stop().await, Drained { cut: 1 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn during_the_shutdown_delay_calls_are_still_taken() {
    // Far longer than the test: its end is never waited for.
    let limits = Limits { shutdown_delay: Duration::from_secs(3600), ..limits() };
    let mut server = Running::with(Fake::allowing(), limits).await;
    server.reached_itself().await;
    assert_eq!(server.get("/readyz").await.status, 200);
    server.ask_to_stop();
    within(async { while server.get("/readyz").await.status == 200 {} }).await;
    server.post(&server.http2(), "/mutate", body("u")).await.response();
}
