//! The server as clients see it: the official one, and a bare one for what that does not show.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::large_enum_variant)]

mod access;
mod appends;
mod batches;
mod deletes;
mod filters;
mod persistent;
mod raw;
mod reads;
mod refusals;
mod stops;
mod subscriptions;
mod support;
mod wire;
