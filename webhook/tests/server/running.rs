//! A running server, and clients that trust it.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::SupportedProtocolVersion;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use sallyport::server::{Config, Drained, Gate, Identity, Limits, Server};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Long enough for any machine: it ends a test that hangs, and decides none.
const HANGS: Duration = Duration::from_secs(120);

pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(HANGS, future).await.expect("it hangs")
}

pub(crate) fn limits() -> Limits {
    Limits { shutdown_delay: Duration::ZERO, drain: HANGS, deadline: HANGS, ..Limits::default() }
}

pub(crate) struct Running {
    pub(crate) admission: SocketAddr,
    pub(crate) operations: SocketAddr,
    ca: String,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Drained>,
}

impl Running {
    pub(crate) async fn start(gate: Arc<dyn Gate>) -> Self {
        Self::with(gate, limits()).await
    }

    pub(crate) async fn with(gate: Arc<dyn Gate>, limits: Limits) -> Self {
        Self::identified(gate, limits, Identity::SelfIssued { names: Vec::new(), ca: None }, None).await
    }

    pub(crate) async fn identified(
        gate: Arc<dyn Gate>,
        limits: Limits,
        identity: Identity,
        ca: Option<String>,
    ) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = Config { admission: any, operations: any, identity, limits };
        let server = Server::bind(config, gate).await.unwrap();
        let (admission, operations) = (server.admission_addr(), server.operations_addr());
        let ca = ca.or_else(|| server.ca_pem().map(str::to_owned)).unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { admission, operations, ca, stop: Some(stop), task }
    }

    pub(crate) fn http1(&self) -> reqwest::Client {
        self.builder().http1_only().build().unwrap()
    }

    pub(crate) fn http2(&self) -> reqwest::Client {
        self.builder().build().unwrap()
    }

    fn builder(&self) -> reqwest::ClientBuilder {
        let ca = reqwest::Certificate::from_pem(self.ca.as_bytes()).unwrap();
        reqwest::Client::builder().no_proxy().timeout(HANGS).tls_certs_only([ca])
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.admission)
    }

    /// Sends a body as the API server does.
    pub(crate) async fn post(&self, client: &reqwest::Client, path: &str, body: Vec<u8>) -> Answer {
        let request = client.post(self.url(path)).header("content-type", "application/json").body(body);
        Answer::of(request.send().await.unwrap()).await
    }

    /// GET on the plain port.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.try_get(path).await.unwrap()
    }

    /// The same, where the server may close the connection first.
    pub(crate) async fn try_get(&self, path: &str) -> reqwest::Result<Answer> {
        let client = reqwest::Client::builder().no_proxy().timeout(HANGS).build().unwrap();
        let response = client.get(format!("http://{}{path}", self.operations)).send().await?;
        Ok(Answer::of(response).await)
    }

    /// Returns once the server has called itself, which its readiness waits for.
    pub(crate) async fn reached_itself(&self) {
        within(async { while self.get("/readyz").await.text.contains("has not reached its own") {} }).await;
    }

    /// A TLS connection that speaks whatever the test writes.
    pub(crate) async fn tls(&self, alpn: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
        self.tls_of(rustls::ALL_VERSIONS, alpn).await
    }

    pub(crate) async fn tls_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.ca.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let tcp = TcpStream::connect(self.admission).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), tcp).await
    }

    /// Asks the server to end; what it says when it has.
    pub(crate) async fn stop(mut self) -> Drained {
        self.ask_to_stop();
        within(self.task).await.unwrap()
    }

    pub(crate) fn ask_to_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Returns once the TLS port takes no connection any more.
    pub(crate) async fn refuses_connections(&self) {
        within(async {
            while TcpStream::connect(self.admission).await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) version: reqwest::Version,
    pub(crate) content_type: String,
    pub(crate) text: String,
}

impl Answer {
    async fn of(response: reqwest::Response) -> Self {
        let content_type = response.headers().get("content-type").map(|v| v.to_str().unwrap().to_owned());
        Self {
            status: response.status().as_u16(),
            version: response.version(),
            content_type: content_type.unwrap_or_default(),
            text: response.text().await.unwrap(),
        }
    }

    /// The `response` of an AdmissionReview.
    #[track_caller]
    pub(crate) fn response(&self) -> Value {
        assert_eq!((self.status, self.content_type.as_str()), (200, "application/json"), "{}", self.text);
        let review: Value = serde_json::from_str(&self.text).unwrap();
        assert_eq!(review["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(review["kind"], "AdmissionReview");
        review["response"].clone()
    }
}

/// The review of a pod that is created.
pub(crate) fn review(uid: &str) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
            "namespace": "production",
            "operation": "CREATE",
            "userInfo": {"username": "jo", "groups": ["system:authenticated"], "extra": {"a": ["b"]}},
            "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "api"}, "spec": {"containers": []}},
            "oldObject": null,
            "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}
        }
    })
}

pub(crate) fn body(uid: &str) -> Vec<u8> {
    serde_json::to_vec(&review(uid)).unwrap()
}

/// A review whose object has so many bytes of text.
pub(crate) fn large_body(uid: &str, bytes: usize) -> Vec<u8> {
    let mut review = review(uid);
    review["request"]["object"]["metadata"]["annotations"] = json!({"large": "x".repeat(bytes)});
    serde_json::to_vec(&review).unwrap()
}
