//! `daybook status`: how everything fares, at a glance.

mod answers;
mod look;
mod meters;
mod screen;
mod show;

use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use self::look::{Look, Looker};
use self::screen::Screen;
use super::Failure;
use super::server::EntryFlags;

/// What a single look measures throughput over.
const MEASURED_OVER: Duration = Duration::from_secs(1);

const HELP: &str = "\
Name every process that you want to see; --url may be given several times. What is known of projections,
transfers and dead letters comes from the first of them that answers queries, throughput from those that run
the projector and the process manager.

The exit code is 0 when all is well, and 1 when something needs attention: a process that does not answer or is
not ready, a projection that has stopped or is more than a minute behind, stuck transfers, dead letters. With
--watch it is 0: Ctrl-C ends it, and a process that is away for a while is shown as such.

Examples:
  daybook status
  daybook status --watch
  daybook status --url http://127.0.0.1:8081 --url http://127.0.0.1:8082 --url http://127.0.0.1:8083
  daybook status --json | jq .problems";

/// What `daybook status` needs to know.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct StatusArgs {
    /// A running process; several times for several, or with commas
    #[arg(
        long = "url",
        value_name = "URL",
        env = "DAYBOOK_URL",
        value_delimiter = ',',
        default_value = "http://127.0.0.1:8080"
    )]
    urls: Vec<String>,
    #[command(flatten)]
    entry: EntryFlags,
    /// Look again every so many seconds, until Ctrl-C
    #[arg(
        long,
        value_name = "SECONDS",
        env = "DAYBOOK_WATCH",
        num_args = 0..=1,
        default_missing_value = "2",
        value_parser = clap::value_parser!(u64).range(1..=3_600)
    )]
    watch: Option<u64>,
    /// Print JSON; with --watch a line for each look
    #[arg(long, env = "DAYBOOK_JSON")]
    json: bool,
}

/// Looks, once or again and again.
///
/// # Errors
/// When a URL is none, or the issuer's key cannot be used.
pub async fn run(args: StatusArgs) -> Result<ExitCode, Failure> {
    let mut looker = Looker::new(&args.urls, &args.entry)?;
    match args.watch {
        None => once(&mut looker, args.json).await,
        Some(seconds) => watch(&mut looker, Duration::from_secs(seconds), args.json).await,
    }
}

async fn once(looker: &mut Looker<'_>, json: bool) -> Result<ExitCode, Failure> {
    looker.measure().await;
    tokio::time::sleep(MEASURED_OVER).await;
    let look = looker.look().await?;
    let mut out = std::io::stdout();
    if json {
        serde_json::to_writer_pretty(&out, &look)?;
        writeln!(out)?;
    } else {
        out.write_all(show::whole(&look, out.is_terminal()).as_bytes())?;
    }
    Ok(if look.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn watch(looker: &mut Looker<'_>, pause: Duration, json: bool) -> Result<ExitCode, Failure> {
    let mut screen = Screen::new();
    // One for all the time: a signal that comes while nobody listens is lost.
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let look = tokio::select! {
            look = looker.look() => look?,
            _ = &mut interrupted => break,
        };
        match shown(&look, &mut screen, json) {
            Ok(()) => {}
            // Who reads has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = &mut interrupted => break,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(look: &Look, screen: &mut Screen, json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    if json {
        serde_json::to_writer(&out, look)?;
        return writeln!(out);
    }
    if out.is_terminal() {
        return screen.paint(&show::whole(look, true), &mut out);
    }
    out.write_all(show::in_short(look).as_bytes())
}
