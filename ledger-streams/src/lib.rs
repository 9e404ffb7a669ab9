//! The domain's door to the event store: the only crate that names an engine or a client.

mod recorded;

pub use recorded::Recorded;
