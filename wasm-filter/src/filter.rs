//! A configured filter: a root context of the proxy, one for each worker and configuration.

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::time::Duration;

use sallyport_policy::Severity;
use sallyport_traffic::compile;
use sallyport_traffic::decide::{
    Awake, Due, Ended, Heard, KeyState, Record, Said, Series, Signatures, Tick, Waiting, Worker, metric,
};
use sallyport_traffic::host::{Clock as _, HostError, Monotonic};
use sallyport_traffic::jose::KeySetError;
use sallyport_traffic::keys::{FETCH_TIMEOUT, Fetch, Fetched, MOST_BYTES};
use sallyport_traffic::program::{Configuration, Program};
use sallyport_traffic::request::HeaderList;

use crate::abi::buffer::{self, Buffer};
use crate::abi::call::{self, Token};
use crate::abi::header_map::{self, Map};
use crate::abi::log::{self, Level};
use crate::abi::metric::{Counter, Gauge};
use crate::abi::stream;
use crate::contexts;
use crate::envoy::Envoy;
use crate::service::{Failure, Service};
use crate::table::Table;

/// How often it is looked whether keys are due, and at which level the proxy logs.
const TICK: Duration = Duration::from_secs(1);
/// And how often while requests wait for them.
const QUICK_TICK: Duration = Duration::from_millis(20);
/// And how soon the next are woken, or those whose keys have come.
const NEXT_TICK: Duration = Duration::from_millis(1);

/// A configured filter.
#[derive(Debug)]
pub(crate) struct Filter {
    id: u32,
    /// How often its tick comes.
    period: Cell<Duration>,
    worker: RefCell<Option<Worker>>,
    /// Requests that wait for keys.
    waiting: RefCell<Waiting>,
    /// Fetches under way, each with its provider.
    fetches: RefCell<Table<Token, usize>>,
    /// Calls of the rate limit service under way, each with the request that it is for.
    asked: RefCell<Table<Token, u32>>,
    /// How often each decision was made, by the part of the policy that made it.
    counters: RefCell<Vec<Vec<(Series, Counter)>>>,
    /// How each provider's fetched keys stand.
    keys: RefCell<Vec<KeyMetrics>>,
    /// What is told of the rate limit service.
    service: RefCell<Service>,
    /// Whether decisions are written to the log: asked at each tick, since asking for each costs more than deciding.
    debugs: Cell<bool>,
}

impl Filter {
    /// One that is not configured yet.
    pub(crate) fn new(id: u32) -> Self {
        Self {
            id,
            period: Cell::new(Duration::MAX),
            worker: RefCell::default(),
            waiting: RefCell::default(),
            fetches: RefCell::default(),
            asked: RefCell::default(),
            counters: RefCell::default(),
            keys: RefCell::default(),
            service: RefCell::default(),
            debugs: Cell::new(false),
        }
    }

    /// Whether decisions are written to the log.
    pub(crate) fn debugs(&self) -> bool {
        self.debugs.get()
    }

    /// Takes in the configuration; whether it is right. Envoy refuses one that is not, and keeps the last that was.
    pub(crate) fn configure(&self, size: usize) -> bool {
        match start(size) {
            Ok(worker) => {
                let fetches = worker.fetches_keys();
                self.define_metrics(&worker);
                let Ok(mut current) = self.worker.try_borrow_mut() else { return false };
                *current = Some(worker);
                drop(current);
                self.debugs.set(log::is_on(Level::Debug));
                let period = if fetches { QUICK_TICK } else { TICK };
                if let Err(error) = self.tick_every(period) {
                    log::line(Level::Error, &error.to_string());
                    return false;
                }
                true
            }
            Err(reason) => {
                log::line(Level::Error, &reason);
                false
            }
        }
    }

    /// Does something with the worker. `None` before the filter is configured.
    pub(crate) fn with<T>(&self, then: impl FnOnce(&mut Worker) -> T) -> Option<T> {
        self.worker.try_borrow_mut().ok()?.as_mut().map(then)
    }

    /// Has a request wait for keys: whether there is room for it.
    pub(crate) fn wait(&self, stream: u32) -> bool {
        let Ok(mut waiting) = self.waiting.try_borrow_mut() else { return false };
        if !waiting.add(stream, Envoy.monotonic()) {
            return false;
        }
        if self.period.get() <= QUICK_TICK {
            return true;
        }
        // The fetch itself is made by a tick: the proxy tells of its end whoever made the call, and a request may end.
        if stream::act_for(self.id).is_err() || self.tick_every(QUICK_TICK).is_err() {
            waiting.forget(stream);
            return false;
        }
        drop(waiting);
        stream::act_for(stream).is_ok()
    }

    /// A request is gone, if it waited: others may have its place.
    pub(crate) fn forget(&self, stream: u32) {
        if let Ok(mut waiting) = self.waiting.try_borrow_mut() {
            waiting.forget(stream);
        }
    }

    /// Looks whether keys are due or have come.
    pub(crate) fn tick(&self) {
        self.debugs.set(log::is_on(Level::Debug));
        let Tick { ended, due, failed } = self.with(|worker| worker.tick(&Envoy)).unwrap_or_default();
        due.into_iter().for_each(|due| self.fetch(due));
        if let Some(error) = failed {
            log::line(Level::Error, &error.to_string());
        }
        self.wake(ended);
        self.show_keys();
        if let Ok(mut service) = self.service.try_borrow_mut() {
            service.look();
        }
        let (waits, more) = self
            .waiting
            .try_borrow()
            .map_or((false, false), |waiting| (!waiting.is_empty(), waiting.has_more(Envoy.monotonic())));
        let fetches = self.fetches.try_borrow().is_ok_and(|fetches| !fetches.is_empty());
        self.tick_at(if more {
            NEXT_TICK
        } else if waits || fetches {
            QUICK_TICK
        } else {
            TICK
        });
    }

    /// Sets how often the tick comes. What stands already is not set anew: the proxy would begin to count from there, and
    /// no tick would come as long as requests do.
    fn tick_every(&self, period: Duration) -> Result<(), HostError> {
        if self.period.get() != period {
            stream::tick_every(period)?;
            self.period.set(period);
        }
        Ok(())
    }

    fn tick_at(&self, period: Duration) {
        if let Err(error) = self.tick_every(period) {
            log::line(Level::Error, &error.to_string());
        }
    }

    /// Wakes the requests that have waited long enough, and where a fetch has `ended` all: the first of them now, and
    /// more with each tick that follows. Only a tick does so, so that they are never more in one event: see [`Waiting`].
    fn wake(&self, ended: bool) {
        // None is woken while the list is in use: it may have to wait again.
        let awake = match self.waiting.try_borrow_mut() {
            Ok(mut waiting) => waiting.wake(ended, Envoy.monotonic()),
            Err(_) => return,
        };
        for Awake { request, too_long } in awake {
            if let Some(stream) = contexts::stream(request) {
                stream.wake(too_long);
            }
        }
        // Calls that follow are the filter's own: what answers a call comes to whomever it was made for.
        if let Err(error) = stream::act_for(self.id) {
            log::line(Level::Error, &error.to_string());
        }
    }

    fn fetch(&self, due: Due) {
        let source = &due.source;
        let headers: [(&[u8], &[u8]); 5] = [
            (b":method", b"GET"),
            (b":scheme", b"https"),
            (b":authority", source.authority.as_bytes()),
            (b":path", source.path.as_bytes()),
            (b"accept", b"application/jwk-set+json, application/json"),
        ];
        match call::http(&source.cluster, &headers, FETCH_TIMEOUT.into()) {
            Ok(token) => {
                if let Ok(mut fetches) = self.fetches.try_borrow_mut() {
                    fetches.insert(token, due.provider);
                }
            }
            Err(error) => {
                log::line(Level::Error, &format!("keys of {} can't be fetched: {error}", source.authority));
                self.fetched(due.provider, None);
            }
        }
    }

    /// A call has been answered, or has failed: then there are no headers.
    pub(crate) fn http_call_response(&self, token: Token, headers: usize, body: usize) {
        let provider = self.fetches.try_borrow_mut().ok().and_then(|mut fetches| fetches.remove(&token));
        let Some(provider) = provider else { return };
        let pairs = header_map::pairs(Map::CallHeaders);
        let body = buffer::start(Buffer::CallBody, body.min(MOST_BYTES + 1));
        let (Ok(pairs), Ok(body)) = (pairs, body) else { return self.fetched(provider, None) };
        let Ok(list) = HeaderList::from_serialized(&pairs) else { return self.fetched(provider, None) };
        let number = |name: &[u8]| {
            let text = str::from_utf8(list.get(name)?).ok()?;
            text.trim().parse::<u64>().ok()
        };
        let Some(status) = number(b":status").filter(|_| headers > 0) else {
            return self.fetched(provider, None);
        };
        let cache_control: Vec<&[u8]> = list.values(b"cache-control").collect();
        let answer = Fetched {
            status: status.try_into().unwrap_or_default(),
            cache_control: &cache_control,
            age: number(b"age").unwrap_or_default(),
            body: &body,
        };
        self.fetched(provider, Some(answer));
    }

    fn fetched(&self, provider: usize, answer: Option<Fetched<'_>>) {
        match self.with(|worker| worker.fetched(&Envoy, provider, answer)) {
            Some(Ok(Some(Ended { fetch, are_usable, told }))) => {
                let level = match fetch {
                    Fetch::First | Fetch::Changed | Fetch::Same => Level::Info,
                    Fetch::Unusable(KeySetError::Private(_)) => Level::Error,
                    _ if are_usable => Level::Warn,
                    _ => Level::Error,
                };
                log::line(level, &told);
                self.count_fetch(provider, fetch);
            }
            Some(Err(error)) => log::line(Level::Error, &error.to_string()),
            Some(Ok(None)) | None => {}
        }
        self.tick_at(NEXT_TICK);
    }

    /// The proxy tells the filter of a gRPC call's end, whichever request made it.
    pub(crate) fn expect(&self, token: Token, stream: u32) {
        if let Ok(mut asked) = self.asked.try_borrow_mut() {
            asked.insert(token, stream);
        }
    }

    /// Gives up a gRPC call, if it is still under way.
    pub(crate) fn cancel(&self, token: Token) {
        let is_open = self.asked.try_borrow_mut().is_ok_and(|mut asked| asked.remove(&token).is_some());
        if is_open && stream::act_for(self.id).is_ok() {
            let _ = call::cancel_grpc(token);
        }
    }

    /// The rate limit service has answered with a message of this size, or not, but with this status of gRPC.
    pub(crate) fn grpc_call_answer(&self, token: Token, size: Result<usize, u32>) {
        const UNKNOWN: u32 = 2;
        // The message is the filter's, and has to be read before it acts for the request.
        let answer = size.and_then(|size| buffer::start(Buffer::GrpcMessage, size).map_err(|_| UNKNOWN));
        let stream = self.asked.try_borrow_mut().ok().and_then(|mut asked| asked.remove(&token));
        if let Some(stream) = stream.and_then(contexts::stream) {
            stream.answered(token, answer.as_deref().map_err(|status| *status));
        }
    }

    /// What the rate limit service said to a call that was made then; with which status of gRPC, if with an error.
    pub(crate) fn service_heard(&self, heard: Heard, since: Monotonic, status: Option<u32>) {
        let took = Duration::from_nanos(Envoy.monotonic().0.saturating_sub(since.0));
        let timeout = self.with(|worker| worker.program().service_timeout()).unwrap_or_default();
        let limit = heard.limit;
        match (heard.said, status) {
            (Said::Counted, _) => {
                if let Ok(mut service) = self.service.try_borrow_mut() {
                    service.counted(limit, took);
                }
            }
            (Said::NotCounted, _) => {
                let why = "it knows no limit in a request: is its domain sallyport?";
                self.service_failed(limit, Failure::NotCounted, why);
            }
            (Said::Nothing, _) if took >= timeout => {
                self.service_failed(limit, Failure::Timeout, "it did not answer in time");
            }
            (Said::Nothing, status) => {
                let why = format!("it answered with status {} of gRPC", status.unwrap_or_default());
                self.service_failed(limit, Failure::Error, &why);
            }
        }
    }

    /// The rate limit service has not counted for a limit.
    pub(crate) fn service_failed(&self, limit: usize, failure: Failure, why: &str) {
        if let Ok(mut service) = self.service.try_borrow_mut() {
            service.failed(limit, failure, why);
        }
    }

    /// Defines the metrics that there are sure to be. One that is missing changes no decision.
    fn define_metrics(&self, worker: &Worker) {
        let program = worker.program();
        if let Ok(mut counters) = self.counters.try_borrow_mut() {
            counters.clear();
            for series in Series::usual(program) {
                define(&mut counters, program, series);
            }
        }
        if let Ok(mut service) = self.service.try_borrow_mut() {
            *service = Service::of(program).unwrap_or_default();
        }
        if let Ok(mut keys) = self.keys.try_borrow_mut() {
            let names = worker.key_states(&Envoy).map(|state| state.provider);
            *keys = names.filter_map(|name| KeyMetrics::define(program, name).ok()).collect();
        }
    }

    /// Shows how fetched keys stand.
    fn show_keys(&self) {
        self.with(|worker| {
            let Ok(mut metrics) = self.keys.try_borrow_mut() else { return };
            let program = worker.program();
            for state in worker.key_states(&Envoy) {
                if let Some(metrics) = metrics.iter_mut().find(|metrics| metrics.provider == state.provider) {
                    metrics.show(program, &state);
                }
            }
        });
    }

    /// Counts a fetch.
    fn count_fetch(&self, provider: usize, fetch: Fetch) {
        self.with(|worker| {
            let program = worker.program();
            let Some(provider) = program.jwt.as_ref().and_then(|jwt| jwt.providers.get(provider)) else {
                return;
            };
            let labels = [("provider", provider.spec.name.as_str()), ("outcome", fetch.word())];
            count_once(&metric("sallyport_jwks_fetches", program, &labels));
        });
    }

    /// Counts a decision, and further limits in shadow mode that would have refused.
    pub(crate) fn count(&self, record: &Record) {
        self.with(|worker| {
            let Ok(mut counters) = self.counters.try_borrow_mut() else { return };
            let program = worker.program();
            let series = Series::of(record);
            let known = counters.get(series.part.index(program));
            let known = known.and_then(|known| known.iter().find(|(known, _)| *known == series));
            let counter = match known {
                Some((_, counter)) => Some(*counter),
                None => define(&mut counters, program, series),
            };
            if let Some(counter) = counter {
                // A count that is lost changes no decision.
                let _ = counter.increment();
            }
            for shadowed in &record.shadowed {
                let Some(limit) = program.limits.get(shadowed.limit) else { continue };
                let labels = [("limit", limit.spec.name.as_str()), ("reason", shadowed.reason.word())];
                count_once(&metric("sallyport_also_shadowed", program, &labels));
            }
        });
    }
}

/// The counter of a series, to be found again.
fn define(counters: &mut Vec<Vec<(Series, Counter)>>, program: &Program, series: Series) -> Option<Counter> {
    let counter = Counter::define(&series.name(program)).ok()?;
    let at = series.part.index(program);
    if counters.len() <= at {
        counters.resize_with(at + 1, Vec::new);
    }
    counters.get_mut(at)?.push((series, counter));
    Some(counter)
}

/// Counts what is rare, so that its counter needs not be kept.
fn count_once(name: &str) {
    let _ = Counter::define(name).and_then(Counter::increment);
}

/// What is shown of a provider's fetched keys.
#[derive(Debug)]
struct KeyMetrics {
    provider: String,
    are_usable: Gauge,
    /// There is none before there are keys.
    age: Option<Gauge>,
}

impl KeyMetrics {
    fn define(program: &Program, provider: &str) -> Result<Self, HostError> {
        let are_usable = Gauge::define(&metric("sallyport_jwks_usable", program, &[("provider", provider)]))?;
        Ok(Self { provider: provider.to_owned(), are_usable, age: None })
    }

    fn show(&mut self, program: &Program, state: &KeyState<'_>) {
        let _ = self.are_usable.set(state.are_usable.into());
        let Some(age) = state.age else { return };
        let labels = [("provider", state.provider)];
        let define = || Gauge::define(&metric("sallyport_jwks_age_seconds", program, &labels)).ok();
        self.age = self.age.or_else(define);
        if let Some(gauge) = self.age {
            let _ = gauge.set(age / 1_000_000_000);
        }
    }
}

/// A worker with the proxy's configuration, or why there is none.
fn start(size: usize) -> Result<Worker, String> {
    let bytes = buffer::start(Buffer::Configuration, size).map_err(|error| error.to_string())?;
    let configuration = Configuration::from_json(&bytes)
        .map_err(|error| format!("the configuration can't be read: {error}"))?;
    let policy = configuration.policy.to_string();
    let compiled = compile(&configuration);
    let Some(program) = compiled.program else {
        let errors = compiled.findings.iter().filter(|finding| finding.severity == Severity::Error);
        let errors: Vec<String> = errors.map(ToString::to_string).collect();
        return Err(format!("TrafficPolicy {policy}: {}", errors.join("; ")));
    };
    let signatures = Signatures::choose(configuration.verification, &Envoy)
        .ok_or_else(|| format!("TrafficPolicy {policy}: this proxy can't check signatures itself"))?;
    // A shared secret is bytes, and seldom text. What WASI gives stands in an OsString as it is.
    let variable = |name: &str| std::env::var_os(name).map(OsString::into_encoded_bytes);
    Worker::start(program, signatures, &Envoy, &variable)
        .map_err(|error| format!("TrafficPolicy {policy}: {error}"))
}
