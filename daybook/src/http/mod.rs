//! The HTTP face: one listener, one service in front of every route.

mod front;
mod pages;
mod problem;
mod server;
#[cfg(test)]
mod tests;

pub use front::Front;
pub use pages::{description, openapi, pages};
pub use problem::{problem, with_problems};
pub use server::serve;
