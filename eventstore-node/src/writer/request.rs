//! What the writer is asked to do.

use tokio::sync::oneshot;

use crate::deletion::Deletion;
use crate::error::AppendError;
use crate::event::{Appended, StreamAppend};

/// Who waits for a change.
pub(crate) type Answer = oneshot::Sender<Result<Appended, AppendError>>;

/// A change on its way to the log. Its lengths are within limits.
pub(crate) struct Request {
    pub(crate) change: Change,
    /// Bytes it takes in the log.
    pub(crate) bytes: usize,
    pub(crate) answer: Answer,
}

/// What is to be written, if the streams are as expected.
pub(crate) enum Change {
    Append(Vec<StreamAppend>),
    Delete(Deletion),
}

/// What is in the writer's queue.
pub(crate) enum Message {
    Change(Request),
    /// Finish what is queued before this and end.
    Stop,
}
