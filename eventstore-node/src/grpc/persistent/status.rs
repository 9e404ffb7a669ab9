//! Every error of a group as a client sees it.

use tonic::Status;

use crate::grpc::status::{consumer_too_slow, stopping, with_trailers};
use crate::persistent::{Dropped, GroupError, GroupKey};

/// Something that was not done.
pub(super) fn of(error: GroupError, key: &GroupKey) -> Status {
    let (source, group) = (&key.source, &key.group);
    let name = format!("Subscription group {group} on stream {source}");
    match error {
        GroupError::Exists => {
            let status = Status::already_exists(format!("{name} exists."));
            named(status, "persistent-subscription-exists", key)
        }
        GroupError::DoesNotExist => {
            let status = Status::not_found(format!("{name} does not exist."));
            named(status, "persistent-subscription-does-not-exist", key)
        }
        GroupError::MaximumSubscribers => {
            let status = Status::failed_precondition(format!(
                "Maximum subscriptions reached for subscription group {group} on stream {source}."
            ));
            named(status, "maximum-subscribers-reached", key)
        }
        GroupError::Failed { reason } => failed(key, &reason),
        GroupError::Unavailable { reason } => unavailable(&reason),
    }
}

/// Something that was not done and concerns no group in particular.
#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn of_all(error: GroupError) -> Status {
    unavailable(&error.to_string())
}

/// The end of a consumer.
pub(super) fn dropped(why: Dropped, key: &GroupKey) -> Status {
    match why {
        Dropped::GroupEnded => {
            let name = format!("Subscription group {} on stream {}", key.group, key.source);
            named(Status::cancelled(format!("{name} was dropped.")), "persistent-subscription-dropped", key)
        }
        Dropped::TooSlow => consumer_too_slow(),
        Dropped::Failed(reason) => failed(key, &reason),
        Dropped::ShuttingDown => stopping(),
    }
}

/// Something that cannot be done.
pub(super) fn failed(key: &GroupKey, reason: &str) -> Status {
    let (source, group) = (&*key.source, &*key.group);
    let text = format!("Subscription group {group} on stream {source} failed: '{reason}'");
    let trailers = [("stream-name", source), ("group-name", group), ("reason", reason)];
    with_trailers(Status::internal(text), "persistent-subscription-failed", &trailers)
}

fn unavailable(reason: &str) -> Status {
    Status::unavailable(format!("Server Is Not Ready: {reason}"))
}

fn named(status: Status, exception: &'static str, key: &GroupKey) -> Status {
    with_trailers(status, exception, &[("stream-name", &key.source), ("group-name", &key.group)])
}
