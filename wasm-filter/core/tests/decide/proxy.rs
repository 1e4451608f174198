//! A proxy for tests: a worker with a policy, clocks that stand still, and shared data that can fail.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::num::NonZeroU32;

use sallyport_traffic::answer::Answer;
use sallyport_traffic::decide::{Decision, Outcome, Signatures, Step, Wait, Worker};
use sallyport_traffic::edit::Operation;
use sallyport_traffic::host::{
    Clock, Connection, Expect, HostError, Monotonic, Random, Shared, SharedData,
    Signatures as HostSignatures, WallClock, WriteError,
};
use sallyport_traffic::program::{Configuration, Verification, compile};
use sallyport_traffic::request::{HeaderList, Request as Read};
use serde_json::{Value, json};

/// The wall clock stands here, in seconds.
pub(crate) const NOW: u64 = 1_800_000_000;

/// What the proxy of a worker gives.
pub(crate) struct Host {
    values: RefCell<BTreeMap<Vec<u8>, Shared>>,
    pub(crate) seconds: Cell<u64>,
    pub(crate) is_broken: Cell<bool>,
    pub(crate) peer: RefCell<Option<&'static str>>,
    pub(crate) source: Cell<&'static str>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            values: RefCell::default(),
            seconds: Cell::new(1000),
            is_broken: Cell::new(false),
            peer: RefCell::new(None),
            source: Cell::new("192.0.2.7:41234"),
        }
    }
}

impl Host {
    fn check(&self, call: &'static str) -> Result<(), HostError> {
        if self.is_broken.get() { Err(HostError { call, status: 10 }) } else { Ok(()) }
    }
}

impl SharedData for Host {
    fn read(&self, key: &[u8]) -> Result<Option<Shared>, HostError> {
        self.check("read shared data")?;
        Ok(self.values.borrow().get(key).cloned())
    }

    fn write(&self, key: &[u8], value: &[u8], expect: Expect) -> Result<(), WriteError> {
        self.check("write shared data")?;
        let mut values = self.values.borrow_mut();
        let version = match (values.get(key), expect) {
            (None, Expect::Absent) => NonZeroU32::MIN,
            (Some(shared), Expect::Version(version)) if shared.version == version => {
                version.checked_add(1).unwrap()
            }
            _ => return Err(WriteError::Changed),
        };
        values.insert(key.to_vec(), Shared { value: value.to_vec(), version });
        Ok(())
    }
}

impl Clock for Host {
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.seconds.get() * 1_000_000_000)
    }

    fn wall(&self) -> WallClock {
        WallClock((NOW + self.seconds.get() - 1000) * 1_000_000_000)
    }
}

impl Connection for Host {
    fn source_address(&self) -> Option<Vec<u8>> {
        Some(self.source.get().as_bytes().to_vec())
    }

    fn peer(&self) -> Option<Vec<u8>> {
        self.peer.borrow().map(|peer| peer.as_bytes().to_vec())
    }
}

impl Random for Host {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

impl HostSignatures for Host {
    fn verify_signature(&self, _: &[u8]) -> Result<Vec<u8>, HostError> {
        Err(HostError { call: "call verify_signature", status: 1 })
    }
}

/// A worker and its proxy.
pub(crate) struct Proxy {
    pub(crate) host: Host,
    pub(crate) worker: Worker,
}

/// A request: its headers.
pub(crate) struct Request(pub(crate) Vec<(String, String)>);

impl Request {
    pub(crate) fn get(path: &str) -> Self {
        let pairs = [(":method", "GET"), (":authority", "shop.example"), (":path", path)];
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec())
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.retain(|(other, _)| !name.starts_with(':') || other != name);
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.with("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn headers(&self) -> HeaderList<'_> {
        HeaderList::from_pairs(self.0.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
    }
}

/// What a client or an application gets.
#[derive(Debug)]
pub(crate) struct Got {
    /// 200 where the request passes.
    pub(crate) status: u16,
    /// Headers of the answer, or of the request that passes.
    pub(crate) headers: Vec<(String, String)>,
    /// The verdict and the reason, as logs have them.
    pub(crate) told: String,
    /// All of it.
    pub(crate) line: String,
    pub(crate) decision: Decision,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

impl Proxy {
    /// A proxy with a policy of this `spec`, in which a selector needs not be said.
    pub(crate) fn with(spec: Value) -> Self {
        Self::on(Host::default(), spec)
    }

    pub(crate) fn on(host: Host, spec: Value) -> Self {
        Self::configured(host, spec, json!({}))
    }

    /// With `more` in the filter's configuration.
    pub(crate) fn configured(host: Host, mut spec: Value, more: Value) -> Self {
        spec.as_object_mut().unwrap().entry("selector").or_insert(json!({}));
        let mut configuration = json!({
            "policy": {"namespace": "shop", "name": "api"},
            "spec": spec,
            "clusters": {"jwks": {"fetched": "keys"}, "rateLimitService": "limits"},
        });
        configuration.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let configuration: Configuration = serde_json::from_value(configuration).unwrap();
        let compiled = compile(&configuration);
        let findings: Vec<String> = compiled.findings.iter().map(ToString::to_string).collect();
        let program = compiled.program.unwrap_or_else(|| panic!("{findings:?}"));
        let signatures = Signatures::choose(Verification::Auto, &host).unwrap();
        let variable = |name: &str| (name == "SECRET").then(|| super::tokens::SECRET.to_vec());
        let worker = Worker::start(program, signatures, &host, &variable).unwrap();
        Self { host, worker }
    }

    pub(crate) fn decide(&mut self, request: &Request) -> Step {
        self.worker.decide(&self.host, &Read::of(&request.headers()))
    }

    /// What becomes of a request that is decided at once.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: &Request) -> Got {
        match self.decide(request) {
            Step::Done(decision) => self.got(request, decision),
            Step::Wait(wait) => panic!("{wait:?}"),
        }
    }

    /// What becomes of a request that may wait for keys no longer.
    #[track_caller]
    pub(crate) fn without_keys(&mut self, request: &Request) -> Got {
        match self.worker.without_keys(&self.host, &Read::of(&request.headers())) {
            Step::Done(decision) => self.got(request, decision),
            Step::Wait(wait) => panic!("{wait:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn asks_service(&mut self, request: &Request) -> sallyport_traffic::decide::Asking {
        match self.decide(request) {
            Step::Wait(Wait::Service(asking)) => asking,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn got(&self, request: &Request, decision: Decision) -> Got {
        let told = format!("{} {}", decision.record.verdict.word(), decision.record.reason);
        let line = self.worker.tell(&decision.record, &decision.exchange);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (status, headers) = match &decision.outcome {
            Outcome::Pass => {
                let mut headers = request.0.clone();
                let sent = request.headers();
                decision.exchange.edit_request(self.worker.program(), &Read::of(&sent), |operation| {
                    apply(&mut headers, operation);
                });
                (200, headers)
            }
            Outcome::Answer(Answer { status, headers, body, .. }) => {
                assert_eq!(body.is_empty(), headers.iter().any(|(name, _)| **name == *b"grpc-status"));
                (*status, headers.iter().map(|(name, value)| (text(name), text(value))).collect())
            }
        };
        Got { status, headers, told, line, decision }
    }

    /// What a client gets of an application's response.
    pub(crate) fn response(
        &self,
        request: &Request,
        got: &Got,
        headers: &[(&str, &str)],
    ) -> Vec<(String, String)> {
        let mut edited: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let list =
            HeaderList::from_pairs(headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        let program = self.worker.program();
        got.decision.exchange.edit_response(
            program,
            || request.headers(),
            &list,
            |operation| {
                apply(&mut edited, operation);
            },
        );
        edited
    }
}

fn apply(headers: &mut Vec<(String, String)>, operation: &Operation<'_>) {
    let (Operation::Remove(name) | Operation::Replace(name, _) | Operation::Add(name, _)) = operation;
    if !matches!(operation, Operation::Add(..)) {
        headers.retain(|(other, _)| !other.as_bytes().eq_ignore_ascii_case(name));
    }
    if let Operation::Replace(name, value) | Operation::Add(name, value) = operation {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        headers.push((text(name), text(value)));
    }
}
