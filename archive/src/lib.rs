//! Old months of transactions as Parquet, in a [`FileStore`](file_store::FileStore): written, checked, and read by account.
//!
//! A month is `transactions/month=YYYY-MM/part-….parquet`, its rows in the order of account and revision, and a [`Manifest`] in
//! `manifests/month=YYYY-MM.json`, which is written last: a month without one is not archived. What is in a file, and why, is in ADR 41; how
//! other programs read it, in docs/archive.md.
//!
//! [`Archive::writer`] takes a month's rows and gives the manifest; [`Archive::verify`] reads everything back; [`Archive::entries`] reads one
//! account's, and only the pages of the files that can hold them. Postgres is not known here: rows come in and go out as [`Row`]s, and
//! [`RowDigest`] says of both sides whether they are the same.

mod blocks;
mod digest;
mod entries;
mod error;
mod filter;
mod footers;
mod layout;
mod limits;
mod manifest;
mod pages;
mod part;
mod row;
mod rows;
mod schema;
mod store;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use blocks::Blocks;
pub use digest::RowDigest;
pub use entries::{EntriesQuery, EntrySums};
pub use error::ArchiveError;
pub use filter::{Filter, Side};
pub use ledger_core::Month;
pub use limits::PART_ROWS_MAX;
pub use manifest::{CurrencySums, LogSpan, Manifest, Part, Place};
pub use row::{EntryKind, Row, Status};
pub use rows::MonthRows;
pub use schema::SCHEMA_VERSION;
pub use store::{Archive, Edition};
pub use writer::Writer;
