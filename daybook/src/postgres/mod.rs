//! A private Postgres for the read models: found, set up, run and stopped by us, reachable by a Unix socket only.

mod binaries;
mod error;
mod memory;
mod owner;
mod place;
mod server;
mod settings;
mod stale;
mod watchdog;

pub use error::PostgresError;
pub use server::PrivatePostgres;
