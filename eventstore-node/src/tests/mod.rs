//! The engine from outside; where faults or damage are needed, with a hand inside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, clippy::never_loop)]

mod appends;
mod crash;
mod deletes;
mod disk_faults;
mod following;
mod index;
mod metadata;
mod model;
mod recovery;
mod subscriptions;
mod support;
