//! Serving on one machine, with policies from files.

use std::io;
use std::sync::Arc;

use anyhow::bail;

use super::{ServeArgs, listen};
use crate::cli::log::{Log, LogFormat};
use crate::cli::{check, is_stdin, terminal};
use crate::policies::{Settings, Store};
use crate::server::{Drained, Identity};
use crate::traces::Traces;

/// The policies' store; `None` where they are wrong, which was said then.
pub(super) fn open(args: &ServeArgs, settings: Settings) -> anyhow::Result<Option<Arc<Store>>> {
    if args.policies.iter().any(|path| is_stdin(path)) {
        bail!("policies are followed as they change, so they can't come from standard input (-)");
    }
    let opened = match Store::open(args.policies.clone(), settings) {
        Ok(opened) => opened,
        Err(findings) if args.log_format == LogFormat::Json => {
            for located in findings {
                tracing::error!(finding = %located, "policies are wrong");
            }
            return Ok(None);
        }
        Err(findings) => {
            let mut reporter = terminal::reporter(io::stderr());
            for located in &findings {
                reporter.located(located)?;
            }
            reporter.finish()?;
            return Ok(None);
        }
    };
    match args.log_format {
        LogFormat::Text => check::tell_findings(&opened.findings, opened.not_in_force.as_deref())?,
        LogFormat::Json => {
            for located in &opened.findings {
                tracing::warn!(finding = %located, "policies are doubtful");
            }
            if let Some(text) = &opened.not_in_force {
                tracing::warn!("{text}");
            }
        }
    }
    Ok(Some(Arc::new(opened.store)))
}

pub(super) async fn serve(
    args: ServeArgs,
    store: Arc<Store>,
    log: &Log,
    traces: Option<&Traces>,
) -> anyhow::Result<Drained> {
    let identity = match (args.tls_cert.clone(), args.tls_key.clone()) {
        (Some(certificate), Some(key)) => Identity::Files { certificate, key },
        _ => Identity::SelfIssued { names: args.tls_name.clone(), ca: args.ca_file.clone() },
    };
    let mut listening = listen(&args, identity, store.clone(), None, log, traces).await?;
    let server = &mut listening.server;
    store.register(server.registry_mut());
    let current = store.current();
    tracing::info!(
        webhook = %server.admission_addr(),
        operations = %server.operations_addr(),
        policies = current.set.policies().len(),
        digest = &*current.digest,
        "serving"
    );
    if current.set.policies().is_empty() {
        tracing::warn!("there are no WorkloadPolicies: nothing is changed until there are");
    }
    let follower = tokio::spawn(store.follow());
    let drained = listening.run().await;
    follower.abort();
    Ok(drained)
}
