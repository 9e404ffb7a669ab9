//! Logs to standard error, and the recorder behind `/metrics`.

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// Measurements are folded this often; until then they take memory.
const UPKEEP_PERIOD: Duration = Duration::from_secs(2);
/// Quiet: what an operator should know, nothing per request. EventStoreDB's client tells of every attempt in an outage; we tell of
/// the outage.
const DEFAULT_FILTER: &str = "info,sqlx=warn,hyper=warn,fjall=warn,lsm_tree=warn,kurrentdb=off";
/// Bounds of the buckets of every histogram in seconds.
const SECONDS: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object per line.
    Json,
}

/// Logs go to standard error, filtered by `filter` (as in `RUST_LOG`). Panics are logged too.
///
/// # Errors
/// When the filter is not one.
pub(crate) fn start_logging(format: LogFormat, filter: Option<&str>) -> Result<(), ParseError> {
    let filter = EnvFilter::builder().parse(filter.unwrap_or(DEFAULT_FILTER))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => {
            let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
            subscriber.with_ansi(colours).with_target(false).init();
        }
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("(no message)");
        tracing::error!(place, message, "panic");
    }));
    Ok(())
}

/// Starts measuring; the handle writes what `/metrics` shows.
///
/// # Errors
/// When another recorder is installed.
pub(crate) fn start_metrics() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new().set_buckets(&SECONDS)?.install_recorder()?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(UPKEEP_PERIOD);
        loop {
            ticks.tick().await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}
