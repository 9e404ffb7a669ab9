//! Every read route, as a table.

mod asked;
mod get_account;
mod get_activity;
mod get_dead_letter;
mod get_dead_letters;
mod get_file;
mod get_graphiql;
mod get_graphql;
mod get_month;
mod get_statement;
mod get_statements;
mod get_stuck;
mod get_transfer_status;
mod get_user;
mod post_graphql;
mod segments;
mod sse;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::map_response;
use axum::routing::get;
use utoipa::OpenApi;

use crate::QueryApi;
use crate::freshness::{AtPosition, Needs};
use crate::limits::QUERY_BYTES_MAX;
use crate::problem::{Problem, ProblemBody};

/// The routes. The first parameter is `{id}` in all of them, whatever it is the id of: routers that share a path share its names.
pub fn router(api: QueryApi) -> Router {
    Router::new()
        .route("/api/v1/users/{id}", get(get_user::handle))
        .route("/api/v1/accounts/{id}", get(get_account::handle))
        .route("/api/v1/accounts/{id}/activity", get(get_activity::handle))
        .route("/api/v1/deadletters", get(get_dead_letters::handle))
        .route("/api/v1/deadletters/{id}", get(get_dead_letter::handle))
        .route("/api/v1/transactions/stuck", get(get_stuck::handle))
        .route("/api/v1/transactions/{id}/status", get(get_transfer_status::handle))
        .route("/api/v1/transactions/{id}/month/{month}", get(get_month::handle))
        .route("/api/v1/transactions/{id}/month/{month}/download", get(get_statement::handle))
        .route("/api/v1/transactions/{id}/download", get(get_statements::handle))
        .route(
            "/api/v1/files/{*key}",
            get(get_file::handle).layer(map_response(get_file::unkept_unless_good)),
        )
        .route("/graphql", get(get_graphql::handle).post(post_graphql::handle))
        .route("/graphiql", get(get_graphiql::handle))
        .layer(DefaultBodyLimit::max(QUERY_BYTES_MAX))
        .with_state(api)
}

#[derive(OpenApi)]
#[openapi(
    paths(
        get_user::handle,
        get_account::handle,
        get_activity::handle,
        get_transfer_status::handle,
        get_month::handle,
        get_statement::handle,
        get_statements::handle,
        get_dead_letters::handle,
        get_dead_letter::handle,
        get_stuck::handle,
    ),
    components(schemas(ProblemBody))
)]
struct ReadRoutes;

/// The REST routes as OpenAPI.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    ReadRoutes::openapi()
}

impl QueryApi {
    /// Waits until the read models are where the request wants them.
    async fn reach(&self, at: AtPosition) -> Result<(), Problem> {
        match self.freshness.reach(at.0, self.options.freshness_timeout).await {
            Ok(_) => Ok(()),
            Err(behind) => Err(self.freshness.explained(Needs::All, behind).await.into()),
        }
    }

    /// Reads when the read models are where the request wants them; once more if Postgres may have forgotten that while it was read.
    async fn read_at<T, F>(&self, at: AtPosition, read: impl Fn() -> F) -> Result<T, Problem>
    where
        F: Future<Output = Result<T, Problem>>,
    {
        let read = || self.databases.once_more_if(is_lost, &read);
        self.freshness.read_at(at.0, self.options.freshness_timeout, read).await
    }

    /// The same for what an account's or a transfer's own database has.
    async fn read_with<T, F>(&self, id: i64, at: AtPosition, read: impl Fn() -> F) -> Result<T, Problem>
    where
        F: Future<Output = Result<T, Problem>>,
    {
        let read = || self.databases.once_more_if(is_lost, &read);
        self.freshness.read_in(Needs::With(id), at.0, self.options.freshness_timeout, read).await
    }
}

const fn is_lost<T>(answer: &Result<T, Problem>) -> bool {
    matches!(answer, Err(Problem::ConnectionLost))
}
