//! Policies, Envoy and the application put together.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http::{Request, Response};
use sallyport_attach::envoy::{Options, render};
use sallyport_attach::{Endpoint, Plugin};
use serde_json::Value;

use super::delivery::{FILTERS, ROUTER};
use super::{Delivery, Envoy, Module, Upstream, policies, send};
use crate::run_dir::RunDir;

/// The file of the access log, in Envoy's folder.
pub(super) const ACCESS_LOG: &str = "access.log";
const LOG_TIMEOUT: Duration = Duration::from_secs(60);

/// What to start.
pub struct Setup {
    plugins: Vec<Plugin>,
    workers: u32,
    flags: Vec<String>,
    connect_to: BTreeMap<Endpoint, Endpoint>,
    ca_file: PathBuf,
    environment: Vec<(String, OsString)>,
    edits: Vec<Edit>,
    delivery: Option<Delivery>,
}

type Edit = Box<dyn Fn(&mut Value)>;

/// A running Envoy with the filter, before an application that tells what it got.
pub struct Proxy {
    /// Envoy.
    pub envoy: Envoy,
    /// The application.
    pub upstream: Upstream,
    delivery: Option<Delivery>,
}

/// How long connections have to end whose configuration is replaced: longer than any request takes, where that is tried.
const DRAIN_SECONDS: u32 = 1;
const DRAIN_SECONDS_OF_DELIVERED: u32 = 10;

impl Setup {
    /// The TrafficPolicies of a YAML stream, with one worker.
    ///
    /// # Errors
    /// When something is wrong with them.
    pub fn of(yaml: &str) -> Result<Self> {
        Ok(Self {
            plugins: policies(yaml)?,
            workers: 1,
            flags: Vec::new(),
            connect_to: BTreeMap::new(),
            // Public authorities, where a test has none of its own.
            ca_file: "/etc/ssl/certs/ca-certificates.crt".into(),
            environment: Vec::new(),
            edits: Vec::new(),
            delivery: None,
        })
    }

    /// With so many workers.
    #[must_use]
    pub fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// With these flags of Envoy's command line.
    #[must_use]
    pub fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(ToString::to_string));
        self
    }

    /// Whoever is to be reached at that host and port, is reached here.
    #[must_use]
    pub fn connect(mut self, host: &str, port: u16, to: SocketAddr) -> Self {
        self.connect_to.insert(Endpoint::new(host, port), endpoint(to));
        self
    }

    /// Hosts of keys are trusted for these authorities.
    #[must_use]
    pub fn trusting(mut self, ca_file: PathBuf) -> Self {
        self.ca_file = ca_file;
        self
    }

    /// With this environment variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// With filters that can be replaced while Envoy runs.
    #[must_use]
    pub fn delivered(mut self, delivery: Delivery) -> Self {
        self.delivery = Some(delivery);
        self
    }

    /// With this done to what each filter is configured with.
    #[must_use]
    pub fn configured(self, edit: impl Fn(&mut Value) + 'static) -> Self {
        self.edited(move |bootstrap| {
            let filters = bootstrap.pointer_mut(FILTERS).and_then(Value::as_array_mut).expect("filters");
            for filter in filters.iter_mut().filter(|filter| filter["name"] != ROUTER) {
                let value = &mut filter["typed_config"]["config"]["configuration"]["value"];
                let text = value.as_str().expect("a configuration");
                let mut configuration: Value = serde_json::from_str(text).expect("JSON");
                edit(&mut configuration);
                *value = configuration.to_string().into();
            }
        })
    }

    /// With this done to Envoy's configuration, as whoever writes one around the filter may do.
    #[must_use]
    pub fn edited(mut self, edit: impl Fn(&mut Value) + 'static) -> Self {
        self.edits.push(Box::new(edit));
        self
    }

    /// Envoy's configuration, before an application at that address.
    ///
    /// # Errors
    /// When the filter does not build.
    pub fn render(&self, upstream: SocketAddr) -> Result<Value> {
        let module = Module::built()?;
        let any = Endpoint::new("127.0.0.1", 0);
        let options = Options {
            listen: any.clone(),
            upstream: endpoint(upstream),
            module: module.path.display().to_string(),
            module_sha256: module.sha256.clone(),
            ca_file: self.ca_file.display().to_string(),
            connect_to: self.connect_to.clone(),
            admin: Some(any),
            access_log: ACCESS_LOG.to_owned(),
        };
        let mut bootstrap = render(&self.plugins, &options);
        for edit in &self.edits {
            edit(&mut bootstrap);
        }
        Ok(bootstrap)
    }

    /// Whether Envoy takes the configuration.
    ///
    /// # Errors
    /// When it does not: with what it says.
    pub fn validate(&self) -> Result<()> {
        Envoy::validate(&self.render(SocketAddr::from(([127, 0, 0, 1], 9)))?, &self.environment)
    }

    /// Starts Envoy before an application that tells what it got.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(&self) -> Result<Proxy> {
        self.start_before(Upstream::echo().await?).await
    }

    /// Starts Envoy before this application.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_before(&self, upstream: Upstream) -> Result<Proxy> {
        let mut bootstrap = self.render(upstream.address())?;
        let dir = RunDir::create()?;
        let mut drain_seconds = DRAIN_SECONDS;
        if let Some(delivery) = self.delivery {
            delivery.take_out(&mut bootstrap).put(dir.path())?;
            drain_seconds = DRAIN_SECONDS_OF_DELIVERED;
        }
        let mut flags = self.flags.clone();
        flags.extend(["--drain-time-s".to_owned(), drain_seconds.to_string()]);
        let envoy = Envoy::start(&bootstrap, self.workers, &flags, &self.environment, dir).await?;
        Ok(Proxy { envoy, upstream, delivery: self.delivery })
    }
}

impl Proxy {
    /// Gives the running Envoy the filters of another setup, by how its own are delivered. It takes them over when it has
    /// seen to it.
    ///
    /// # Errors
    /// When its filters are not delivered.
    pub fn reconfigure(&self, setup: &Setup) -> Result<()> {
        let delivery = self.delivery.context("its filters can't be replaced")?;
        delivery.take_out(&mut setup.render(self.upstream.address())?).put(self.envoy.dir())
    }

    /// Sends one request on a connection of its own.
    ///
    /// # Errors
    /// When it is not answered.
    pub async fn send(&self, request: Request<impl Into<bytes::Bytes>>) -> Result<Response<bytes::Bytes>> {
        send(self.envoy.address(), request).await
    }

    /// Sends a GET of a path on a connection of its own, with a token as RFC 6750 §2.1 sends it.
    ///
    /// # Errors
    /// When it is not answered.
    pub async fn get(&self, path: &str, token: Option<&str>) -> Result<Response<bytes::Bytes>> {
        let mut request = Request::get(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.send(request.body("")?).await
    }

    /// The access log, once it has so many lines.
    ///
    /// # Errors
    /// When it has not within a minute.
    pub async fn logged(&self, lines: usize) -> Result<Vec<Value>> {
        let start = Instant::now();
        loop {
            // Envoy writes whole lines, but not always all of them at once.
            let text = fs::read_to_string(self.envoy.access_log()).unwrap_or_default();
            let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            let logged: Vec<Value> = whole.map(serde_json::from_str).collect::<Result<_, _>>()?;
            if logged.len() >= lines {
                return Ok(logged);
            }
            ensure!(start.elapsed() < LOG_TIMEOUT, "the access log is\n{text}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::new(address.ip().to_string(), address.port())
}
