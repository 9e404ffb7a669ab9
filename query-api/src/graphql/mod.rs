//! GraphQL: types and resolvers, one file for each concept. Resolvers translate; what is true of a row is said in `read_models`.

mod account;
mod big_int;
mod dead_letter;
mod documents;
mod executor;
mod failure;
mod leaves;
mod monthly_totals;
mod nesting;
mod page;
mod persisted;
mod projection;
mod schema;
mod scope;
mod subscription;
mod transaction;
mod transaction_filter;
mod transfer;
mod trial_balance;
mod user;
mod webhook;

pub(crate) use executor::Bounded;
pub(crate) use failure::{has_lost_connection, response as failure_response};
pub(crate) use schema::{Schema, build, sdl};
pub(crate) use scope::Scope;

#[cfg(test)]
mod tests;
