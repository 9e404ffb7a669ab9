//! What is asked for, and what became of it: the table `rebuilds`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::compare::Report;
use super::{Progress, RebuildError};
use crate::projections::{self, Projection};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Make the rows anew, compare, exchange.
    Rebuild,
    /// The same, for tables that are to be divided: asked for by a migration. A program from before does not know it, and leaves it alone.
    Divide,
    /// Exchange with what was live before.
    SwitchBack,
    /// Delete what was live before.
    DropPrevious,
    /// Delete what a rebuild made that was not exchanged.
    DropUnfinished,
}

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody has taken it yet.
    Requested,
    /// A projector works at it.
    Running,
    /// It was done.
    Done,
    /// The new rows differ from the live ones, which stay.
    Differs,
    /// It cannot be done.
    Failed,
    /// Somebody wanted it stopped. Asked for again, it goes on.
    Stopped,
}

impl Kind {
    /// As the table has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rebuild => "rebuild",
            Self::Divide => "divide",
            Self::SwitchBack => "switch_back",
            Self::DropPrevious => "drop_previous",
            Self::DropUnfinished => "drop_unfinished",
        }
    }

    /// True when rows are made anew.
    #[must_use]
    pub const fn is_rebuild(self) -> bool {
        matches!(self, Self::Rebuild | Self::Divide)
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Rebuild, Self::Divide, Self::SwitchBack, Self::DropPrevious, Self::DropUnfinished]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

impl State {
    /// As the table has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Running => "running",
            Self::Done => "done",
            Self::Differs => "differs",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }

    /// True while it may still come to another one.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Requested | Self::Running)
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Requested, Self::Running, Self::Done, Self::Differs, Self::Failed, Self::Stopped]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// What to do with which projections.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What to do.
    pub kind: Kind,
    /// The projections' names.
    pub projections: Vec<String>,
    /// Compare, but leave the live tables in their place.
    pub no_switch: bool,
    /// Exchange although rows differ.
    pub accept_differences: bool,
    /// Who asks.
    pub requested_by: String,
}

/// A request and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rebuild {
    /// Its number.
    pub id: i64,
    /// What was asked for.
    pub kind: Kind,
    /// Of which projections.
    pub projections: Vec<String>,
    /// True when the live tables are to stay in their place.
    pub no_switch: bool,
    /// Where it stands.
    pub state: State,
    /// How far it is.
    pub progress: Option<Progress>,
    /// What the comparison found.
    pub report: Option<Report>,
    /// Why it ended otherwise than asked.
    pub reason: Option<String>,
    /// When somebody last worked at it.
    pub updated_at: DateTime<Utc>,
}

/// Asks. `None` when another request is open: one at a time.
///
/// # Errors
/// The database's.
pub async fn ask(db: &mut PgConnection, ask: &Ask) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "insert into rebuilds (kind, projections, no_switch, accept_differences, requested_by)
         values ($1, $2, $3, $4, $5) on conflict do nothing returning rebuild_id",
    )
    .bind(ask.kind.as_str())
    .bind(&ask.projections)
    .bind(ask.no_switch)
    .bind(ask.accept_differences)
    .bind(&ask.requested_by)
    .fetch_optional(db)
    .await
}

/// Asks for newer rows of these projections, whose versions differ from those of their rows. Not when an operator has switched one of
/// them back, nor while another request is open.
pub(crate) async fn ask_by_itself(
    db: &mut PgConnection,
    projections: &[&'static Projection],
) -> Result<(), sqlx::Error> {
    let names: Vec<&str> = projections.iter().map(|projection| projection.name).collect();
    let versions: Vec<i32> = projections.iter().map(|projection| projection.version).collect();
    sqlx::query(
        "insert into rebuilds (kind, projections, versions, requested_by)
         select 'rebuild', $1, $2, 'start-up'
         where not exists (
             select from unnest($1) as name, lateral (
                 select kind from rebuilds where projections @> array[name] order by rebuild_id desc limit 1) as last
             where last.kind = 'switch_back')
         on conflict do nothing",
    )
    .bind(names)
    .bind(versions)
    .execute(db)
    .await?;
    Ok(())
}

/// The names of the projections that the open request is about, if there is one.
pub(crate) async fn under_way(db: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    let names = "select projections from rebuilds where state in ('requested', 'running') and kind in ('rebuild', 'divide')";
    Ok(sqlx::query_scalar(names).fetch_optional(db).await?.unwrap_or_default())
}

/// Wants the open request stopped; its number. One that nobody has taken ends at once.
///
/// # Errors
/// The database's.
pub async fn stop(db: &mut PgConnection) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "update rebuilds set stop_wanted = true, state = case when state = 'requested' then 'stopped' else state end
         where state in ('requested', 'running') returning rebuild_id",
    )
    .fetch_optional(db)
    .await
}

/// A request; the newest when no number is given.
///
/// # Errors
/// The database's.
pub async fn find(db: &mut PgConnection, id: Option<i64>) -> Result<Option<Rebuild>, sqlx::Error> {
    let row = sqlx::query(
        "select rebuild_id, kind, projections, no_switch, state, progress::text, report::text, reason, updated_at
         from rebuilds where rebuild_id = coalesce($1, rebuild_id) order by rebuild_id desc limit 1",
    )
    .bind(id)
    .fetch_optional(db)
    .await?;
    row.as_ref().map(rebuild).transpose()
}

fn rebuild(row: &PgRow) -> Result<Rebuild, sqlx::Error> {
    let kind: String = row.try_get("kind")?;
    let state: String = row.try_get("state")?;
    let progress: Option<String> = row.try_get("progress")?;
    let report: Option<String> = row.try_get("report")?;
    let strange = |what: &str| sqlx::Error::Decode(format!("not of this program: {what}").into());
    Ok(Rebuild {
        id: row.try_get("rebuild_id")?,
        kind: Kind::parse(&kind).ok_or_else(|| strange(&kind))?,
        projections: row.try_get("projections")?,
        no_switch: row.try_get("no_switch")?,
        state: State::parse(&state).ok_or_else(|| strange(&state))?,
        progress: progress.and_then(|text| serde_json::from_str(&text).ok()),
        report: report.and_then(|text| serde_json::from_str(&text).ok()),
        reason: row.try_get("reason")?,
        updated_at: row.try_get("updated_at")?,
    })
}

/// A request as it is taken.
pub(super) struct Request {
    pub(super) id: i64,
    pub(super) kind: Kind,
    pub(super) projections: Vec<String>,
    pub(super) no_switch: bool,
    pub(super) accept_differences: bool,
}

impl Request {
    /// The projections themselves.
    pub(super) fn these(&self) -> Result<Vec<&'static Projection>, RebuildError> {
        let named = |name: &String| {
            let unknown = || RebuildError::Refused(format!("this program has no projection {name}"));
            projections::all().into_iter().find(|projection| projection.name == *name).ok_or_else(unknown)
        };
        self.projections.iter().map(named).collect()
    }
}

/// The open request, if it is for a program like this one. There is none before the tables are.
pub(super) async fn next(db: &mut PgConnection) -> Result<Option<Request>, sqlx::Error> {
    let there: bool =
        sqlx::query_scalar("select to_regclass('rebuilds') is not null").fetch_one(&mut *db).await?;
    if !there {
        return Ok(None);
    }
    let row = sqlx::query(
        "select rebuild_id, kind, projections, versions, no_switch, accept_differences from rebuilds
         where state in ('requested', 'running')",
    )
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let kind: String = row.try_get("kind")?;
    // One of a newer program, which will take it.
    let Some(kind) = Kind::parse(&kind) else { return Ok(None) };
    let request = Request {
        id: row.try_get("rebuild_id")?,
        kind,
        projections: row.try_get("projections")?,
        no_switch: row.try_get("no_switch")?,
        accept_differences: row.try_get("accept_differences")?,
    };
    let versions: Option<Vec<i32>> = row.try_get("versions")?;
    let ours = || request.these().map(|these| these.iter().map(|projection| projection.version).collect());
    let for_us = versions.is_none_or(|versions| ours().is_ok_and(|ours: Vec<i32>| ours == versions));
    Ok(for_us.then_some(request))
}

pub(super) async fn begin(db: &mut PgConnection, id: i64) -> Result<(), sqlx::Error> {
    sqlx::query("update rebuilds set state = 'running', updated_at = now() where rebuild_id = $1")
        .bind(id)
        .execute(db)
        .await?;
    Ok(())
}

/// Notes the progress. True when somebody wants it stopped.
pub(super) async fn update(
    db: &mut PgConnection,
    id: i64,
    progress: &Progress,
) -> Result<bool, RebuildError> {
    let stop_wanted = sqlx::query_scalar(
        "update rebuilds set progress = $2::jsonb, updated_at = now() where rebuild_id = $1 returning stop_wanted",
    )
    .bind(id)
    .bind(text(progress)?)
    .fetch_one(db)
    .await?;
    Ok(stop_wanted)
}

/// How a request ends.
pub(super) struct Ending {
    pub(super) state: State,
    pub(super) report: Option<Report>,
    pub(super) reason: Option<String>,
}

impl Ending {
    pub(super) const fn done(report: Option<Report>) -> Self {
        Self { state: State::Done, report, reason: None }
    }

    pub(super) const fn differs(report: Report) -> Self {
        Self { state: State::Differs, report: Some(report), reason: None }
    }

    pub(super) const fn stopped() -> Self {
        Self { state: State::Stopped, report: None, reason: None }
    }

    pub(super) const fn failed(reason: String) -> Self {
        Self { state: State::Failed, report: None, reason: Some(reason) }
    }
}

pub(super) async fn end(db: &mut PgConnection, id: i64, ending: &Ending) -> Result<(), RebuildError> {
    let report = ending.report.as_ref().map(text).transpose()?;
    sqlx::query(
        "update rebuilds set state = $2, report = $3::jsonb, reason = $4, updated_at = now() where rebuild_id = $1",
    )
    .bind(id)
    .bind(ending.state.as_str())
    .bind(report)
    .bind(&ending.reason)
    .execute(db)
    .await?;
    Ok(())
}

fn text(value: &impl Serialize) -> Result<String, RebuildError> {
    serde_json::to_string(value).map_err(|error| RebuildError::Refused(error.to_string()))
}
