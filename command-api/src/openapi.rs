//! The routes as OpenAPI.

use utoipa::OpenApi;

use crate::routes::{
    change_overdraft_limit, change_user, change_webhook, close, delete_webhook, deposit, disable_webhook,
    enable_webhook, erase_user, freeze, import, open_account, register_user, register_webhook,
    replay_webhook, resolve_dead_letter, retry_dead_letter, rotate_webhook_secret, transfer, unfreeze,
    withdraw,
};

#[derive(OpenApi)]
#[openapi(paths(
    register_user::handle,
    change_user::handle,
    erase_user::handle,
    open_account::handle,
    deposit::handle,
    withdraw::handle,
    change_overdraft_limit::handle,
    freeze::handle,
    unfreeze::handle,
    close::handle,
    transfer::handle,
    import::handle,
    retry_dead_letter::handle,
    resolve_dead_letter::handle,
    register_webhook::handle,
    change_webhook::handle,
    delete_webhook::handle,
    rotate_webhook_secret::handle,
    enable_webhook::handle,
    disable_webhook::handle,
    replay_webhook::handle,
))]
struct Commands;

/// The command side's routes as OpenAPI 3.1.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Commands::openapi()
}
