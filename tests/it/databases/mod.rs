//! Read models in several databases: nobody who asks can tell.

mod away;
mod bank;
mod divided;
mod interrupted;
mod questions;
