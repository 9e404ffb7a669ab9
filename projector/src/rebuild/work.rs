//! The steps of what is asked for, in order.

use std::sync::Arc;
use std::time::Instant;

use sqlx::{Connection, Executor, PgConnection};

use super::build::Build;
use super::compare::{Report, compare};
use super::limits::{HOLD_MAX, NEAR, ROUNDS_MAX};
use super::progress::{Meter, Phase};
use super::request::{Ending, Kind, Request};
use super::{Context, LIVE, PREVIOUS, REBUILD, RebuildError, close, switch, tables};
use crate::projections::{Part, Projection};

/// Does what is asked for.
pub(super) async fn work(
    context: &Context<'_>,
    request: &Request,
    meter: &Arc<Meter>,
) -> Result<Ending, RebuildError> {
    let projections = here(context, request.these()?)?;
    let mut db = tables::connect(context.database_url).await?;
    let ending = match request.kind {
        Kind::Rebuild | Kind::Divide => {
            Box::pin(rebuild(context, request, &projections, &mut db, meter)).await?
        }
        Kind::SwitchBack => Box::pin(switch_back(context, &projections, &mut db, meter)).await?,
        Kind::DropPrevious => {
            switch::drop_previous(&mut db).await?;
            Ending::done(None)
        }
        Kind::DropUnfinished => {
            tables::drop_unfinished(&mut db).await?;
            Ending::done(None)
        }
    };
    close(db).await;
    Ok(ending)
}

/// Those that have rows in this database.
fn here(
    context: &Context<'_>,
    mut projections: Vec<&'static Projection>,
) -> Result<Vec<&'static Projection>, RebuildError> {
    let placement = context.options.placement;
    let wanted = projections.len();
    projections.retain(|projection| Part::whole(projection).is_in(placement));
    if projections.is_empty() && wanted > 0 {
        return Err(RebuildError::Refused(format!("database {placement} has no rows of it")));
    }
    Ok(projections)
}

async fn rebuild(
    context: &Context<'_>,
    request: &Request,
    projections: &[&'static Projection],
    db: &mut PgConnection,
    meter: &Arc<Meter>,
) -> Result<Ending, RebuildError> {
    let mut build = begin(context, projections, db, meter).await?;
    meter.phase(Phase::Loading);
    catch_up(&mut build, projections, db).await?;
    meter.phase(Phase::Indexing);
    build.run(tables::finish(db, projections).await?).await?;
    build.run(tables::statistics(projections)).await?;
    meter.phase(Phase::CatchingUp);
    catch_up(&mut build, projections, db).await?;
    meter.phase(Phase::Comparing);
    let report = compared(context, projections, db, &mut build).await?;
    if report.differs() && !report.other_version && !request.accept_differences {
        build.close().await;
        return Ok(Ending::differs(report));
    }
    if !request.no_switch {
        meter.phase(Phase::CatchingUp);
        catch_up(&mut build, projections, db).await?;
        meter.phase(Phase::Switching);
        switch::switch(db, REBUILD, projections, Some(&mut build)).await?;
    }
    build.close().await;
    Ok(Ending::done(Some(report)))
}

/// Goes on with what lies there, if that is the same; begins anew otherwise.
async fn begin(
    context: &Context<'_>,
    projections: &[&'static Projection],
    db: &mut PgConnection,
    meter: &Arc<Meter>,
) -> Result<Build, RebuildError> {
    if tables::are_there(db, projections).await? {
        let build = Build::open(context, REBUILD, projections, meter).await?;
        let live = tables::checkpoints(db, LIVE, projections, false).await?;
        // The live tables were put back by somebody: there is no common place any more.
        if !build.is_ahead_of(&live) {
            return Ok(build);
        }
        build.close().await;
    }
    tables::make(db, projections).await?;
    Build::open(context, REBUILD, projections, meter).await
}

/// Follows the live tables until it is as good as where they are.
async fn catch_up(
    build: &mut Build,
    projections: &[&'static Projection],
    db: &mut PgConnection,
) -> Result<(), RebuildError> {
    for _ in 0..ROUNDS_MAX {
        let started = Instant::now();
        build.advance(tables::checkpoints(db, LIVE, projections, false).await?).await?;
        if started.elapsed() < NEAR {
            break;
        }
    }
    Ok(())
}

/// Holds the live tables until the build is exactly where they are and a snapshot of both was taken; then lets them go on, and compares.
async fn compared(
    context: &Context<'_>,
    projections: &[&'static Projection],
    db: &mut PgConnection,
    build: &mut Build,
) -> Result<Report, RebuildError> {
    let mut snapshot = tables::connect(context.database_url).await?;
    let mut hold = db.begin().await?;
    tables::bound_silence(&mut hold, HOLD_MAX).await?;
    let live = tables::checkpoints(&mut hold, LIVE, projections, true).await?;
    let other_version =
        live.iter().any(|checkpoint| checkpoint.version != checkpoint.part.projection.version);
    build.advance(live).await?;
    snapshot.execute("begin isolation level repeatable read read only; select 1").await?;
    hold.rollback().await?;
    let tables = compare(&mut snapshot, projections).await?;
    snapshot.execute("rollback").await?;
    close(snapshot).await;
    Ok(Report { tables, other_version })
}

/// Exchanges with what was live before. That is brought up to date first if this program knows how: then no reader sees an older state.
async fn switch_back(
    context: &Context<'_>,
    projections: &[&'static Projection],
    db: &mut PgConnection,
    meter: &Arc<Meter>,
) -> Result<Ending, RebuildError> {
    if !switch::has_previous(db, projections).await? {
        return Err(RebuildError::Refused(
            "there is nothing to switch back to: nothing was switched, or it was dropped".to_owned(),
        ));
    }
    let before = tables::checkpoints(db, PREVIOUS, projections, false).await?;
    let known = before.iter().all(|checkpoint| checkpoint.version == checkpoint.part.projection.version);
    if !known {
        meter.phase(Phase::Switching);
        switch::switch(db, PREVIOUS, projections, None).await?;
        return Ok(Ending::done(None));
    }
    let mut build = Build::open(context, PREVIOUS, projections, meter).await?;
    meter.phase(Phase::CatchingUp);
    catch_up(&mut build, projections, db).await?;
    meter.phase(Phase::Switching);
    switch::switch(db, PREVIOUS, projections, Some(&mut build)).await?;
    build.close().await;
    Ok(Ending::done(None))
}
