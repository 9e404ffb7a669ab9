//! One file per verb.

pub(crate) mod answers;
pub(crate) mod cash;
pub(crate) mod change_overdraft_limit;
pub(crate) mod change_user;
pub(crate) mod change_webhook;
pub(crate) mod close;
pub(crate) mod delete_webhook;
pub(crate) mod deposit;
pub(crate) mod disable_webhook;
pub(crate) mod enable_webhook;
pub(crate) mod erase_user;
pub(crate) mod freeze;
pub(crate) mod import;
pub(crate) mod open_account;
pub(crate) mod register_user;
pub(crate) mod register_webhook;
pub(crate) mod replay_webhook;
pub(crate) mod resolve_dead_letter;
pub(crate) mod retry_dead_letter;
pub(crate) mod rotate_webhook_secret;
pub(crate) mod transfer;
pub(crate) mod unfreeze;
pub(crate) mod webhook;
pub(crate) mod withdraw;
