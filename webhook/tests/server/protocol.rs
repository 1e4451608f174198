//! HTTP as clients may speak it, well or badly, byte by byte over TLS.

use reqwest::{Method, Version};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use crate::gate::Fake;
use crate::running::{Running, body, within};

/// A request of HTTP/1.1 with these header lines.
fn head(lines: &str) -> Vec<u8> {
    format!("POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{lines}\r\n")
        .into_bytes()
}

/// All that is answered until the connection closes.
async fn rest(io: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    // An end without close_notify is an error in TLS; what was read stays.
    let _ = within(io.read_to_end(&mut bytes)).await;
    String::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pipelined_requests_are_answered_in_their_order() {
    let server = Running::start(Fake::allowing()).await;
    let mut tls = server.tls(&["http/1.1"]).await.unwrap();
    let mut sent = Vec::new();
    for n in 0..50 {
        let body = body(&format!("u-{n}"));
        let last = if n == 49 { "connection: close\r\n" } else { "" };
        sent.extend(head(&format!("content-length: {}\r\n{last}", body.len())));
        sent.extend(body);
    }
    tls.write_all(&sent).await.unwrap();
    let answers = rest(&mut tls).await;
    let uids: Vec<&str> =
        answers.split("\"uid\":\"").skip(1).map(|text| text.split('"').next().unwrap()).collect();
    assert_eq!(uids, (0..50).map(|n| format!("u-{n}")).collect::<Vec<_>>());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_body_in_chunks_is_one_body() {
    let server = Running::start(Fake::allowing()).await;
    let mut tls = server.tls(&["http/1.1"]).await.unwrap();
    let mut sent = head("transfer-encoding: chunked\r\nconnection: close\r\n");
    for chunk in body("u").chunks(7) {
        sent.extend(format!("{:x};ext=1\r\n", chunk.len()).into_bytes());
        sent.extend(chunk);
        sent.extend(b"\r\n");
    }
    sent.extend(b"0\r\ntrailer: of no meaning\r\n\r\n");
    tls.write_all(&sent).await.unwrap();
    let answer = rest(&mut tls).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\"uid\":\"u\""), "{answer}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn headers_that_disagree_or_have_no_end_are_refused_and_harm_nobody() {
    let server = Running::start(Fake::allowing()).await;
    for (lines, status) in [
        ("content-length: 5\r\ncontent-length: 6\r\n".to_owned(), "400"),
        ("content-length: -1\r\n".to_owned(), "400"),
        ("transfer-encoding: gzip\r\n".to_owned(), "400"),
        ("bad header\r\n".to_owned(), "400"),
        (format!("x: {}\r\n", "x".repeat(200_000)), "431"),
        ("x: y\r\n".repeat(5000), "431"),
    ] {
        let mut tls = server.tls(&["http/1.1"]).await.unwrap();
        // The server may refuse before it has read all.
        let _ = tls.write_all(&head(&lines)).await;
        let mut line = [0; 12];
        within(tls.read_exact(&mut line)).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&line), format!("HTTP/1.1 {status}"), "{:.80}", lines);
        server.post(&server.http1(), "/mutate", body("u")).await.response();
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_waits_to_be_asked_for_a_body_is_told_at_once_that_it_is_not_wanted() {
    let server = Running::start(Fake::allowing()).await;
    for (request, status) in [
        ("POST /mutate HTTP/1.1\r\ncontent-type: text/plain", "415"),
        ("POST /nowhere HTTP/1.1\r\ncontent-type: application/json", "404"),
        ("PUT /mutate HTTP/1.1\r\ncontent-type: application/json", "405"),
    ] {
        let mut tls = server.tls(&["http/1.1"]).await.unwrap();
        let head =
            format!("{request}\r\nhost: localhost\r\ncontent-length: 100\r\nexpect: 100-continue\r\n\r\n");
        tls.write_all(head.as_bytes()).await.unwrap();
        let mut line = [0; 12];
        within(tls.read_exact(&mut line)).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&line), format!("HTTP/1.1 {status}"));
    }
    let mut tls = server.tls(&["http/1.1"]).await.unwrap();
    let body = body("u");
    let lines = format!("content-length: {}\r\nexpect: 100-continue\r\nconnection: close\r\n", body.len());
    tls.write_all(&head(&lines)).await.unwrap();
    let mut asked = [0; 25];
    within(tls.read_exact(&mut asked)).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    tls.write_all(&body).await.unwrap();
    assert!(rest(&mut tls).await.starts_with("HTTP/1.1 200 OK\r\n"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refused_request_is_read_first_so_that_its_sender_sees_the_answer() {
    let server = Running::start(Fake::allowing()).await;
    let large = vec![b' '; 2 << 20];
    for client in [server.http1(), server.http2()] {
        for (method, path, content_type, status) in [
            (Method::POST, "/nowhere", "application/json", 404),
            (Method::PUT, "/mutate", "application/json", 405),
            (Method::POST, "/mutate", "text/plain", 415),
        ] {
            for _ in 0..5 {
                let request =
                    client.request(method.clone(), server.url(path)).header("content-type", content_type);
                let response = within(request.body(large.clone()).send()).await.unwrap();
                assert_eq!(response.status(), status, "{path} over {:?}", response.version());
                assert!(!response.text().await.unwrap().is_empty());
            }
        }
    }
    server.stop().await;
}

/// An HTTP/2 frame (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const END_HEADERS: u8 = 4;

/// The preface, and `POST /mutate` as HPACK (RFC 7541): method and scheme from the static table, the rest literal.
fn preface_and_request() -> (Vec<u8>, Vec<u8>) {
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &[])].concat();
    let mut block = vec![0x83, 0x87];
    for (name, value) in [(0x04, "/mutate"), (0x01, "localhost"), (0x0f, "application/json")] {
        block.push(name);
        if name == 0x0f {
            // content-type is entry 31: 15 and 16 more.
            block.push(16);
        }
        block.push(u8::try_from(value.len()).unwrap());
        block.extend(value.as_bytes());
    }
    (preface, block)
}

/// Reads frames until the connection ends; the error code of the GOAWAY among them.
async fn goes_away(io: &mut (impl AsyncRead + Unpin)) -> Option<u32> {
    let mut said = None;
    let mut head = [0; 9];
    while within(io.read_exact(&mut head)).await.is_ok() {
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        if within(io.read_exact(&mut payload)).await.is_err() {
            break;
        }
        if head[3] == GO_AWAY {
            said = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
    }
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_client_that_resets_its_streams_as_fast_as_it_opens_them_is_cut_off() {
    let server = Running::start(Fake::allowing()).await;
    let (preface, block) = preface_and_request();
    let mut tls = server.tls(&["h2"]).await.unwrap();
    tls.write_all(&preface).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(tls);
    let flood = tokio::spawn(async move {
        for n in 0..100_000_u32 {
            let stream = 2 * n + 1;
            let open = frame(HEADERS, END_HEADERS, stream, &block);
            let both = [open, frame(RESET, 0, stream, &8_u32.to_be_bytes())].concat();
            if writer.write_all(&both).await.is_err() {
                return;
            }
        }
        panic!("a hundred thousand resets were taken");
    });
    // Meanwhile others are served.
    server.post(&server.http2(), "/mutate", body("u")).await.response();
    // ENHANCE_YOUR_CALM.
    assert_eq!(goes_away(&mut reader).await, Some(11));
    drop(reader);
    within(flood).await.unwrap();
    server.post(&server.http2(), "/mutate", body("u")).await.response();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn streams_beyond_the_limit_are_refused_and_the_others_stay() {
    let server = Running::start(Fake::allowing()).await;
    let (preface, block) = preface_and_request();
    let mut tls = server.tls(&["h2"]).await.unwrap();
    tls.write_all(&preface).await.unwrap();
    // None of them sends its body.
    for n in 0..300 {
        tls.write_all(&frame(HEADERS, END_HEADERS, 2 * n + 1, &block)).await.unwrap();
    }
    tls.flush().await.unwrap();
    let mut refused = 0;
    let mut head = [0; 9];
    while refused < 300 - 256 {
        within(tls.read_exact(&mut head)).await.unwrap();
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        within(tls.read_exact(&mut payload)).await.unwrap();
        assert_ne!(head[3], GO_AWAY, "{payload:?}");
        if head[3] == RESET {
            // REFUSED_STREAM: it may be tried again elsewhere (RFC 9113 section 8.7).
            assert_eq!(payload, 7_u32.to_be_bytes());
            refused += 1;
        }
    }
    let answer = server.post(&server.http2(), "/mutate", body("u")).await;
    assert_eq!(answer.version, Version::HTTP_2);
    drop(tls);
    server.stop().await;
}
