//! What the read side answers, and what that costs.

mod clients;
mod filters;
mod live;
mod plans;
mod statuses;
mod times;
