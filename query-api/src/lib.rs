//! The read side: Postgres read models to GraphQL and REST.
//!
//! Reading order: `routes` is the table of what can be asked; `read_models` is the SQL behind it; `graphql` the types; `connection`
//! how lists are paged; `freshness` how a client reads its own writes; `live` how it hears of changes; `newest` what is not read again; `archived` what is read from files; `limits` every bound;
//! `problem` everything that is answered instead of data.
//!
//! Callers are authenticated by the process that hosts the router: it puts a [`ledger_core::Actor`] into the request's extensions.

mod archived;
mod caller;
mod connection;
mod database;
mod downloads;
mod freshness;
mod graphql;
mod limits;
mod live;
mod month;
mod newest;
mod options;
mod problem;
mod read_models;
mod read_pool;
mod routes;
mod several;
mod together;
mod turns;

use archive::Archive;
use ledger_streams::{EventStore, KeyStore};

pub use database::{ReadDatabases, is_filled};
use downloads::Downloads;
use freshness::Freshness;
pub use freshness::POSITION_HEADER;
use graphql::Bounded;
use live::Live;
pub use newest::{RedisServer, RedisUrlError};
pub use options::QueryOptions;
pub use read_models::statements;
pub use routes::{openapi, router};

/// Everything that reads share; clones are cheap.
#[derive(Clone)]
pub struct QueryApi {
    databases: ReadDatabases,
    keys: KeyStore,
    options: QueryOptions,
    freshness: Freshness,
    live: Live,
    graphql: Bounded,
    downloads: Downloads,
}

impl QueryApi {
    /// Reads the tables of `databases`, opens personal data with `keys`, and follows `store` for live updates and the end of the
    /// log. Nothing runs until somebody asks.
    #[must_use]
    pub fn new(databases: ReadDatabases, store: EventStore, keys: KeyStore, options: QueryOptions) -> Self {
        let archive = options.files.clone().map(Archive::new);
        let databases =
            databases.with_archive(archive.as_ref()).keeping_newest(options.redis.as_ref(), &store);
        let freshness = Freshness::new(databases.clone());
        Self {
            live: Live::new(store, databases.clone(), freshness.clone(), options.closing.clone()),
            databases,
            keys,
            freshness,
            graphql: Bounded::new(&options),
            downloads: Downloads::new(options.files.clone(), options.closing.clone()),
            options,
        }
    }
}

/// The GraphQL schema as text.
#[must_use]
pub fn sdl() -> String {
    graphql::sdl()
}
