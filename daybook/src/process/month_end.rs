//! Months that are closed by themselves.

use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use chrono_tz::Tz;
use clap::Args;
use file_store::FileStore;
use ledger_core::Month;
use ledger_core::partition::Placement;
use ledger_streams::{EventStore, KeyStore};
use metrics::counter;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use statements::{Close, CloseError, CloseParts, CloseSummary, CloseTime, Documents};
use tokio_util::sync::CancellationToken;

use super::bank::BankFlags;
use super::database::Database;
use crate::commands::Failure;
use crate::health::{Component, Health, State};

/// Connections to each database: reading is one, the lock another.
const CONNECTIONS: u32 = 4;
/// How long to wait for a connection.
const CONNECTION_WAIT: Duration = Duration::from_secs(3);
/// Between two looks at whether a month is due. The clock may be set, and a machine may sleep.
const LOOK: Duration = Duration::from_secs(20);
/// Between two looks at whether the read models are there.
const DATABASE_LOOK: Duration = Duration::from_millis(500);
/// How long until a close that failed is tried again; each further failure doubles it.
const RETRY_MIN: Duration = Duration::from_secs(5);
const RETRY_MAX: Duration = Duration::from_secs(15 * 60);
/// Failed accounts that are logged.
const FAILURES_LOGGED: usize = 20;

/// When months are closed in a process that does other things, too.
#[derive(Clone, Debug, Args)]
pub(crate) struct MonthEndFlags {
    /// Close last month by itself, at this time on the first of each month in the bank's time zone, such as 03:00; earlier ones that are
    /// open go first. What is due already is done at the start [default: off]
    #[arg(long, value_name = "HH:MM", env = "DAYBOOK_CLOSE_MONTHS_AT", value_parser = close_time)]
    close_months_at: Option<OptionalTime>,
    #[command(flatten)]
    bank: BankFlags,
}

/// A time, or nothing: compose gives every variable a value.
#[derive(Clone, Copy, Debug)]
struct OptionalTime(Option<CloseTime>);

fn close_time(text: &str) -> Result<OptionalTime, String> {
    let time = (!text.is_empty()).then(|| text.parse()).transpose();
    time.map(OptionalTime).map_err(|error: statements::CloseTimeError| error.to_string())
}

impl MonthEndFlags {
    /// True when months are to be closed here.
    pub(crate) fn is_wanted(&self) -> bool {
        self.at().is_some()
    }

    fn at(&self) -> Option<CloseTime> {
        self.close_months_at.and_then(|OptionalTime(time)| time)
    }

    /// What was asked for, with logo and fonts read. `files` is asked for only then.
    ///
    /// # Errors
    /// When the bank cannot be shown as configured.
    pub(crate) async fn plan(
        &self,
        files: impl FnOnce() -> Result<FileStore, Failure>,
    ) -> Result<Option<MonthEndPlan>, Failure> {
        match self.at() {
            None => Ok(None),
            Some(at) => MonthEndPlan::new(at, &self.bank, files()?).await.map(Some),
        }
    }
}

/// Which months are closed when, and how their statements look.
pub(crate) struct MonthEndPlan {
    at: CloseTime,
    documents: Documents,
    files: FileStore,
}

impl MonthEndPlan {
    /// Reads logo and fonts.
    ///
    /// # Errors
    /// When the bank cannot be shown as configured.
    pub(crate) async fn new(at: CloseTime, bank: &BankFlags, files: FileStore) -> Result<Self, Failure> {
        let bank = bank.clone();
        let documents = tokio::task::spawn_blocking(move || bank.documents()).await??;
        Ok(Self { at, documents, files })
    }
}

/// What closes months.
#[derive(Clone)]
pub(super) struct MonthEnd {
    at: CloseTime,
    time_zone: Tz,
    database: Database,
    pools: Vec<(Placement, PgPool)>,
    close: Close,
}

impl MonthEnd {
    /// Nobody is asked yet.
    ///
    /// # Errors
    /// When a database's URL is none.
    pub(super) fn new(
        plan: MonthEndPlan,
        database: Database,
        store: EventStore,
        keys: KeyStore,
        time_zone: Tz,
    ) -> Result<Self, sqlx::Error> {
        let pools = database.urls().into_iter().map(|(placement, url)| Ok((placement, pool(&url)?)));
        let pools = pools.collect::<Result<Vec<_>, sqlx::Error>>()?;
        let MonthEndPlan { at, documents, files } = plan;
        let close = Close::new(CloseParts {
            databases: pools.iter().map(|(_, pool)| pool.clone()).collect(),
            store,
            keys,
            files,
            documents,
            time_zone,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        });
        Ok(Self { at, time_zone, database, pools, close })
    }

    /// Closes whatever is due, again and again.
    pub(super) async fn run(self, health: Arc<Health>, stop: CancellationToken) -> Result<(), sqlx::Error> {
        describe();
        if stop.run_until_cancelled(self.read_models()).await.is_none() {
            return Ok(());
        }
        health.set(Component::MonthEnd, State::Ready);
        let (mut done, mut pause) = (None, RETRY_MIN);
        while !stop.is_cancelled() {
            let due = self.at.due(Utc::now(), self.time_zone);
            let wait = if done == Some(due) {
                LOOK
            } else {
                match self.close_until(due, &stop).await {
                    Err(reason) => {
                        counter!("daybook_month_closes_total", "outcome" => "failed").increment(1);
                        tracing::error!(
                            "closing months until {due} failed, again in {} s: {reason}",
                            pause.as_secs()
                        );
                        let longer = pause.saturating_mul(2).min(RETRY_MAX);
                        std::mem::replace(&mut pause, longer)
                    }
                    Ok(false) => {
                        tracing::info!(
                            "another process closes months; looking again in {} s",
                            RETRY_MIN.as_secs()
                        );
                        RETRY_MIN
                    }
                    Ok(true) => {
                        (done, pause) = (Some(due), RETRY_MIN);
                        continue;
                    }
                }
            };
            stop.run_until_cancelled(tokio::time::sleep(wait)).await;
        }
        for (_, pool) in self.pools {
            pool.close().await;
        }
        Ok(())
    }

    /// Waits until they are there.
    async fn read_models(&self) {
        self.database.answers().await;
        for (placement, pool) in &self.pools {
            while !matches!(query_api::is_filled(pool, *placement).await, Ok(true)) {
                tokio::time::sleep(DATABASE_LOOK).await;
            }
        }
    }

    /// Closes what is open, in order, until a month has accounts that failed. False when somebody else is closing.
    async fn close_until(&self, due: Month, stop: &CancellationToken) -> Result<bool, String> {
        let open = stop.run_until_cancelled(self.close.open_until(due)).await;
        for month in open.transpose().map_err(text)?.unwrap_or_default() {
            let summary = match self.close.run(month, Utc::now(), |_| (), stop).await {
                Err(CloseError::Busy) => return Ok(false),
                closed => closed.map_err(text)?,
            };
            tell(&summary);
            if summary.failed > 0 {
                return Err(format!(
                    "{month} is not closed: {} account(s) have no statement",
                    summary.failed
                ));
            }
            if summary.interrupted {
                break;
            }
            counter!("daybook_month_closes_total", "outcome" => "closed").increment(1);
        }
        Ok(true)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "to be mapped")]
fn text(error: CloseError) -> String {
    error.to_string()
}

fn pool(url: &str) -> Result<PgPool, sqlx::Error> {
    let server = url.parse::<PgConnectOptions>()?.application_name("daybook-month-end");
    let options = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(CONNECTION_WAIT);
    Ok(options.connect_lazy_with(server))
}

/// They are there from the start, so that the first failure is seen as one.
fn describe() {
    for outcome in ["closed", "failed"] {
        counter!("daybook_month_closes_total", "outcome" => outcome).increment(0);
    }
    for outcome in ["issued", "corrected", "failed"] {
        counter!("daybook_statements_total", "outcome" => outcome).increment(0);
    }
}

fn tell(summary: &CloseSummary) {
    let CloseSummary { month, accounts, issued, corrected, unchanged, failed, seconds, .. } = summary;
    for (outcome, count) in [("issued", issued), ("corrected", corrected), ("failed", failed)] {
        counter!("daybook_statements_total", "outcome" => outcome).increment(*count);
    }
    let begun = if summary.interrupted { "not yet closed" } else { "closed" };
    tracing::info!(
        "{month} {begun}: {accounts} accounts; statements: {issued} issued, {corrected} corrected, {unchanged} unchanged, {failed} failed; {seconds:.1} s"
    );
    if let Some(warning) = &summary.warning {
        tracing::warn!("{} statements of {month} with a warning, the first: {warning}", summary.warnings);
    }
    for failure in summary.failures.iter().take(FAILURES_LOGGED) {
        tracing::error!("no statement of {month} for account {}: {}", failure.account_id, failure.reason);
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::MonthEndFlags;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        month_end: MonthEndFlags,
    }

    #[test]
    fn months_are_closed_where_a_time_is_given() {
        let wanted = |arguments: &[&str]| {
            let flags = Flags::try_parse_from(std::iter::once(&"x").chain(arguments));
            flags.map(|flags| flags.month_end.is_wanted()).map_err(|error| error.to_string())
        };
        assert_eq!(wanted(&["--close-months-at", "03:00"]), Ok(true));
        assert_eq!((wanted(&[]), wanted(&["--close-months-at", ""])), (Ok(false), Ok(false)));
        let refused = wanted(&["--close-months-at", "3am"]).unwrap_err();
        assert!(refused.contains("not a time of day such as 03:00"), "{refused}");
    }
}
