//! The schema: one query object for each concept, merged.

use async_graphql::{EmptyMutation, MergedObject, SDLExportOptions};

use super::account::AccountQuery;
use super::dead_letter::DeadLetterQuery;
use super::projection::ProjectionQuery;
use super::subscription::Subscription;
use super::transfer::TransferQuery;
use super::trial_balance::TrialBalanceQuery;
use super::user::UserQuery;
use super::webhook::WebhookQuery;
use crate::limits::{COMPLEXITY_MAX, DEPTH_MAX, DIRECTIVES_MAX, FRAGMENT_DEPTH_MAX};

/// Everything that can be asked.
#[derive(Default, MergedObject)]
#[graphql(name = "Query")]
pub(crate) struct Query(
    AccountQuery,
    UserQuery,
    TransferQuery,
    DeadLetterQuery,
    TrialBalanceQuery,
    ProjectionQuery,
    WebhookQuery,
);

/// The ledger's schema.
pub(crate) type Schema = async_graphql::Schema<Query, EmptyMutation, Subscription>;

/// Builds the schema with its limits.
pub(crate) fn build(introspection: bool) -> Schema {
    let schema = Schema::build(Query::default(), EmptyMutation, Subscription);
    let schema = if introspection { schema } else { schema.disable_introspection() };
    schema
        .limit_depth(DEPTH_MAX)
        .limit_complexity(COMPLEXITY_MAX)
        .limit_recursive_depth(FRAGMENT_DEPTH_MAX)
        .limit_directives(DIRECTIVES_MAX)
        .finish()
}

/// The schema as text, as it is committed under `schemas/`.
pub(crate) fn sdl() -> String {
    build(true)
        .sdl_with_options(SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items())
}
