//! `daybook archive list`

use std::io::Write;
use std::process::ExitCode;

use clap::Args;

use super::Places;
use crate::commands::Failure;
use crate::table::aligned;

/// Nothing but where.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    places: Places,
}

pub(super) async fn run(args: ListArgs) -> Result<ExitCode, Failure> {
    let months = args.places.open().await?.list().await?;
    let mut out = std::io::stdout();
    if args.places.json {
        serde_json::to_writer_pretty(&out, &months)?;
        writeln!(out)?;
    } else if months.is_empty() {
        writeln!(out, "No month is archived.")?;
    } else {
        let header = ["MONTH", "ROWS", "ARCHIVED AT", "IN POSTGRES"].map(str::to_owned);
        let rows = months.iter().map(|listed| {
            let here = match (listed.is_dropped, listed.later) {
                (false, _) => "all rows, until the next run".to_owned(),
                (true, 0) => "nothing".to_owned(),
                (true, later) => format!("{later} recorded later"),
            };
            let archived_at = listed.archived_at.format("%F %T").to_string();
            [listed.month.to_string(), listed.rows.to_string(), archived_at, here]
        });
        out.write_all(aligned(&std::iter::once(header).chain(rows).collect::<Vec<_>>()).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}
