//! The program, running, and a client that trusts it.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel};
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
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

/// Takes lines of the log until nobody wants them.
pub(crate) trait Tell: Send + 'static {
    fn tell(&self, line: String) -> bool;
}

impl Tell for Sender<String> {
    fn tell(&self, line: String) -> bool {
        self.send(line).is_ok()
    }
}

impl Tell for SyncSender<String> {
    fn tell(&self, line: String) -> bool {
        self.send(line).is_ok()
    }
}

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
        Self::command_after(dir, ":")
    }

    /// The same, begun by a shell that does something first.
    pub(crate) fn command_after(dir: &Path, first: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("{first}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_sallyport")]);
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
        Self::run(dir, command, channel())
    }

    /// Starts it after a shell's command.
    pub(crate) fn start_after(first: &str, args: &[&str]) -> Self {
        let dir = Self::dir();
        let mut command = Self::command_after(dir.path(), first);
        command.args(["--ca-file", "ca.pem"]).args(args).stdout(Stdio::null());
        Self::run(dir, command, channel())
    }

    /// Starts it, with its log going where lines are taken from `lines`.
    pub(crate) fn run<T: Tell>(
        dir: TempDir,
        mut command: Command,
        (tell, lines): (T, Receiver<String>),
    ) -> Self {
        let mut child = command.spawn().unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || errors.lines().map_while(Result::ok).all(|line| tell.tell(line)));
        let none = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut program = Self { child, lines, said: Vec::new(), dir, admission: none, operations: none };
        let listening = program.says("listening");
        let address = |port: &str| listening[port].as_str().unwrap().parse().unwrap();
        (program.admission, program.operations) = (address("webhook"), address("operations"));
        program
    }

    /// Reads its log up to the line with this message.
    pub(crate) fn says(&mut self, message: &str) -> Value {
        self.says_where(message, |line| line["message"] == message)
    }

    /// Returns once no change of a file is missed, which it may have said before it listened.
    pub(crate) fn follows(&mut self) {
        let following = "following the policies' files";
        if !self.said.iter().any(|line| line["message"] == following) {
            self.says(following);
        }
    }

    /// Reads its log up to a line with this property.
    pub(crate) fn says_where(&mut self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        loop {
            let line = self.lines.recv_timeout(HANGS);
            let line = line.unwrap_or_else(|_| panic!("never said: {what}\n{:#?}", self.said));
            let line = parse(&line);
            self.said.push(line.clone());
            if is(&line) {
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

    /// The page of the plain port at this path, and its status.
    pub(crate) async fn page(&self, path: &str) -> (u16, String) {
        let response = reqwest::get(format!("http://{}{path}", self.operations)).await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub(crate) fn admission(&self) -> SocketAddr {
        self.admission
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
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
        (self.ended(), out)
    }

    /// Waits for its end, and reads no more of its standard output.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        loop {
            match self.lines.recv_timeout(HANGS) {
                Ok(line) => self.said.push(parse(&line)),
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().unwrap(),
                Err(RecvTimeoutError::Timeout) => panic!("it does not end\n{:#?}", self.said),
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A line of the log: an object, of which no member stands twice at any depth.
fn parse(line: &str) -> Value {
    serde_json::from_str::<Once>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    serde_json::from_str(line).unwrap()
}

/// JSON of which no object has two members of one name.
struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Self;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut seen = HashSet::new();
        while let Some((name, _)) = map.next_entry::<String, Self>()? {
            if !seen.insert(name.clone()) {
                return Err(A::Error::custom(format!("{name} stands twice")));
            }
        }
        Ok(Self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(Self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(Self)
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
