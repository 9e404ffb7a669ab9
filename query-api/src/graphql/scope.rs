//! What every resolver of a request shares.

use std::sync::Arc;

use async_graphql::Context;
use ledger_core::Position;
use ledger_streams::KeyStore;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::failure::Failure;
use crate::QueryApi;
use crate::caller::Caller;
use crate::database::ReadDatabases;
use crate::downloads::Downloads;
use crate::limits::SUBSCRIPTIONS_PER_CONNECTION;
use crate::live::Live;
use crate::problem::Problem;
use crate::read_models::{Gathered, Loaders};

/// One request's, or one WebSocket connection's, view of the ledger.
pub(crate) struct Scope {
    pub(crate) caller: Caller,
    pub(crate) databases: ReadDatabases,
    pub(crate) loaders: Loaders,
    pub(crate) keys: KeyStore,
    pub(crate) live: Live,
    pub(crate) downloads: Downloads,
    /// What the read models are known to have reached.
    pub(crate) at: Position,
    subscriptions: Arc<Semaphore>,
}

impl Scope {
    pub(crate) fn new(caller: Caller, api: &QueryApi, at: Position) -> Self {
        Self {
            caller,
            loaders: api.databases.loaders(),
            databases: api.databases.clone(),
            keys: api.keys.clone(),
            live: api.live.clone(),
            downloads: api.downloads.clone(),
            at,
            subscriptions: Arc::new(Semaphore::new(SUBSCRIPTIONS_PER_CONNECTION)),
        }
    }

    /// The same, with loads that begin when `gathered` is run.
    pub(crate) fn gathering(self, gathered: &Gathered) -> Self {
        Self { loaders: gathered.loaders(&self.databases), ..self }
    }

    /// The scope that the router put into the request.
    pub(super) fn of<'a>(context: &Context<'a>) -> Result<&'a Self, Failure> {
        Ok(context.data_opt::<Self>().ok_or(Problem::Unauthenticated)?)
    }

    /// Room for one more subscription, held for as long as it runs.
    pub(super) fn subscription(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let permit = Arc::clone(&self.subscriptions).try_acquire_owned();
        Ok(permit.map_err(|_| Problem::TooManySubscriptions)?)
    }

    /// Refuses what shows the whole bank.
    pub(super) fn require_everything(&self) -> Result<(), Failure> {
        Ok(self.caller.require_everything()?)
    }
}
