//! `sallyport pause` and `sallyport resume`: the way out when admission is stuck.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use sallyport_policy::Duration;

use super::Ending;
use crate::cluster;
use crate::gate::unix_seconds;

#[derive(Args)]
pub(super) struct PauseArgs {
    #[command(flatten)]
    place: Place,
    /// How long; then Sallyport registers itself again
    #[arg(long = "for", value_name = "DURATION", default_value = "1h")]
    lasts: Duration,
    /// Why, for whoever asks later
    #[arg(long, value_name = "TEXT", default_value = "")]
    because: String,
}

#[derive(Args)]
pub(super) struct ResumeArgs {
    #[command(flatten)]
    place: Place,
}

#[derive(Args)]
struct Place {
    /// How to reach the API server; without it, as kubectl does
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The namespace that Sallyport runs in
    #[arg(long, short, value_name = "NAME", default_value = "sallyport")]
    namespace: String,
}

pub(super) fn pause(args: &PauseArgs) -> anyhow::Result<Ending> {
    let seconds = i64::try_from(args.lasts.as_secs()).unwrap_or(i64::MAX);
    let until = unix_seconds().saturating_add(seconds);
    let until = block_on(async {
        let (client, _) = cluster::connect(args.place.kubeconfig.as_deref()).await?;
        cluster::pause(&client, &args.place.namespace, until, &args.because).await
    })?;
    writeln!(
        anstream::stdout().lock(),
        "paused until {until}: nothing is changed or refused by the API server until then; proxies go on. `sallyport \
         resume` ends it before"
    )?;
    Ok(Ending::Passed)
}

pub(super) fn resume(args: &ResumeArgs) -> anyhow::Result<Ending> {
    block_on(async {
        let (client, _) = cluster::connect(args.place.kubeconfig.as_deref()).await?;
        cluster::resume(&client, &args.place.namespace).await
    })?;
    writeln!(anstream::stdout().lock(), "resumed: Sallyport registers itself within a minute")?;
    Ok(Ending::Passed)
}

fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}
