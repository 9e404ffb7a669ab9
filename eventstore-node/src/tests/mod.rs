//! The engine from outside; where faults or damage are needed, with a hand inside.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod appends;
mod crash;
mod disk_faults;
mod index;
mod model;
mod recovery;
mod subscriptions;
mod support;
