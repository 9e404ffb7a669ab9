//! `daybook month close`: statements of a month.

use std::io::Write;
use std::process::ExitCode;

use chrono::Utc;
use clap::Args;
use indicatif::ProgressBar;
use ledger_core::Month;
use ledger_core::partition::Placement;
use ledger_streams::{EventStore, KeyStore};
use parking_lot::Mutex;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use statements::{Close, CloseParts, CloseSummary, Step};

use crate::commands::Failure;
use crate::commands::rebuild::database::DatabasePlace;
use crate::import::progress;
use crate::process::FilesArgs;
use crate::process::bank::BankFlags;
use crate::process::flags::TimeZoneFlags;
use crate::shutdown;

const HELP: &str = "\
Each statement is a PDF, a CSV and an ISO 20022 camt.053, kept as
  statements/ACCOUNT/YYYY-MM/statement.pdf, .csv and .xml
The log says what was issued, with each file's SHA-256.

Closing a month again changes nothing; it goes on where it was interrupted. If something was
booked for the month since, the account gets a second statement, statement-2.pdf, beside the first.

Months are closed in order, and only when they are over. An account that fails is named, the
others go on, and the exit code is 1.

It works beside the running daybook: give it the same --data-dir, --time-zone and addresses.
On the first of each month by itself: `daybook up --close-months-at HH:MM`.

Examples:
  daybook month close 2026-10
  daybook month close 2026-10 --bank-name 'Bank of Bohemia' --bank-logo logo.svg --json
  daybook month close 2026-10 --files-url s3://bank/daybook \\
    --database-url postgres://bank@db/daybook";

/// Connections to each database: reading is one, the lock another.
const CONNECTIONS: u32 = 4;
/// Failed accounts shown to people; `--json` has more.
const FAILURES_SHOWN: usize = 20;

/// What `daybook month close` needs to know.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct CloseArgs {
    /// The month, in the bank's time zone
    #[arg(value_name = "YYYY-MM", value_parser = month)]
    month: Month,
    /// The log: of the running daybook, or an EventStoreDB server or cluster
    #[arg(
        long,
        value_name = "URL",
        env = "DAYBOOK_EVENT_STORE",
        hide_env_values = true,
        default_value = "esdb://127.0.0.1:2113?tls=false"
    )]
    event_store: String,
    #[command(flatten)]
    database: DatabasePlace,
    #[command(flatten)]
    files: FilesArgs,
    #[command(flatten)]
    bank: BankFlags,
    #[command(flatten)]
    time_zone: TimeZoneFlags,
    /// Print the result as JSON
    #[arg(long, env = "DAYBOOK_JSON")]
    json: bool,
}

fn month(text: &str) -> Result<Month, String> {
    text.parse().map_err(|error: ledger_core::MonthError| error.to_string())
}

/// Closes it, and says how it went.
///
/// # Errors
/// When it may not be closed yet, or something that is needed is not there.
pub(super) async fn run(args: CloseArgs) -> Result<ExitCode, Failure> {
    let close = close(&args).await?;
    let stop = shutdown::on_signal()?;
    let bar = Mutex::new(ProgressBar::hidden());
    let progress = |step| show(&bar, step);
    let closed = close.run(args.month, Utc::now(), progress, &stop).await;
    bar.lock().finish_and_clear();
    let summary = closed?;
    let mut out = std::io::stdout();
    if args.json {
        serde_json::to_writer_pretty(&out, &summary)?;
        writeln!(out)?;
    } else {
        out.write_all(told(&summary).as_bytes())?;
    }
    let whole = summary.failed == 0 && !summary.interrupted;
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Everything it takes, opened.
async fn close(args: &CloseArgs) -> Result<Close, Failure> {
    let data_dir = args.database.data_dir()?;
    let bank = args.bank.clone();
    let documents = tokio::task::spawn_blocking(move || bank.documents()).await??;
    let urls = args.database.urls()?;
    let mut databases = Vec::with_capacity(urls.len());
    for (placement, url) in Placement::among(urls.len()).zip(&urls) {
        databases.push(connect(placement, url).await?);
    }
    Ok(Close::new(CloseParts {
        databases,
        store: EventStore::connect(&args.event_store)?,
        keys: KeyStore::open(&data_dir.join("keys"))?,
        files: args.files.open(&data_dir)?,
        documents,
        time_zone: args.time_zone.time_zone,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
    }))
}

async fn connect(placement: Placement, url: &str) -> Result<PgPool, Failure> {
    let server = url
        .parse::<PgConnectOptions>()
        .map_err(|error| format!("--database-url: {error}"))?
        .application_name("daybook-month-close");
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect_with(server).await;
    let pool = pool.map_err(|error| {
        format!("cannot connect to the read models' Postgres: {error}\nIs daybook running? Give its --data-dir or --database-url.")
    })?;
    if query_api::is_filled(&pool, placement).await? {
        return Ok(pool);
    }
    Err("the database has no read models yet: a projector makes them".into())
}

fn show(bar: &Mutex<ProgressBar>, step: Step) {
    let mut bar = bar.lock();
    match step {
        Step::Waiting { reached, head } => {
            if bar.is_hidden() {
                *bar = progress::bar_of("Waiting for the read models:", head, "positions");
            }
            bar.set_position(reached);
        }
        Step::Accounts(count) => {
            bar.finish_and_clear();
            *bar = progress::bar_of("Close", count, "accounts");
        }
        Step::Done => bar.inc(1),
    }
}

fn told(summary: &CloseSummary) -> String {
    let CloseSummary { month, accounts, issued, corrected, unchanged, files, bytes, failed, seconds, .. } =
        summary;
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let (megabytes, rate) = (*bytes as f64 / 1e6, *accounts as f64 / seconds.max(0.001));
    let begun = if summary.interrupted { "interrupted; run it again to go on" } else { "closed" };
    let mut text = format!(
        "{month} {begun}: {accounts} accounts; statements: {issued} issued, {corrected} corrected, {unchanged} unchanged, {failed} failed; \
         {files} files, {megabytes:.1} MB; {seconds:.1} s, {rate:.0} accounts/s\n"
    );
    if let Some(warning) = &summary.warning {
        text.push_str(&format!("{} statements with a warning, the first: {warning}\n", summary.warnings));
    }
    for failure in summary.failures.iter().take(FAILURES_SHOWN) {
        text.push_str(&format!("  account {}: {}\n", failure.account_id, failure.reason));
    }
    if *failed > FAILURES_SHOWN as u64 {
        text.push_str("  … and more; --json names them\n");
    }
    if *failed > 0 {
        text.push_str("Run it again when that is put right: only these are left.\n");
    }
    text
}
