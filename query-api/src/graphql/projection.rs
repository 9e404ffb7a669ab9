//! How far the read models are.

use async_graphql::{Context, Object, SimpleObject};

use super::big_int::BigInt;
use super::failure::Failure;
use super::scope::Scope;
use crate::read_models::projection;

/// A projection: what keeps a read model up to date.
#[derive(SimpleObject)]
pub(super) struct Projection {
    /// Its name.
    name: String,
    /// Of its code; raised when its tables are built anew.
    version: i32,
    /// Position in the log of the last event it handled.
    position: BigInt,
    /// How far the end of the log is ahead of it, in positions; "0" when it has handled everything.
    lag: BigInt,
}

/// Questions about projections.
#[derive(Default)]
pub(super) struct ProjectionQuery;

#[Object]
impl ProjectionQuery {
    /// The position up to which everything can be read. Ask for it first, in a request of its own, then read, then subscribe after it:
    /// nothing is missed.
    #[graphql(complexity = 10)]
    async fn position(&self, context: &Context<'_>) -> Result<BigInt, Failure> {
        Ok(BigInt(Scope::of(context)?.live.readable().await?))
    }

    /// Every projection and its lag, for operators and auditors.
    #[graphql(complexity = "100 + child_complexity")]
    async fn projections(&self, context: &Context<'_>) -> Result<Vec<Projection>, Failure> {
        let scope = Scope::of(context)?;
        scope.require_everything()?;
        let rows = projection::all(&scope.databases).await?;
        let head = scope.live.head().await?;
        let projections = rows.into_iter().map(|row| Projection {
            version: row.version,
            position: BigInt(row.position()),
            lag: BigInt(head.saturating_sub(row.position())),
            name: row.projection,
        });
        Ok(projections.collect())
    }
}
