//! The server as clients see it: the official one, and a bare one for what that does not show.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod appends;
mod reads;
mod subscriptions;
mod support;
