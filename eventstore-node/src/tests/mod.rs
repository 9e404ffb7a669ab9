//! The engine from outside; where faults or damage are needed, with a hand inside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, clippy::never_loop)]

mod appends;
mod crash;
mod disk_faults;
mod index;
mod model;
mod recovery;
mod subscriptions;
mod support;
