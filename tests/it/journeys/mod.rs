//! What people come for, from end to end, on one daybook that all of these share.

mod compensation;
mod dead_letters;
mod idempotency;
mod import;
mod money;
mod overdraft;
mod paging;
mod refusals;
mod separate;
mod webhooks;
mod webhooks_on_bad_days;
