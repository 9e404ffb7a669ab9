//! `daybook rebuild`: projections made anew, beside the live ones.

pub(super) mod database;
mod show;
mod watch;

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use ledger_core::partition::Placement;
use projector::projections;
use projector::rebuild::request::{self, Ask, Kind, Rebuild};
use sqlx::PgConnection;

use self::database::{DatabasePlace, Place};
use self::show::Shown;
use super::Failure;

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
    let mut rebuilds = Vec::new();
    let mut none = "no database here has rows of it";
    // Each database is asked before any is waited for: they work at the same time.
    for Place { placement, mut db } in args.database.connect().await? {
        let id = if args.status {
            none = "nothing was ever rebuilt here";
            request::find(&mut db, None).await?.map(|rebuild| rebuild.id)
        } else if args.stop {
            none = "no rebuild is under way";
            request::stop(&mut db).await?
        } else {
            ask(&args, placement, &mut db).await?
        };
        rebuilds.extend(id.map(|id| (placement, db, id)));
    }
    if rebuilds.is_empty() {
        return Err(none.into());
    }
    let mut code = ExitCode::SUCCESS;
    for (placement, mut db, id) in rebuilds {
        let database = (!placement.is_alone()).then(|| placement.number());
        let shown = Shown { json: args.json, database };
        let ended = if args.status {
            let rebuild = request::find(&mut db, Some(id)).await?;
            show::end(&rebuild.ok_or("somebody has deleted the rebuild's row")?, shown)?
        } else if args.no_wait && !args.stop {
            asked_for(id, shown)?;
            ExitCode::SUCCESS
        } else {
            watch::until_end(&mut db, id, shown).await?
        };
        if ended != ExitCode::SUCCESS {
            code = ended;
        }
    }
    Ok(code)
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

/// Asks a database for what it has; the request's number.
async fn ask(
    args: &RebuildArgs,
    placement: Placement,
    db: &mut PgConnection,
) -> Result<Option<i64>, Failure> {
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
    let ask = Ask {
        kind,
        projections,
        no_switch: args.no_switch,
        accept_differences: args.accept_differences,
        requested_by: "operator".to_owned(),
    };
    if let Some(id) = request::ask(db, &ask).await? {
        return Ok(Some(id));
    }
    match request::find(db, None).await? {
        Some(open) if is_the_same(&open, &ask) => {
            eprintln!("daybook: it is under way already");
            Ok(Some(open.id))
        }
        Some(open) => Err(format!(
            "another rebuild is under way, of {}: wait for it, or stop it with daybook rebuild --stop",
            open.projections.join(", ")
        )
        .into()),
        None => Err("another rebuild is under way".into()),
    }
}

fn is_the_same(open: &Rebuild, ask: &Ask) -> bool {
    open.state.is_open() && open.kind == ask.kind && open.projections == ask.projections
}
