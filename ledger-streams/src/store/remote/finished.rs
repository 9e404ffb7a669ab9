//! The end of a subscription that the official client does not see.
//!
//! When a server ends a subscription without an error, the client polls what is finished again and again and never waits: nothing can
//! stop it, and its thread is lost. All it does on the way is to log. So that is where it is stopped, by unwinding.

use std::fmt::{Debug, Write};
use std::panic::{AssertUnwindSafe, resume_unwind};

use futures::FutureExt;
use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

const LOGGED: &str = "Received an unknown subscription message";

/// What `subscribed` comes to; `None` when its subscription was ended without an error. The client logs nothing meanwhile.
pub(super) async fn unless_finished<F: Future>(subscribed: F) -> Option<F::Output> {
    match AssertUnwindSafe(subscribed.with_subscriber(Listener)).catch_unwind().await {
        Ok(output) => Some(output),
        Err(cause) if cause.is::<Finished>() => None,
        Err(cause) => resume_unwind(cause),
    }
}

/// What is unwound with.
struct Finished;

/// Hears what the client logs.
struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() == Level::WARN && metadata.target().starts_with("kurrentdb")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        if message.0 == LOGGED {
            resume_unwind(Box::new(Finished));
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            // Writing to a string cannot fail.
            write!(self.0, "{value:?}").ok();
        }
    }
}
