//! Every route, as a table.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, post};

use crate::routes::{
    change_overdraft_limit, change_user, change_webhook, close, delete_webhook, deposit, disable_webhook,
    enable_webhook, erase_user, freeze, import, open_account, register_user, register_webhook,
    replay_webhook, resolve_dead_letter, retry_dead_letter, rotate_webhook_secret, transfer, unfreeze,
    withdraw,
};
use crate::{BODY_BYTES_MAX, CommandApi, IMPORT_BODY_BYTES_MAX};

/// The command side's routes. The host must put an authenticated [`ledger_core::Actor`] into each request's extensions.
pub fn router(api: CommandApi) -> Router {
    let import = Router::new()
        .route("/api/v1/import", post(import::handle))
        .layer(DefaultBodyLimit::max(IMPORT_BODY_BYTES_MAX))
        .with_state(api.clone());
    Router::new()
        .route("/api/v1/users", post(register_user::handle))
        .route("/api/v1/users/{id}", delete(erase_user::handle).put(change_user::handle))
        .route("/api/v1/accounts", post(open_account::handle))
        .route("/api/v1/accounts/{id}/deposits", post(deposit::handle))
        .route("/api/v1/accounts/{id}/withdrawals", post(withdraw::handle))
        .route("/api/v1/accounts/{id}/overdraft-limit", post(change_overdraft_limit::handle))
        .route("/api/v1/accounts/{id}/freeze", post(freeze::handle))
        .route("/api/v1/accounts/{id}/unfreeze", post(unfreeze::handle))
        .route("/api/v1/accounts/{id}/close", post(close::handle))
        .route("/api/v1/transactions/{id}/account", post(transfer::handle))
        .route("/api/v1/deadletters/{id}/retry", post(retry_dead_letter::handle))
        .route("/api/v1/deadletters/{id}/resolve", post(resolve_dead_letter::handle))
        .route("/api/v1/webhooks", post(register_webhook::handle))
        .route("/api/v1/webhooks/{id}", delete(delete_webhook::handle).put(change_webhook::handle))
        .route("/api/v1/webhooks/{id}/rotate-secret", post(rotate_webhook_secret::handle))
        .route("/api/v1/webhooks/{id}/enable", post(enable_webhook::handle))
        .route("/api/v1/webhooks/{id}/disable", post(disable_webhook::handle))
        .route("/api/v1/webhooks/{id}/replay", post(replay_webhook::handle))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(api)
        .merge(import)
}
