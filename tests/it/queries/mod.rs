//! What the read side answers, and what that costs.

mod clients;
mod filters;
mod live;
mod newest;
mod partitions;
mod plans;
mod positions;
mod statuses;
mod times;
