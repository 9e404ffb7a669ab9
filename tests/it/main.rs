//! The tests that cross crates, in one binary.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on stops")]

mod architecture;
mod archive;
mod checker;
mod conformance;
mod contracts;
mod databases;
mod deployment;
mod harness;
mod journeys;
mod notifications;
mod outages;
mod process_manager;
#[cfg(feature = "simulation")]
mod projection_example;
mod queries;
mod races;
#[cfg(feature = "simulation")]
mod simulation;
mod statements;
