//! The chains of filters that are measured, each in an Envoy of its own.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use anyhow::{Context as _, Result, ensure};
use sallyport_tests::proxy::{Proxy, Setup};

use crate::host_call::{HostCall, Kind};
use crate::load::{Target, Want};
use crate::observe::Observed;
use crate::setups::Setups;

/// The chain that every cost is counted from.
pub(crate) const NOTHING: &str = "nothing";
/// Envoy's own filters, as they are unless told otherwise.
pub(crate) const NATIVE: &str = "native";
/// Envoy's own, with a cache of verified tokens.
pub(crate) const NATIVE_CACHED: &str = "native-cached";
/// Sallyport's filter.
pub(crate) const SALLYPORT: &str = "sallyport";
/// A filter in WebAssembly that does nothing.
pub(crate) const WASM_NOTHING: &str = "wasm-nothing";
/// One that makes Sallyport's host calls, and does nothing else.
pub(crate) const WASM_SAME_CALLS: &str = "wasm-same-calls";
/// All chains that have the price of one kind of host call.
const HOST_CALLS: &str = "host-calls";

/// So many calls of one kind are made where their price is measured: one alone would be lost in the noise.
pub(crate) const REPEATED: usize = 25;

/// An Envoy with filters, and what is sent to it.
pub(crate) struct Chain {
    pub(crate) name: String,
    /// The host call whose price this is for.
    pub(crate) prices: Option<Kind>,
    pub(crate) target: Target,
    proxy: Proxy,
}

/// Those that run.
pub(crate) struct Chains {
    pub(crate) all: Vec<Chain>,
}

impl Chain {
    async fn start(name: &str, setup: Setup, requests: &Arc<[Vec<u8>]>, want: Want) -> Result<Self> {
        let proxy = setup.start().await.with_context(|| name.to_owned())?;
        let next = Arc::new(AtomicUsize::new(0));
        let target = Target { address: proxy.envoy.address(), requests: Arc::clone(requests), next, want };
        Ok(Self { name: name.to_owned(), prices: None, target, proxy })
    }

    /// Envoy's process.
    pub(crate) fn process(&self) -> u32 {
        self.proxy.envoy.process_id()
    }
}

impl Chains {
    /// Starts those that are wanted, and whatever they are compared with.
    pub(crate) async fn start(
        setups: &Setups,
        observed: &Observed,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Self> {
        let one: Arc<[Vec<u8>]> = observed.pool.iter().take(1).cloned().collect();
        let pool = &observed.pool;
        let headers = Want { headers: setups.response_headers()?, made: 0 };
        let calls = &observed.known_token;
        let mut all = vec![Chain::start(NOTHING, setups.nothing()?, &one, Want::default()).await?];
        for (name, setup, requests, want) in [
            (NATIVE, setups.native()?, &one, &headers),
            (NATIVE_CACHED, setups.native_cached()?, &one, &headers),
            (SALLYPORT, setups.sallyport()?, &one, &headers),
            ("native-new-tokens", setups.native()?, pool, &headers),
            ("sallyport-new-tokens", setups.sallyport()?, pool, &headers),
            (WASM_SAME_CALLS, setups.bare(&lines(calls))?, &one, &made(calls)),
        ] {
            if wanted(name) {
                eprintln!("starting {name}");
                all.push(Chain::start(name, setup, requests, want.clone()).await?);
            }
        }
        if wanted(WASM_NOTHING) || wanted(HOST_CALLS) {
            all.push(Chain::start(WASM_NOTHING, setups.bare("")?, &one, Want::default()).await?);
        }
        if wanted(HOST_CALLS) {
            for kind in observed.kinds() {
                let first = calls.iter().find(|call| call.kind() == kind).context("a kind has a call")?;
                let calls = vec![first.clone(); REPEATED];
                let name = format!("{REPEATED} × {kind}");
                eprintln!("starting {name}");
                let chain = Chain::start(&name, setups.bare(&lines(&calls))?, &one, made(&calls)).await?;
                all.push(Chain { prices: Some(kind), ..chain });
            }
        }
        ensure!(all.len() > 1 || wanted(NOTHING), "there is no such chain");
        Ok(Self { all })
    }
}

/// What the bare filter is told.
pub(crate) fn lines(calls: &[HostCall]) -> String {
    calls.iter().map(HostCall::line).collect::<Vec<_>>().join("\n")
}

/// What has to come back where the bare filter made these calls.
pub(crate) fn made(calls: &[HostCall]) -> Want {
    let made = calls.iter().filter(|call| call.adds_a_response_header()).count();
    Want { headers: Vec::new(), made }
}
