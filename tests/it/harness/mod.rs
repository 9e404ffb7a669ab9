//! What the journeys travel on: a real daybook in its own process, on its own disk, with its own Postgres, asked by HTTP.

mod bank;
mod client;
mod daybook;
mod shared;
mod wait;

pub(crate) use bank::euros;
pub(crate) use client::{Client, POSITION, text};
pub(crate) use daybook::{Daybook, run};
pub(crate) use shared::shared;
pub(crate) use wait::until;
