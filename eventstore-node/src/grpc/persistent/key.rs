//! Which group is meant.

use tonic::Status;

use crate::grpc::wire::{DeleteTarget, ReadTarget, ReplayTarget, StreamOrAll, stream_name};
use crate::persistent::GroupKey;

/// The group of this name on a stream or the whole log.
pub(super) fn of(target: Option<StreamOrAll>, group: &str) -> Result<GroupKey, Status> {
    match target {
        Some(StreamOrAll::Stream(stream)) => Ok(GroupKey::on_stream(&stream_name(Some(&stream))?, group)),
        Some(StreamOrAll::All(_)) => Ok(GroupKey::on_all(group)),
        None => Err(Status::invalid_argument("Required field stream_option is missing.")),
    }
}

macro_rules! same {
    ($($target:ident),*) => {$(
        impl From<$target> for StreamOrAll {
            fn from(target: $target) -> Self {
                match target {
                    $target::Stream(stream) => Self::Stream(stream),
                    $target::All(all) => Self::All(all),
                }
            }
        }
    )*};
}

// The same choice, with other tags.
same!(DeleteTarget, ReadTarget, ReplayTarget);
