//! The program, running, and a client that trusts it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// Ends a test that hangs, and decides none.
const HANGS: Duration = Duration::from_secs(120);

/// One policy that changes pods, refuses some, and warns of others.
pub(crate) const POLICY: &str = "\
apiVersion: sallyport.dev/v1alpha1
kind: WorkloadPolicy
metadata: {name: team}
spec:
  match: {kinds: [Pod]}
  mutate:
    - name: labels
      metadata: {labels: {tier: value-of-the-policy}}
  validate:
    - name: no-card
      cel:
        expression: '!has(object.metadata.annotations) || !(\"card\" in object.metadata.annotations)'
        messageExpression: '\"found \" + object.metadata.annotations.card'
";

pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
    pub(crate) said: Vec<Value>,
    pub(crate) dir: TempDir,
    admission: SocketAddr,
    operations: SocketAddr,
}

impl Program {
    /// A command that serves the policies of `dir`, with a log of JSON lines.
    pub(crate) fn command(dir: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sallyport"));
        let any = "127.0.0.1:0";
        command
            .args(["serve", "--standalone", "--log-format", "json", "--listen", any, "--operations", any])
            .args(["-p", "policies"])
            .current_dir(dir)
            .env_clear()
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// A folder with the policy.
    pub(crate) fn dir() -> TempDir {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("policies")).unwrap();
        std::fs::write(dir.path().join("policies/team.yaml"), POLICY).unwrap();
        dir
    }

    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[], Stdio::null())
    }

    /// Starts it, and waits until it listens.
    pub(crate) fn start_with(args: &[&str], env: &[(&str, &str)], stdout: Stdio) -> Self {
        let dir = Self::dir();
        let mut command = Self::command(dir.path());
        command.args(["--ca-file", "ca.pem"]).args(args).envs(env.iter().copied()).stdout(stdout);
        let mut child = command.spawn().unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        let (tell, lines) = channel();
        std::thread::spawn(move || errors.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let none = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut program = Self { child, lines, said: Vec::new(), dir, admission: none, operations: none };
        let listening = program.says("listening");
        let address = |port: &str| listening[port].as_str().unwrap().parse().unwrap();
        (program.admission, program.operations) = (address("admission"), address("operations"));
        program
    }

    /// Reads its log up to the line with this message.
    pub(crate) fn says(&mut self, message: &str) -> Value {
        loop {
            let line = self
                .lines
                .recv_timeout(HANGS)
                .unwrap_or_else(|_| panic!("never said: {message}\n{:#?}", self.said));
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            self.said.push(line.clone());
            if line["message"] == message {
                return line;
            }
        }
    }

    fn client(&self) -> reqwest::Client {
        let ca = std::fs::read(self.dir.path().join("ca.pem")).unwrap();
        let ca = reqwest::Certificate::from_pem(&ca).unwrap();
        reqwest::Client::builder().no_proxy().timeout(HANGS).tls_certs_only([ca]).build().unwrap()
    }

    /// What is answered to a body.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, String) {
        self.post_with(path, body, &[]).await
    }

    pub(crate) async fn post_with(
        &self,
        path: &str,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> (u16, String) {
        let url = format!("https://{}{path}", self.admission);
        let mut request = self.client().post(url).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.body(body.to_string()).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// The value of a series of `/metrics`.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let text =
            reqwest::get(format!("http://{}/metrics", self.operations)).await.unwrap().text().await.unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([format!("-{name}"), id]).status().unwrap().success());
    }

    /// Asks it to end; how it did, and what it wrote to standard output where that is a pipe.
    pub(crate) fn end(&mut self) -> (ExitStatus, String) {
        self.signal("TERM");
        let mut out = String::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            stdout.read_to_string(&mut out).unwrap();
        }
        let status = self.child.wait().unwrap();
        self.said.extend(self.lines.iter().map(|line| serde_json::from_str::<Value>(&line).unwrap()));
        (status, out)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
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
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": {"username": "jo", "groups": ["system:authenticated"]},
            "object": {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"generateName": "api-", "labels": {"app": "value-of-the-object"}},
                "spec": {"containers": [{"name": "api", "image": "value-of-the-object"}]}
            },
            "dryRun": true
        }
    })
}
