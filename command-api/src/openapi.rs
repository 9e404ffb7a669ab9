//! The routes as OpenAPI.

use utoipa::OpenApi;

use crate::routes::{
    change_overdraft_limit, change_user, close, deposit, erase_user, freeze, import, open_account,
    register_user, resolve_dead_letter, retry_dead_letter, transfer, unfreeze, withdraw,
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
))]
struct Commands;

/// The command side's routes as OpenAPI 3.1.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Commands::openapi()
}
