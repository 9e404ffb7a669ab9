//! What the journeys travel on: a real daybook in its own process, on its own disk, with its own Postgres, asked by HTTP.

mod bank;
mod client;
mod daybook;
mod endpoint;
mod program;
mod separate;
mod shared;
mod wait;

pub(crate) use bank::euros;
pub(crate) use client::{Client, POSITION, text};
pub(crate) use daybook::{Daybook, scratch};
pub(crate) use endpoint::{Endpoint, Post, Reply};
pub(crate) use program::{Program, run};
pub(crate) use separate::{Separate, node};
pub(crate) use shared::shared;
pub(crate) use wait::until;
