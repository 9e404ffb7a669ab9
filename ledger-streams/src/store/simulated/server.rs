//! The way to the log and back, as one process has it.

use std::sync::Arc;
use std::time::Duration;

use eventstore_node::StreamAppend;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::fate::{AppendFault, Fate, ReadFault};
use super::log::SimulatedLog;
use crate::StoreError;
use crate::store::remote::{Group, Refusal, Write};
use crate::store::{AppendFailure, Placed};

/// What comes back from the writer.
pub(super) type Outcome = Result<Vec<Placed>, AppendFailure>;
/// A batch and where to tell what it came to.
pub(super) type Queued = (Vec<StreamAppend>, oneshot::Sender<Outcome>);

/// The log as one process reaches it.
#[derive(Clone)]
pub(crate) struct Server {
    pub(super) log: SimulatedLog,
    pub(super) fate: Arc<dyn Fate>,
    /// Once this is cancelled nothing comes to the process any more, and nothing it does reaches anybody: it is dead.
    pub(super) crashed: CancellationToken,
}

impl Server {
    /// A message on its way; one of a dead process never comes to an end.
    pub(super) async fn travel(&self) {
        self.wait(self.fate.latency()).await;
    }

    pub(super) async fn wait(&self, time: Duration) {
        if !time.is_zero() {
            sleep(time).await;
        }
        if self.crashed.is_cancelled() {
            std::future::pending::<()>().await;
        }
    }

    pub(super) async fn crash(&self) {
        self.crashed.cancel();
        std::future::pending::<()>().await;
    }

    pub(super) async fn read<T>(&self, read: impl FnOnce(&SimulatedLog) -> T) -> Result<T, StoreError> {
        self.travel().await;
        match self.fate.read() {
            ReadFault::None => {}
            ReadFault::Fails => return Err(unavailable()),
            ReadFault::Crash => self.crash().await,
        }
        let found = read(&self.log);
        self.travel().await;
        Ok(found)
    }

    async fn append(&self, batch: &[StreamAppend]) -> Outcome {
        self.travel().await;
        let outcome = match self.fate.append(batch) {
            AppendFault::None => self.commit(batch),
            AppendFault::Fails => Err(AppendFailure::Store(unavailable())),
            AppendFault::Contended => {
                let stream = batch.first().map(|part| Arc::clone(&part.stream)).unwrap_or_default();
                Err(AppendFailure::Store(StoreError::Contended(stream)))
            }
            AppendFault::ReplyLost => {
                self.commit(batch).ok();
                Err(AppendFailure::Store(unavailable()))
            }
            AppendFault::Late(time) => {
                let (log, batch) = (self.log.clone(), batch.to_vec());
                // On its way already: nothing that happens to the process stops it.
                tokio::spawn(async move {
                    sleep(time).await;
                    log.append(&batch).ok();
                });
                Err(AppendFailure::Store(unavailable()))
            }
            AppendFault::Twice(time) => {
                self.commit(batch).ok();
                self.wait(time).await;
                self.commit(batch)
            }
            AppendFault::CrashBefore => {
                self.crash().await;
                Err(AppendFailure::Store(unavailable()))
            }
            AppendFault::CrashAfter => {
                self.commit(batch).ok();
                self.crash().await;
                Err(AppendFailure::Store(unavailable()))
            }
        };
        self.travel().await;
        outcome
    }

    fn commit(&self, batch: &[StreamAppend]) -> Outcome {
        match self.log.append(batch) {
            Ok(written) => {
                if written.repeated {
                    self.fate.repeated_itself();
                }
                Ok(written.placed)
            }
            Err(part) => {
                if let Some(part) = batch.get(part) {
                    self.fate.lost_a_race(&part.stream);
                }
                Err(AppendFailure::Conflict(part))
            }
        }
    }
}

/// Part by part, by way of the lanes that appends over the network go in.
impl Write for Server {
    async fn write(&self, stream: &Arc<str>, group: &Group) -> Result<Placed, Refusal> {
        // The protocol does not carry which event is followed.
        let part = StreamAppend {
            stream: Arc::clone(stream),
            expected: group.expected,
            follows: None,
            events: group.events.clone(),
        };
        match self.append(&[part]).await {
            Ok(placed) => placed.last().copied().ok_or(Refusal::Conflict),
            Err(AppendFailure::Conflict(_)) => Err(Refusal::Conflict),
            Err(AppendFailure::Store(error)) => Err(Refusal::Store(error)),
        }
    }
}

/// Writes whole batches, one after the other, in the order in which they were queued.
pub(super) async fn write_whole(server: Server, mut queue: mpsc::UnboundedReceiver<Queued>) {
    while let Some((batch, answer)) = queue.recv().await {
        // Whoever asked may be gone.
        answer.send(server.append(&batch).await).ok();
    }
}

pub(super) fn unavailable() -> StoreError {
    StoreError::Unavailable("the simulation has it so".into())
}
