//! Which certificate is served, and what becomes of it while connections are made.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use sallyport::server::{Config, Identity, Server, ServerError};
use tempfile::TempDir;
use tokio_rustls::client::TlsStream;

use crate::gate::Fake;
use crate::running::{Running, body, limits, within};

type Ca = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Ca {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

struct Pair {
    certificate: String,
    der: Vec<u8>,
    key: String,
}

fn pair(ca: &Ca) -> Pair {
    pair_until(ca, rcgen::date_time_ymd(2100, 1, 1))
}

fn pair_until(ca: &Ca, not_after: time::OffsetDateTime) -> Pair {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names).unwrap();
    params.not_after = not_after;
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, ca).unwrap();
    Pair { certificate: certificate.pem(), der: certificate.der().to_vec(), key: key.serialize_pem() }
}

/// A Secret as the kubelet mounts it: files that point through a link, which is swapped.
struct Secret {
    dir: TempDir,
    versions: AtomicUsize,
}

impl Secret {
    fn mount(certificate: &str, key: &str) -> Self {
        let secret = Self { dir: TempDir::new().unwrap(), versions: AtomicUsize::new(0) };
        secret.swap(certificate, key);
        for name in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(name), secret.dir.path().join(name)).unwrap();
        }
        secret
    }

    fn swap(&self, certificate: &str, key: &str) {
        let version = format!("..{}", self.versions.fetch_add(1, Ordering::SeqCst));
        let dir = self.dir.path();
        std::fs::create_dir(dir.join(&version)).unwrap();
        std::fs::write(dir.join(&version).join("tls.crt"), certificate).unwrap();
        std::fs::write(dir.join(&version).join("tls.key"), key).unwrap();
        symlink(&version, dir.join("..data_tmp")).unwrap();
        std::fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    }

    fn identity(&self) -> Identity {
        Identity::Files { certificate: self.dir.path().join("tls.crt"), key: self.dir.path().join("tls.key") }
    }
}

fn served<T>(tls: &TlsStream<T>) -> Vec<u8> {
    tls.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_next_connection_after_a_renewal_gets_the_new_certificate_and_none_fails() {
    let ca = authority();
    let first = pair(&ca);
    let secret = Secret::mount(&first.certificate, &first.key);
    let server = Running::identified(Fake::allowing(), limits(), secret.identity(), Some(ca.pem())).await;
    let server = Arc::new(server);
    assert_eq!(served(&server.tls(&["h2"]).await.unwrap()), first.der);

    let over = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (server, over) = (Arc::clone(&server), Arc::clone(&over));
            tokio::spawn(async move {
                let mut calls = 0;
                while !over.load(Ordering::SeqCst) {
                    // A client of its own each time, so a connection of its own.
                    server.post(&server.http2(), "/mutate", body("u")).await.response();
                    calls += 1;
                }
                calls
            })
        })
        .collect();

    let mut last = first;
    for _ in 0..10 {
        let next = pair(&ca);
        // Half of a renewal: the certificate is there and its key is not.
        secret.swap(&next.certificate, &last.key);
        assert_eq!(
            served(&server.tls(&[]).await.unwrap()),
            last.der,
            "a broken pair leaves the last good one"
        );
        secret.swap(&next.certificate, &next.key);
        assert_eq!(served(&server.tls(&[]).await.unwrap()), next.der);
        last = next;
    }
    for (certificate, key) in
        [("", ""), ("no PEM", "no PEM"), (last.certificate.as_str(), ""), ("", last.key.as_str())]
    {
        secret.swap(certificate, key);
        assert_eq!(served(&server.tls(&[]).await.unwrap()), last.der);
    }
    std::fs::remove_file(secret.dir.path().join("..data")).unwrap();
    assert_eq!(served(&server.tls(&[]).await.unwrap()), last.der, "a Secret that is gone leaves it too");

    over.store(true, Ordering::SeqCst);
    for calls in load {
        within(calls).await.unwrap();
    }
    Arc::into_inner(server).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_has_no_certificate_does_not_start_and_says_which_file() {
    let ca = authority();
    let (one, other) = (pair(&ca), pair(&ca));
    let check = async |certificate: &str, key: &str, want: &str| {
        let secret = Secret::mount(certificate, key);
        let any = "127.0.0.1:0".parse().unwrap();
        let config =
            Config { admission: any, operations: any, identity: secret.identity(), limits: limits() };
        let Err(error @ ServerError::Certificate(_)) = Server::bind(config, Fake::allowing()).await else {
            panic!("it starts");
        };
        let text = error.to_string().replace(&secret.dir.path().display().to_string(), "DIR");
        assert!(text.starts_with(want), "{text}");
    };
    check("", &one.key, "DIR/tls.crt holds no certificate in PEM").await;
    check(&one.certificate, "", "DIR/tls.key holds no private key in PEM").await;
    check(
        &one.certificate,
        &other.key,
        "the certificate DIR/tls.crt and the key DIR/tls.key cannot be served",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_self_issued_certificate_serves_this_machines_names_and_those_given() {
    let dir = TempDir::new().unwrap();
    let ca = dir.path().join("ca.pem");
    let identity = Identity::SelfIssued { names: vec!["gate.example".to_owned()], ca: Some(ca.clone()) };
    let any = "127.0.0.1:0".parse().unwrap();
    let config = Config { admission: any, operations: any, identity, limits: limits() };
    let server = Server::bind(config, Fake::allowing()).await.unwrap();
    let address = server.admission_addr();
    let pem = std::fs::read(&ca).unwrap();
    assert_eq!(server.ca_pem().unwrap().as_bytes(), pem);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    let client = |name: &str| {
        let ca = reqwest::Certificate::from_pem(&pem).unwrap();
        reqwest::Client::builder().no_proxy().tls_certs_only([ca]).resolve(name, address).build().unwrap()
    };
    for name in ["localhost", "127.0.0.1", "gate.example"] {
        let url = format!("https://{name}:{}/", address.port());
        assert_eq!(client(name).get(url).send().await.unwrap().status(), 404, "{name}");
    }
    let url = format!("https://other.example:{}/", address.port());
    assert!(client("other.example").get(url).send().await.unwrap_err().is_connect());
    stop.send(()).unwrap();
    within(running).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tls_1_2_and_1_3_are_spoken_and_http_2_is_preferred() {
    use rustls::ProtocolVersion::{TLSv1_2, TLSv1_3};
    let server = Running::start(Fake::allowing()).await;
    let tls = server.tls(&["http/1.1", "h2"]).await.unwrap();
    assert_eq!(tls.get_ref().1.protocol_version(), Some(TLSv1_3));
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let tls = server.tls(&["http/1.1"]).await.unwrap();
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));

    assert_eq!(
        server.tls_of(&[&rustls::version::TLS12], &[]).await.unwrap().get_ref().1.protocol_version(),
        Some(TLSv1_2)
    );
    drop(tls);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_certificate_that_is_not_valid_today_or_cannot_be_served_is_told_of() {
    let ca = authority();
    let expired = pair_until(&ca, rcgen::date_time_ymd(2020, 1, 1));
    let secret = Secret::mount(&expired.certificate, &expired.key);
    let server = Running::identified(Fake::allowing(), limits(), secret.identity(), Some(ca.pem())).await;
    server.reached_itself().await;
    let ready = server.get("/readyz").await;
    let want = "the certificate expired at 2020-01-01T00:00:00Z; expected one that is valid\n";
    assert_eq!((ready.status, ready.text.as_str()), (503, want));
    let unusable = async || {
        let metrics = server.get("/metrics").await.text;
        metrics.contains("sallyport_tls_certificate_unusable 1\n")
    };
    assert!(unusable().await);

    let valid = pair(&ca);
    secret.swap(&valid.certificate, &valid.key);
    let ready = server.get("/readyz").await;
    assert_eq!((ready.status, ready.text.as_str()), (200, "ok\n"));
    assert!(!unusable().await);

    // What is served is still right, and what would be is not.
    secret.swap(&valid.certificate, "no PEM");
    assert!(unusable().await);
    assert_eq!(server.get("/readyz").await.status, 200);
    secret.swap(&valid.certificate, &valid.key);
    assert!(!unusable().await);

    // Nor does what is not valid take the place of what is.
    secret.swap(&expired.certificate, &expired.key);
    assert_eq!(served(&server.tls(&[]).await.unwrap()), valid.der);
    assert!(unusable().await);
    assert_eq!(server.get("/readyz").await.status, 200);
    secret.swap(&valid.certificate, &valid.key);
    assert!(!unusable().await);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_client_that_trusts_another_authority_is_counted_as_such() {
    let (ca, other) = (authority(), authority());
    let pair = pair(&ca);
    let secret = Secret::mount(&pair.certificate, &pair.key);
    let server = Running::identified(Fake::allowing(), limits(), secret.identity(), Some(other.pem())).await;
    assert!(server.tls(&["http/1.1"]).await.is_err());
    let rejected = "sallyport_tls_handshake_failures_total{reason=\"rejected-certificate\"} 1\n";
    within(async { while !server.get("/metrics").await.text.contains(rejected) {} }).await;
    server.stop().await;
}
