//! Envoy's reference rate limit service, over a Redis of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::net::{TcpSocket, TcpStream, UnixStream};

use crate::process::Process;
use crate::programs;
use crate::run_dir::RunDir;

const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A running service, ended on drop and, by the kernel, with this process.
pub struct RateLimitService {
    // In the order in which they end.
    service: Process,
    redis: Process,
    address: SocketAddr,
    _port: TcpSocket,
    dir: RunDir,
    /// Where Redis listens.
    socket: PathBuf,
}

impl RateLimitService {
    /// Starts one with this configuration: a domain and its descriptors, as YAML.
    ///
    /// # Errors
    /// When a program is missing, or ends before it is ready: then with the end of its output.
    pub async fn start(configuration: &str) -> Result<Self> {
        let dir = RunDir::create()?;
        // No port is taken.
        let socket = dir.path().join("redis.sock");
        let flags = ["--port", "0", "--unixsocket", "redis.sock", "--save", "", "--appendonly", "no"];
        let redis = programs::find("redis-server")?;
        let mut redis = Process::start("redis", &redis, &flags.map(str::to_owned), dir.path())?;
        wait(&mut redis, async || UnixStream::connect(&socket).await.is_ok()).await?;

        let config = dir.path().join("runtime/sallyport/config");
        fs::create_dir_all(&config)?;
        fs::write(config.join("limits.yaml"), configuration)?;
        // Ours from here on: the service shares it (SO_REUSEPORT), and the kernel gives it to nobody else.
        let port = TcpSocket::new_v4()?;
        port.set_reuseport(true)?;
        port.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = port.local_addr()?;
        let service = start(&dir, &socket, address).await?;
        Ok(Self { service, redis, address, _port: port, dir, socket })
    }

    /// Ends the service at once, as a crash does. Redis stays, and what is counted with it.
    ///
    /// # Errors
    /// When it has ended before.
    pub fn crash(&mut self) -> Result<()> {
        Ok(self.service.kill()?)
    }

    /// Starts the service again, where it was before.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_again(&mut self) -> Result<()> {
        self.service = start(&self.dir, &self.socket, self.address).await?;
        Ok(())
    }

    /// Has the service do nothing from now on. Whoever connects is still taken on, by the kernel, and gets no answer.
    ///
    /// # Errors
    /// When it has ended.
    pub fn stall(&self) -> Result<()> {
        self.service.signal("STOP")
    }

    /// Has the service go on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn go_on(&self) -> Result<()> {
        self.service.signal("CONT")
    }

    /// Where it listens for gRPC.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process ids of the service and of its Redis.
    #[must_use]
    pub fn process_ids(&self) -> [u32; 2] {
        [self.service.id(), self.redis.id()]
    }
}

/// Starts the service itself, and waits until it listens.
async fn start(dir: &RunDir, redis: &Path, address: SocketAddr) -> Result<Process> {
    let environment = [
        ("REDIS_SOCKET_TYPE", "unix"),
        ("REDIS_URL", &redis.display().to_string()),
        ("GRPC_HOST", "127.0.0.1"),
        ("GRPC_PORT", &address.port().to_string()),
        ("HOST", "127.0.0.1"),
        ("PORT", "0"),
        ("DEBUG_HOST", "127.0.0.1"),
        ("DEBUG_PORT", "0"),
        ("USE_STATSD", "false"),
        ("RUNTIME_ROOT", &dir.path().join("runtime").display().to_string()),
        ("RUNTIME_SUBDIRECTORY", "sallyport"),
        ("RUNTIME_WATCH_ROOT", "false"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let program = programs::find("ratelimit")?;
    let mut service = Process::start_with("ratelimit", &program, &[], &environment, dir.path())?;
    // It listens when it has read its configuration.
    wait(&mut service, async || TcpStream::connect(address).await.is_ok()).await?;
    Ok(service)
}

/// Waits until the process is ready.
async fn wait(process: &mut Process, is_ready: impl AsyncFn() -> bool) -> Result<()> {
    let start = Instant::now();
    while !is_ready().await {
        if let Some(status) = process.ended()? {
            bail!("{status}; {}", process.log_tail());
        }
        if start.elapsed() > START_TIMEOUT {
            bail!("not ready after {START_TIMEOUT:?}; {}", process.log_tail());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
