//! One request and its response.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use sallyport_traffic::answer::GrpcStatus;
use sallyport_traffic::decide::{
    Asking, Decision, Exchange, Heard, Outcome, Record, Step, Wait, logged_host, logged_path,
};
use sallyport_traffic::edit::Operation;
use sallyport_traffic::host::{Clock as _, HostError, Monotonic};
use sallyport_traffic::limit::rls::{METHOD, SERVICE};
use sallyport_traffic::request::{HeaderList, Request};

use crate::abi::answer;
use crate::abi::call::{self, Token};
use crate::abi::header_map::{self, Map};
use crate::abi::log::{self, Level};
use crate::abi::property;
use crate::abi::stream::{self, Flow};
use crate::contexts;
use crate::envoy::Envoy;
use crate::filter::Filter;
use crate::service::Failure;

/// Where a decision stands in the request's filter state.
const DECISION: &[u8] = b"sallyport";

/// One request and its response.
#[derive(Debug)]
pub(crate) struct Stream {
    id: u32,
    filter: Rc<Filter>,
    /// The request's headers, as the proxy serialized them.
    request: OnceCell<Vec<u8>>,
    /// Whether more of the request follows them.
    has_content: Cell<bool>,
    /// What was decided, once it is.
    exchange: OnceCell<Exchange>,
    asking: RefCell<Option<Calls>>,
    /// Whether the response is the filter's own, which is complete.
    is_answered: Cell<bool>,
}

/// Calls to the rate limit service.
#[derive(Debug)]
struct Calls {
    asking: Asking,
    /// One for each call; none for one that could not be made.
    tokens: Vec<Option<Token>>,
    since: Monotonic,
}

impl Stream {
    /// One of which nothing is known yet.
    pub(crate) fn new(id: u32, filter: Rc<Filter>) -> Self {
        Self {
            id,
            filter,
            request: OnceCell::new(),
            has_content: Cell::new(false),
            exchange: OnceCell::new(),
            asking: RefCell::default(),
            is_answered: Cell::new(false),
        }
    }

    /// The request's headers are there.
    pub(crate) fn request_headers(&self, has_content: bool) -> Flow {
        self.has_content.set(has_content);
        let pairs = match header_map::pairs(Map::RequestHeaders) {
            Ok(pairs) => pairs,
            Err(error) => return self.give_up(&error.to_string()),
        };
        if self.request.set(pairs).is_err() {
            return self.give_up("the request's headers came twice");
        }
        self.decide(true)
    }

    /// The request's headers, as they came.
    fn headers(&self) -> Option<HeaderList<'_>> {
        let headers = HeaderList::from_serialized(self.request.get()?).ok()?;
        Some(headers.with_content(self.has_content.get()))
    }

    /// Decides, at the first time or once more: whether the request waits for keys where they are coming.
    fn decide(&self, may_wait: bool) -> Flow {
        let Some(headers) = self.headers() else {
            return self.give_up("the request's headers can't be read");
        };
        let request = Request::of(&headers);
        let step = self.filter.with(|worker| match may_wait {
            true => worker.decide(&Envoy, &request),
            false => worker.without_keys(&Envoy, &request),
        });
        match step {
            Some(Step::Done(decision)) => self.end(decision, &request),
            Some(Step::Wait(Wait::Keys)) if self.filter.wait(self.id) => Flow::Stop,
            Some(Step::Wait(Wait::Keys)) if may_wait => self.decide(false),
            Some(Step::Wait(Wait::Keys)) => self.give_up("the request waits for keys though it may not"),
            Some(Step::Wait(Wait::Service(asking))) => self.ask(asking),
            None => self.give_up("the filter is not configured"),
        }
    }

    /// Keys have come, or the request has waited for them long enough.
    pub(crate) fn wake(&self, too_long: bool) {
        if stream::act_for(self.id).is_ok() {
            go_on(self.decide(!too_long));
        }
    }

    /// Asks the rate limit service.
    fn ask(&self, mut asking: Asking) -> Flow {
        let service = self.filter.with(|worker| worker.program().service.clone()).flatten();
        let Some(service) = service else { return self.give_up("there is no rate limit service") };
        let messages: Vec<Vec<u8>> = asking.messages().collect();
        let address = by_cluster(&service.cluster);
        let mut tokens = Vec::new();
        for (at, message) in messages.iter().enumerate() {
            let sent = call::grpc(&address, SERVICE, METHOD, message, service.timeout);
            match sent {
                Ok(token) => self.filter.expect(token, self.id),
                Err(error) => {
                    let heard = self.filter.with(|worker| worker.answered(&Envoy, &mut asking, at, None));
                    if let Some(Heard { limit, .. }) = heard.flatten() {
                        self.filter.service_failed(limit, Failure::Error, &error.to_string());
                    }
                }
            }
            tokens.push(sent.ok());
        }
        let is_open = tokens.iter().any(Option::is_some);
        let Ok(mut calls) = self.asking.try_borrow_mut() else {
            return self.give_up("the request is being decided already");
        };
        *calls = Some(Calls { asking, tokens, since: Envoy.monotonic() });
        drop(calls);
        if is_open { Flow::Stop } else { self.resume() }
    }

    /// The rate limit service has answered, or has not, with this status of gRPC.
    pub(crate) fn answered(&self, token: Token, answer: Result<&[u8], u32>) {
        if stream::act_for(self.id).is_err() {
            return;
        }
        let (heard, since) = {
            let Ok(mut asking) = self.asking.try_borrow_mut() else { return };
            let Some(Calls { asking, tokens, since }) = asking.as_mut() else { return };
            let Some(at) = tokens.iter().position(|other| *other == Some(token)) else { return };
            let heard = self.filter.with(|worker| worker.answered(&Envoy, asking, at, answer.ok()));
            let Some(heard) = heard.flatten() else { return };
            (heard, *since)
        };
        self.filter.service_heard(heard, since, answer.err());
        if heard.is_last {
            go_on(self.resume());
        }
    }

    fn resume(&self) -> Flow {
        let asking = self.asking.try_borrow_mut().ok().and_then(|mut asking| asking.take());
        let Some(Calls { asking, .. }) = asking else { return Flow::Stop };
        let Some(headers) = self.headers() else {
            return self.give_up("the request's headers can't be read");
        };
        let request = Request::of(&headers);
        match self.filter.with(|worker| worker.resume(&Envoy, &request, asking)) {
            Some(decision) => self.end(decision, &request),
            None => self.give_up("the filter is not configured"),
        }
    }

    /// Does what was decided.
    fn end(&self, decision: Decision, request: &Request<'_>) -> Flow {
        let Decision { outcome, exchange, record } = decision;
        if matches!(outcome, Outcome::Pass) {
            let mut failed = None;
            self.filter.with(|worker| {
                exchange.edit_request(worker.program(), request, |operation| {
                    failed = failed.or(change(Map::RequestHeaders, operation).err());
                });
            });
            if let Some(error) = failed {
                // A header that should be gone may still be there.
                return self.give_up(&error.to_string());
            }
        }
        self.tell(&record, &exchange, request);
        let flow = match outcome {
            Outcome::Pass => Flow::Continue,
            Outcome::Answer(answer) => {
                self.is_answered.set(true);
                let pairs: Vec<(&[u8], &[u8])> =
                    answer.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
                let grpc = answer.grpc.map(GrpcStatus::code);
                let details = format!("sallyport_{}", record.reason);
                self.filter.with(|worker| {
                    let edit = exchange.edit_refused(worker.program());
                    edit.and_then(|edit| change(Map::RequestHeaders, &edit).err())
                });
                if let Err(error) = answer::send(answer.status, &details, &pairs, &answer.body, grpc) {
                    log::line(Level::Error, &error.to_string());
                    send_nothing();
                }
                Flow::Stop
            }
        };
        // A request is decided once: there is nothing yet that this would replace.
        let _ = self.exchange.set(exchange);
        flow
    }

    /// Tells metrics and logs of a decision.
    fn tell(&self, record: &Record, exchange: &Exchange, request: &Request<'_>) {
        self.filter.count(record);
        let told = self.filter.with(|worker| worker.tell(record, exchange)).unwrap_or_default();
        if self.filter.debugs() {
            log::line(Level::Debug, &told);
        }
        if let Some(error) = record.error {
            log::line(Level::Error, &format!("{error}: {told}"));
        }
        // What access logs can print, and nothing else reads: of each policy that the request has passed.
        let before = match contexts::has_several_filters() {
            true => property::get(DECISION).ok().flatten(),
            false => None,
        };
        let _ = match before {
            Some(before) => property::set(DECISION, &[&before, told.as_bytes()].join(&b"; "[..])),
            None => property::set(DECISION, told.as_bytes()),
        };
        if self.filter.with(|worker| worker.program().logs_paths).unwrap_or_default() {
            let show = |name: &[u8], value: Option<String>| {
                if let Some(value) = value {
                    let _ = property::set(name, value.as_bytes());
                }
            };
            show(b"sallyport_path", logged_path(request));
            show(b"sallyport_host", logged_host(request));
            if let Some(id) = exchange.correlation() {
                let _ = property::set(b"sallyport_correlation", id);
            }
        }
    }

    /// The response's headers are there.
    pub(crate) fn response_headers(&self) {
        if self.is_answered.get() {
            return;
        }
        let Some(exchange) = self.exchange.get() else { return };
        self.filter.with(|worker| {
            let program = worker.program();
            if !exchange.edits_response(program) {
                return;
            }
            let Ok(pairs) = header_map::pairs(Map::ResponseHeaders) else { return };
            let Ok(response) = HeaderList::from_serialized(&pairs) else { return };
            let request = || self.headers().unwrap_or_default();
            exchange.edit_response(program, request, &response, |operation| {
                if let Err(error) = change(Map::ResponseHeaders, operation) {
                    log::line(Level::Error, &error.to_string());
                }
            });
        });
    }

    /// The request's trailers are there. An application may take what is in them for headers: they do not pass unless
    /// all is gone from them that should be.
    pub(crate) fn request_trailers(&self) -> Flow {
        if self.is_answered.get() {
            return Flow::Stop;
        }
        let Some(exchange) = self.exchange.get() else {
            return self.give_up("the request's trailers came before it was decided");
        };
        let pairs = match header_map::pairs(Map::RequestTrailers) {
            Ok(pairs) => pairs,
            Err(error) => return self.give_up(&error.to_string()),
        };
        let Ok(trailers) = HeaderList::from_serialized(&pairs) else {
            return self.give_up("the request's trailers can't be read");
        };
        let mut failed = None;
        let edited = self.filter.with(|worker| {
            exchange.edit_trailers(worker.program(), &trailers, |operation| {
                failed = failed.or(change(Map::RequestTrailers, operation).err());
            });
        });
        match (edited, failed) {
            (Some(()), None) => Flow::Continue,
            (Some(()), Some(error)) => self.give_up(&error.to_string()),
            (None, _) => self.give_up("the filter is not configured"),
        }
    }

    /// The request ends: calls for it are given up, and it waits for nothing.
    pub(crate) fn delete(&self) {
        self.filter.forget(self.id);
        let asking = self.asking.try_borrow_mut().ok().and_then(|mut asking| asking.take());
        let open = asking.into_iter().flat_map(|calls| calls.tokens).flatten();
        open.for_each(|token| self.filter.cancel(token));
    }

    /// The request can't be decided, or not be changed as it has to be: where the policy acts, it does not pass.
    fn give_up(&self, why: &str) -> Flow {
        let headers = self.headers().unwrap_or_default();
        let request = Request::of(&headers);
        let decided = self
            .filter
            .with(|worker| (worker.give_up(&Envoy, &request), worker.program().policy.to_string()));
        let Some((decision, policy)) = decided else {
            log::line(Level::Error, why);
            self.is_answered.set(true);
            send_nothing();
            return Flow::Stop;
        };
        log::line(Level::Error, &format!("TrafficPolicy {policy} can't be applied to a request: {why}"));
        self.end(decision, &request)
    }
}

/// Answers without a word.
fn send_nothing() {
    // Should this fail too, the request hangs until the proxy gives it up; still it does not pass.
    let _ = answer::send(503, "sallyport_failed", &[], b"", None);
}

/// Lets a request go on that has waited, if it passes.
fn go_on(flow: Flow) {
    if flow == Flow::Continue
        && let Err(error) = stream::continue_request()
    {
        log::line(Level::Error, &error.to_string());
    }
}

fn change(map: Map, operation: &Operation<'_>) -> Result<(), HostError> {
    match operation {
        Operation::Remove(name) => header_map::remove(map, name),
        Operation::Replace(name, value) => header_map::replace(map, name, value),
        Operation::Add(name, value) => header_map::add(map, name, value),
    }
}

/// `envoy.config.core.v3.GrpcService` with `envoy_grpc.cluster_name`, as protobuf: fields 1 in 1.
fn by_cluster(name: &str) -> Vec<u8> {
    const BYTES_OF_FIELD_1: u8 = 0x0a;
    let field = |bytes: &[u8]| {
        let mut field = vec![BYTES_OF_FIELD_1];
        let mut length = bytes.len();
        while length >= 0x80 {
            field.push((length % 0x80) as u8 | 0x80);
            length /= 0x80;
        }
        field.push(length as u8);
        field.extend_from_slice(bytes);
        field
    };
    field(&field(name.as_bytes()))
}
