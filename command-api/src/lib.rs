//! HTTP in, events out.
//!
//! A request is a straight line: route → body → command → [`ledger_streams::Ledger`] → answer. Rules live in `ledger-core`, the write loop in
//! `ledger-streams`; here is only what HTTP adds: bodies, roles, status codes. Nothing here reads Postgres. The process manager's runner
//! lives here too ([`process_manager`]), because it commands accounts as clients do.

mod body;
mod caller;
mod limits;
mod openapi;
mod problem;
pub mod process_manager;
mod router;
mod routes;
mod webhook_url;

use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use ledger_streams::{KeyStore, Ledger};
use name_lookup::Names;

pub use limits::*;
pub use openapi::openapi;
pub use router::router;

/// How the command side is set up.
#[derive(Clone, Debug)]
pub struct CommandApiOptions {
    /// The bank's time zone: imported rows are booked at the beginning of their day in it.
    pub time_zone: Tz,
    /// What webhooks may be.
    pub webhooks: WebhookOptions,
}

/// What webhooks may be.
#[derive(Clone, Copy, Debug)]
pub struct WebhookOptions {
    /// True when they may be at addresses that are not of the public internet, and without TLS.
    pub allow_private: bool,
    /// How long a replaced secret signs beside its successor.
    pub secret_overlap: Duration,
}

/// What the routes share. Cheap to clone.
#[derive(Clone)]
pub struct CommandApi {
    ledger: Ledger,
    keys: KeyStore,
    options: Arc<CommandApiOptions>,
    names: Names,
}

impl CommandApi {
    /// The command side of a ledger.
    #[must_use]
    pub fn new(ledger: Ledger, keys: KeyStore, options: CommandApiOptions) -> Self {
        Self { ledger, keys, options: Arc::new(options), names: Names::of_system() }
    }
}
