//! `daybook rebuild`: projections made anew, beside the live ones.

pub(in crate::commands) mod database;
mod show;
mod watch;

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use ledger_core::partition::Placement;
use projector::projections;
use projector::rebuild::request::{self, Ask, Kind, Rebuild};

use self::database::{DatabasePlace, Place};
use self::show::Shown;
use super::Failure;
use crate::shutdown::INTERRUPTED;

const HELP: &str = "\
The running projector does the work: it makes new tables beside the live ones, fills them from the log,
compares all rows of both at one position, and exchanges them in one transaction. Readers see no gap. If rows
differ, the first of them are printed, the live ones stay, and the exit code is 1.
What was live is kept until it is dropped, or until the next rebuild of the same projection.

After Ctrl-C the rebuild goes on; the same command shows it again. After --stop, or a crash, it goes on from
where it was.

Examples:
  daybook rebuild accounts
  daybook rebuild --all --no-switch        (compares only)
  daybook rebuild --switch-back accounts
  daybook rebuild --drop-previous
  daybook rebuild --drop-unfinished        (what --stop or --no-switch left)
  daybook rebuild --all --database-url postgres://bank@db/daybook --json";

/// What `daybook rebuild` needs to know.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub struct RebuildArgs {
    /// The projections
    #[arg(value_name = "NAME", value_parser = known_name)]
    names: Vec<String>,
    /// Every projection
    #[arg(long, env = "DAYBOOK_REBUILD_ALL", conflicts_with = "names")]
    all: bool,
    /// Compare, and leave the live tables in their place
    #[arg(long, env = "DAYBOOK_REBUILD_NO_SWITCH")]
    no_switch: bool,
    /// Exchange the tables although rows differ
    #[arg(long, env = "DAYBOOK_REBUILD_ACCEPT_DIFFERENCES")]
    accept_differences: bool,
    /// Exchange the live tables with those that were live before; a second time, back again
    #[arg(long, env = "DAYBOOK_REBUILD_SWITCH_BACK", group = "instead")]
    switch_back: bool,
    /// Delete what was live before
    #[arg(long, env = "DAYBOOK_REBUILD_DROP_PREVIOUS", group = "instead", conflicts_with_all = ["names", "all"])]
    drop_previous: bool,
    /// Delete new tables that were not exchanged, finished or not
    #[arg(long, env = "DAYBOOK_REBUILD_DROP_UNFINISHED", group = "instead", conflicts_with_all = ["names", "all"])]
    drop_unfinished: bool,
    /// Stop the rebuild that is under way
    #[arg(long, env = "DAYBOOK_REBUILD_STOP", group = "instead", conflicts_with_all = ["names", "all"])]
    stop: bool,
    /// Show the last rebuild, under way or not
    #[arg(long, env = "DAYBOOK_REBUILD_STATUS", group = "instead", conflicts_with_all = ["names", "all"])]
    status: bool,
    /// Ask for it and do not wait for its end
    #[arg(long, env = "DAYBOOK_REBUILD_NO_WAIT")]
    no_wait: bool,
    #[command(flatten)]
    database: DatabasePlace,
    /// Print JSON: a line for each step of the progress, the last one with the result
    #[arg(long, env = "DAYBOOK_JSON")]
    json: bool,
}

fn known_name(name: &str) -> Result<String, String> {
    let names = projections::all().map(|projection| projection.name);
    if names.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(format!("there are {}", names.join(", ")))
}

/// Asks for it, and shows how it goes.
///
/// # Errors
/// When the database is not there, or what is asked for cannot be done.
pub async fn run(args: RebuildArgs) -> Result<ExitCode, Failure> {
    let mut places = args.database.connect().await?;
    // Each database is asked before any is waited for: they work at the same time.
    let (ids, none) = if args.status {
        (last(&mut places).await?, "nothing was ever rebuilt here")
    } else if args.stop {
        (stop(&mut places).await?, "no rebuild is under way")
    } else {
        (ask(&args, &mut places).await?, "no database here has rows of it")
    };
    let rebuilds: Vec<(Place, i64)> =
        places.into_iter().zip(ids).filter_map(|(place, id)| Some((place, id?))).collect();
    if rebuilds.is_empty() {
        return Err(none.into());
    }
    tokio::select! {
        ended = shown(&args, rebuilds) => ended,
        _ = tokio::signal::ctrl_c() => {
            eprintln!("daybook: the rebuild goes on. The same command shows it again; daybook rebuild --stop stops it.");
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

/// Shows how each goes, and how it ends.
async fn shown(args: &RebuildArgs, rebuilds: Vec<(Place, i64)>) -> Result<ExitCode, Failure> {
    let mut code = ExitCode::SUCCESS;
    for (mut place, id) in rebuilds {
        let ended = match show(args, &mut place, id).await {
            Ok(ended) => ended,
            // What became of it in the others is shown all the same.
            Err(failure) if !place.placement.is_alone() => {
                eprintln!("daybook: {}{failure}", place.prefix());
                ExitCode::FAILURE
            }
            Err(failure) => return Err(failure),
        };
        if ended != ExitCode::SUCCESS {
            code = ended;
        }
    }
    Ok(code)
}

async fn show(args: &RebuildArgs, place: &mut Place, id: i64) -> Result<ExitCode, Failure> {
    let database = (!place.placement.is_alone()).then(|| place.placement.number());
    let shown = Shown { json: args.json, database };
    if args.status {
        let rebuild = request::find(&mut place.db, Some(id)).await?;
        return show::end(&rebuild.ok_or("somebody has deleted the rebuild's row")?, shown);
    }
    if args.no_wait && !args.stop {
        asked_for(id, shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    watch::until_end(&mut place.db, id, shown).await
}

/// Each database's last request.
async fn last(places: &mut [Place]) -> Result<Vec<Option<i64>>, Failure> {
    let mut ids = Vec::with_capacity(places.len());
    for place in places {
        ids.push(request::find(&mut place.db, None).await?.map(|rebuild| rebuild.id));
    }
    Ok(ids)
}

/// Wants each database's open request stopped.
async fn stop(places: &mut [Place]) -> Result<Vec<Option<i64>>, Failure> {
    let mut ids = Vec::with_capacity(places.len());
    for place in places {
        ids.push(request::stop(&mut place.db).await?);
    }
    Ok(ids)
}

fn asked_for(id: i64, Shown { json, database }: Shown) -> std::io::Result<()> {
    let told = match (json, database) {
        (true, None) => format!(r#"{{"id":{id}}}"#),
        (true, Some(database)) => format!(r#"{{"database":{database},"id":{id}}}"#),
        (false, None) => format!("Rebuild {id} is asked for."),
        (false, Some(database)) => format!("Rebuild {id} of database {database} is asked for."),
    };
    writeln!(std::io::stdout(), "{told}")
}

/// Asks each database for what it has; none of them if one is busy with something else.
async fn ask(args: &RebuildArgs, places: &mut [Place]) -> Result<Vec<Option<i64>>, Failure> {
    let mut asks = Vec::with_capacity(places.len());
    for place in &mut *places {
        let wanted = wanted(args, place.placement)?;
        let open = match &wanted {
            Some(wanted) => open(place, wanted).await?,
            None => None,
        };
        asks.push((wanted, open));
    }
    let mut ids = Vec::with_capacity(places.len());
    for (place, (wanted, open)) in places.iter_mut().zip(asks) {
        ids.push(match (wanted, open) {
            (None, _) => None,
            (Some(_), Some(open)) => Some(open),
            (Some(wanted), None) => {
                let id = request::ask(&mut place.db, &wanted).await?;
                let busy = || format!("{}another rebuild has begun just now", place.prefix());
                Some(id.ok_or_else(busy)?)
            }
        });
    }
    Ok(ids)
}

/// What is asked of a database, if it has any of that.
fn wanted(args: &RebuildArgs, placement: Placement) -> Result<Option<Ask>, Failure> {
    let kind = match (args.switch_back, args.drop_previous, args.drop_unfinished) {
        (true, ..) => Kind::SwitchBack,
        (_, true, _) => Kind::DropPrevious,
        (.., true) => Kind::DropUnfinished,
        (false, false, false) => Kind::Rebuild,
    };
    let all = projections::all().map(|projection| projection.name.to_owned());
    let names = if args.all { all.to_vec() } else { args.names.clone() };
    if names.is_empty() && matches!(kind, Kind::Rebuild | Kind::SwitchBack) {
        return Err(format!("name projections, or give --all; there are {}", all.join(", ")).into());
    }
    let lives_here = |name: &String| {
        let mut parts = projections::parts_in(placement).into_iter();
        parts.any(|part| part.projection.name == name)
    };
    let projections: Vec<String> = names.into_iter().filter(lives_here).collect();
    if projections.is_empty() && matches!(kind, Kind::Rebuild | Kind::SwitchBack) {
        return Ok(None);
    }
    Ok(Some(Ask {
        kind,
        projections,
        no_switch: args.no_switch,
        accept_differences: args.accept_differences,
        requested_by: "operator".to_owned(),
    }))
}

/// The open request, if it is the same. Another one is in the way.
async fn open(place: &mut Place, wanted: &Ask) -> Result<Option<i64>, Failure> {
    let last = request::find(&mut place.db, None).await?;
    let Some(open) = last.filter(|last| last.state.is_open()) else { return Ok(None) };
    let prefix = place.prefix();
    if is_the_same(&open, wanted) {
        eprintln!("daybook: {prefix}it is under way already");
        return Ok(Some(open.id));
    }
    Err(format!(
        "{prefix}another rebuild is under way, of {}: wait for it, or stop it with daybook rebuild --stop",
        open.projections.join(", ")
    )
    .into())
}

fn is_the_same(open: &Rebuild, wanted: &Ask) -> bool {
    let kind = open.kind == wanted.kind || open.kind.is_rebuild() && wanted.kind.is_rebuild();
    kind && open.projections == wanted.projections
}
