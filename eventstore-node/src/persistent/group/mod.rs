//! A running group: the task that owns its state, reads its events, sends them to its consumers and records how far it
//! is. It never waits for a consumer, and never for the log while there is something else to do.

mod figures;
mod journal;
mod outlets;
mod replay;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::config::GroupConfig;
use super::consumer::{Consumer, ConsumerAbout};
use super::error::{Dropped, GroupError};
use super::info::GroupInfo;
use super::limits::{MAILBOX, MAX_CONSUMERS, MAX_IN_FLIGHT, STOP_TIME};
use super::machine::{ConsumerId, Machine, NackAction};
use super::reader::{Batch, Item, Reader};
use super::store::Recorded;
use crate::{Node, ReadError};
use figures::Meter;
use journal::Journal;
use outlets::Outlets;
use replay::Replay;

/// Something asked of a group.
#[derive(Debug)]
pub(super) enum Request {
    Connect { capacity: usize, about: ConsumerAbout, answer: oneshot::Sender<Result<Consumer, GroupError>> },
    Ack { consumer: ConsumerId, ids: Vec<Uuid> },
    Nack { consumer: ConsumerId, ids: Vec<Uuid>, action: NackAction, reason: Arc<str> },
    ReplayParked { stop_at: Option<u64> },
    Info { answer: oneshot::Sender<GroupInfo> },
    Stop { why: Dropped, answer: oneshot::Sender<()> },
}

/// A future that is polled again and again while other things happen.
type Running<T> = Option<Pin<Box<dyn Future<Output = T> + Send>>>;

/// A running group.
pub(super) struct Group {
    config: Arc<GroupConfig>,
    requests: mpsc::Receiver<Request>,
    /// The other end of `requests`, for consumers.
    sender: mpsc::WeakSender<Request>,
    machine: Machine,
    /// At rest; `None` while it reads.
    reader: Option<Reader>,
    reading: Running<(Reader, Result<Batch, ReadError>)>,
    /// Why nothing is read until the next consumer connects.
    failure: Option<Dropped>,
    journal: Journal,
    replay: Replay,
    outlets: Outlets,
    meter: Meter,
}

/// Something that happened to a group.
enum Happened {
    Requests,
    Read(Reader, Result<Batch, ReadError>),
    Written(journal::Outcome),
    Replayed(replay::Page),
    Gone(ConsumerId),
    Time,
}

impl Group {
    /// Starts a group; it ends when it is told to, or when nobody can tell it anything any more.
    pub(super) fn start(node: Node, config: Arc<GroupConfig>, recorded: Recorded) -> mpsc::Sender<Request> {
        let (sender, requests) = mpsc::channel(MAILBOX);
        let now = Instant::now();
        let group = Self {
            requests,
            sender: sender.downgrade(),
            machine: Machine::new(&config.settings, recorded.checkpoint, now),
            reader: Some(Reader::new(node.clone(), config.clone(), recorded.checkpoint)),
            reading: None,
            failure: None,
            journal: Journal::new(node.clone(), config.key.clone(), recorded),
            replay: Replay::new(node, config.clone()),
            outlets: Outlets::default(),
            meter: Meter::new(now),
            config,
        };
        tokio::spawn(group.run());
        sender
    }

    async fn run(mut self) {
        let mut waiting = Vec::with_capacity(MAILBOX);
        loop {
            let wake = self.work();
            let happened = tokio::select! {
                received = self.requests.recv_many(&mut waiting, MAILBOX) => match received {
                    0 => return self.stop(Dropped::ShuttingDown).await,
                    _ => Happened::Requests,
                },
                (reader, batch) = done(&mut self.reading) => Happened::Read(reader, batch),
                outcome = self.journal.written() => Happened::Written(outcome),
                page = self.replay.read() => Happened::Replayed(page),
                consumer = self.outlets.gone() => Happened::Gone(consumer),
                () = at(wake) => Happened::Time,
            };
            match happened {
                Happened::Requests => {
                    for request in waiting.drain(..) {
                        if let Request::Stop { why, answer } = request {
                            self.stop(why).await;
                            // Whoever asked may have gone.
                            let _ = answer.send(());
                            return;
                        }
                        self.answer(request);
                    }
                }
                Happened::Read(reader, batch) => self.read(reader, batch),
                Happened::Written(outcome) => self.journal.confirm(outcome, &mut self.machine),
                Happened::Replayed(page) => {
                    self.replay.take(page, &mut self.machine, self.journal.parked_mut());
                }
                Happened::Gone(consumer) => self.disconnect(consumer),
                Happened::Time => {}
            }
        }
    }

    /// Does what is to be done now. Returns when there is more to do even if nothing happens.
    fn work(&mut self) -> Option<Instant> {
        let now = Instant::now();
        self.machine.expire(now);
        while self.dispatch(now) {}
        self.replay.begin(&self.machine, self.journal.parked());
        let record = self.journal.begin(&mut self.machine, !self.replay.is_under_way(), now);
        let room = self.machine.room();
        if room > 0
            && self.failure.is_none()
            && let Some(mut reader) = self.reader.take()
        {
            // What fails here fails in the read, too.
            self.machine.set_live(reader.caught_up().unwrap_or(false));
            self.reading = Some(Box::pin(async move {
                let batch = reader.next(room).await;
                (reader, batch)
            }));
        }
        self.machine.next_expiry().into_iter().chain(record).min()
    }

    /// Sends what there is to whom it is for. Returns whether that has to be done again: somebody did not take it.
    fn dispatch(&mut self, now: Instant) -> bool {
        let mut refused = false;
        for delivery in self.machine.dispatch(now) {
            self.meter.count();
            if let Err(consumer) = self.outlets.send(delivery) {
                self.disconnect(consumer);
                refused = true;
            }
        }
        refused
    }

    fn read(&mut self, reader: Reader, batch: Result<Batch, ReadError>) {
        self.reader = Some(reader);
        match batch {
            Ok(batch) => {
                self.machine.set_live(batch.live);
                for item in batch.items {
                    match item {
                        Item::Event { place, event, pin } => self.machine.read(place, event, pin),
                        Item::Skipped(place) => self.machine.skip(place),
                        Item::Hidden(place) => self.machine.pass(place),
                    }
                }
            }
            Err(ReadError::ShuttingDown) => self.fail(Dropped::ShuttingDown),
            Err(error) => {
                tracing::error!(source = %self.config.key.source, group = %self.config.key.group, %error,
                    "the events of a persistent subscription cannot be read");
                self.fail(Dropped::Failed(error.to_string().into()));
            }
        }
    }

    fn fail(&mut self, why: Dropped) {
        for consumer in self.outlets.close_all(&why) {
            self.machine.disconnect(consumer);
        }
        self.failure = Some(why);
    }

    fn answer(&mut self, request: Request) {
        let now = Instant::now();
        match request {
            Request::Connect { capacity, about, answer } => {
                // If whoever asked has gone, so has the consumer: that is noticed as any other disconnection.
                let _ = answer.send(self.connect(capacity, about));
            }
            Request::Ack { consumer, ids } => {
                for id in ids {
                    self.machine.acknowledge(consumer, id, now);
                }
            }
            Request::Nack { consumer, ids, action, reason } => {
                for id in ids {
                    self.machine.refuse(consumer, id, action, &reason);
                }
            }
            Request::ReplayParked { stop_at } => self.replay.ask(stop_at, self.journal.parked()),
            Request::Info { answer } => {
                let _ = answer.send(self.info(now));
            }
            Request::Stop { .. } => {}
        }
    }

    fn connect(&mut self, capacity: usize, about: ConsumerAbout) -> Result<Consumer, GroupError> {
        if self.failure == Some(Dropped::ShuttingDown) {
            return Err(GroupError::stopped());
        }
        let max = match self.config.settings.max_subscriber_count as usize {
            0 => MAX_CONSUMERS,
            max => max.min(MAX_CONSUMERS),
        };
        if self.outlets.len() >= max {
            return Err(GroupError::MaximumSubscribers);
        }
        let group = self.sender.upgrade().ok_or_else(GroupError::stopped)?;
        // What could not be read is tried again.
        self.failure = None;
        let capacity = capacity.clamp(1, MAX_IN_FLIGHT);
        let consumer = self.outlets.open(capacity, about, group);
        self.machine.connect(consumer.answers.consumer, capacity);
        Ok(consumer)
    }

    fn disconnect(&mut self, consumer: ConsumerId) {
        self.outlets.close(consumer, Dropped::TooSlow);
        self.machine.disconnect(consumer);
    }

    /// Records the last state, then lets the consumers go.
    async fn stop(mut self, why: Dropped) {
        // Nobody connects or answers any more.
        self.requests.close();
        let recorded = self.journal.finish(&mut self.machine);
        if tokio::time::timeout(STOP_TIME, recorded).await.is_err() {
            tracing::warn!(source = %self.config.key.source, group = %self.config.key.group,
                "the last state of a persistent subscription was not recorded in time; events will come again");
        }
        self.outlets.close_all(&why);
    }
}

/// What a future results in, if there is one.
async fn done<T>(running: &mut Running<T>) -> T {
    match running {
        Some(future) => {
            let result = future.await;
            *running = None;
            result
        }
        None => std::future::pending().await,
    }
}

/// Waits for a moment, if there is one.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
