//! When the program is asked to end.

/// Returns when the process receives SIGTERM (the kubelet) or SIGINT (a terminal).
///
/// Where a handler cannot be installed this says so in the log and never returns: a server that cannot be asked to
/// end must still serve.
pub async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};

    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => tokio::select! {
            _ = terminate.recv() => tracing::info!(signal = "SIGTERM", "asked to end"),
            _ = interrupt.recv() => tracing::info!(signal = "SIGINT", "asked to end"),
        },
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "cannot listen for signals: only SIGKILL will end this process");
            std::future::pending::<()>().await;
        }
    }
}

/// SIGHUP, each time it is received: what a log is rotated with. It no longer ends the process once this is called.
///
/// # Errors
/// When no handler can be installed.
pub fn hangups() -> std::io::Result<tokio::signal::unix::Signal> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())
}
