//! Ctrl-C and SIGTERM: the first asks for a clean stop, the second ends the process at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code of what Ctrl-C ended before its work was done, as shells have it: 128, and the signal's number.
pub(crate) const INTERRUPTED: u8 = 130;

/// A token that the first Ctrl-C or SIGTERM cancels.
///
/// # Errors
/// When signals cannot be listened to.
pub(crate) fn on_signal() -> io::Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        either(&mut interrupt, &mut terminate).await;
        tracing::info!("stopping; once more ends at once");
        asked.cancel();
        either(&mut interrupt, &mut terminate).await;
        tracing::warn!("stopped at once");
        std::process::exit(INTERRUPTED.into());
    });
    Ok(stop)
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
