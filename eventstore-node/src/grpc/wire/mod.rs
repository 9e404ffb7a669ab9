//! The messages, as they are on the wire: package `event_store.client` and those below it. Only what is used.

mod append;
mod batch_append;
mod delete;
mod event;
mod google;
mod persistent;
mod read;
mod server;
mod shared;

pub(crate) use append::*;
pub(crate) use batch_append::*;
pub(crate) use delete::*;
pub(crate) use event::*;
pub(crate) use google::*;
pub(crate) use persistent::*;
pub(crate) use read::*;
pub(crate) use server::*;
pub(crate) use shared::*;
