//! The read models of simulated logs, in a real Postgres, written by projectors that crash, repeat themselves, come in twos, and are
//! given old checkpoints. By the clock on the wall: sockets know no other.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use eventstore_node::StreamAppend;
use fastrand::Rng;
use ledger_streams::simulated::{AppendFault, DeliveryFault, Fate, ReadFault, SimulatedLog};
use ledger_streams::{Batch, EventStore, Subscription};
use parking_lot::Mutex;
use projector::checkpoint::{self, Place};
use projector::partition::Placement;
use projector::projections::{self, Events};
use projector::{ApplyError, ProjectorError, ProjectorOptions, runner, session};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio_util::sync::CancellationToken;

use super::auditor::Books;
use super::counts::{Counts, Kind};
use super::read_models::differences;
use super::world::Outcome;

/// How long a projector may take for a log.
const TIME_MAX: Duration = Duration::from_secs(60);

/// How long it may take one that cannot come to the end.
const STALL_TIME_MAX: Duration = Duration::from_secs(5);

type Ended = Result<(), ProjectorError>;

/// A database and what is used to look into it.
pub(super) struct Database {
    url: String,
    pub(super) db: PgConnection,
}

impl Database {
    pub(super) async fn open(url: String) -> Self {
        let db = session::connect(&url).await.unwrap();
        Self { url, db }
    }

    /// As if nothing had ever been projected.
    async fn clear(&mut self) {
        let tables = projections::all().into_iter().flat_map(|projection| projection.tables);
        let mut all: String = tables.map(|table| format!("delete from {table};")).collect();
        all += "delete from checkpoints;";
        self.db.execute(AssertSqlSafe(all)).await.unwrap();
    }

    /// Where the projection is that has come least far.
    async fn place(&mut self) -> Place {
        // A database of an earlier version has none for partitions until the projector has migrated it.
        let checkpoints = checkpoint::load(&mut self.db, &projections::all_parts()).await.unwrap_or_default();
        let places = checkpoints.into_iter().map(|checkpoint| checkpoint.place);
        places.min_by_key(|place| place.position).unwrap_or_default()
    }

    /// Projects a log step by step with everything that can go wrong between two steps, and holds the tables against the books on the way.
    pub(super) async fn project(&mut self, outcome: &Outcome, counts: &Counts) -> Vec<String> {
        self.clear().await;
        let mut lots = Rng::with_seed(outcome.plan.seed ^ 0x90573);
        let store: EventStore = outcome.log.connect(Arc::new(Reader::new(&mut lots, 0))).into();
        let head = store.head().await.unwrap();
        let mut projectors = [Projector::new(self, &store).await, Projector::new(self, &store).await];
        let mut faults = Vec::new();
        loop {
            let place = self.place().await;
            if place.position >= head || !faults.is_empty() {
                break;
            }
            if lots.u8(0..6) == 0 {
                let known = outcome.events.partition_point(|event| event.position <= place.position);
                faults.extend(differences(&mut self.db, &Books::of(&outcome.events[..known])).await);
            }
            let index = lots.usize(..2);
            if let Err(fault) = projectors[index].step(self, &store, &mut lots, counts).await {
                faults.push(fault);
            }
            if lots.u8(0..30) == 0 {
                counts.add(Kind::ProjectorBehind);
                projectors[index].go_back(&store, &mut lots);
            }
        }
        faults.extend(differences(&mut self.db, &Books::of(&outcome.events)).await);
        faults
    }

    /// Lets the whole projector run: over a store that delivers many events again, until it gives up; two at a time, until they are killed;
    /// and in the end undisturbed.
    pub(super) async fn run_projectors(&mut self, outcome: &Outcome, counts: &Counts) -> Vec<String> {
        if self.repeat(outcome).await {
            counts.add(Kind::ProjectorGaveUp);
        }
        let mut lots = Rng::with_seed(outcome.plan.seed ^ 0xc0ffee);
        for _ in 0..3 {
            let two = (self.projector(outcome, &mut lots, 0), self.projector(outcome, &mut lots, 20));
            let polls = lots.usize(5..200);
            if poll_at_most(self.until_the_end(outcome, two), polls).await.is_none() {
                counts.add(Kind::ProjectorKilled);
            }
        }
        let two = (self.projector(outcome, &mut lots, 0), self.projector(outcome, &mut lots, 0));
        if tokio::time::timeout(TIME_MAX, self.until_the_end(outcome, two)).await != Ok(true) {
            return vec!["the projectors never come to the end".to_owned()];
        }
        differences(&mut self.db, &Books::of(&outcome.events)).await
    }

    /// Projects the first of a log's events, at least up to a position, undisturbed.
    pub(super) async fn project_up_to(&mut self, outcome: &Outcome, position: u64) {
        self.clear().await;
        let store: EventStore = outcome.log.connect(Arc::new(Reader::new(&mut Rng::with_seed(0), 0))).into();
        let Projector { mut db, mut place, mut subscription, .. } = Projector::new(self, &store).await;
        while place.position < position {
            let batch = subscription.next(40).await.unwrap();
            let recorded_at = batch.events.last().map(|event| event.recorded_at).or(place.recorded_at);
            let to = Place { position: batch.position, recorded_at };
            apply(&mut db, &batch, place.position, to).await.unwrap();
            place = to;
        }
    }

    /// What differs after a projector has gone on from whatever is there, undisturbed.
    pub(super) async fn differences_when_caught_up(&mut self, outcome: &Outcome) -> Vec<String> {
        let one = (self.projector(outcome, &mut Rng::with_seed(0), 0), std::future::pending());
        if tokio::time::timeout(TIME_MAX, self.until_the_end(outcome, one)).await != Ok(true) {
            return vec!["the projector does not come to the end".to_owned()];
        }
        differences(&mut self.db, &Books::of(&outcome.events)).await
    }

    /// How a projector ends that takes the database for the first of two.
    pub(super) async fn taken_for_the_first_of_two(&self, outcome: &Outcome) -> Ended {
        let store: EventStore = outcome.log.connect(Arc::new(Reader::new(&mut Rng::with_seed(0), 0))).into();
        let placement = Placement::among(2).next().unwrap();
        let options = ProjectorOptions { placement, ..ProjectorOptions::default() };
        let run = projector::run(&self.url, store, options, CancellationToken::new());
        tokio::time::timeout(TIME_MAX, run).await.unwrap()
    }

    /// What differs after a projector has run over a store that delivers many events again.
    pub(super) async fn differences_after_repetition(&mut self, outcome: &Outcome) -> Vec<String> {
        if self.repeat(outcome).await {
            return vec![];
        }
        differences(&mut self.db, &Books::of(&outcome.events)).await
    }

    /// Lets a projector run over a store that delivers many events again. True when it gives up, as it should.
    async fn repeat(&mut self, outcome: &Outcome) -> bool {
        self.clear().await;
        let mut lots = Rng::with_seed(outcome.plan.seed);
        let one = (self.projector(outcome, &mut lots, 300), std::future::pending());
        let end = tokio::time::timeout(STALL_TIME_MAX, self.until_the_end(outcome, one)).await;
        end == Ok(false)
    }

    /// Lets two projectors run until the read models have come to the end of the log, or until one of them gives up.
    async fn until_the_end(
        &mut self,
        outcome: &Outcome,
        projectors: (impl Future<Output = Ended>, impl Future<Output = Ended>),
    ) -> bool {
        let head = last_of(&outcome.log).await;
        let reached = async {
            while self.place().await.position < head {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::select! {
            biased;
            _ = projectors.0 => false,
            _ = projectors.1 => false,
            () = reached => true,
        }
    }

    fn projector(
        &self,
        outcome: &Outcome,
        lots: &mut Rng,
        again: u32,
    ) -> impl Future<Output = Ended> + use<> {
        let store: EventStore = outcome.log.connect(Arc::new(Reader::new(lots, again))).into();
        let options = ProjectorOptions {
            time_zone: Tz::Europe__Prague,
            batch_events_max: lots.usize(1..80),
            ..ProjectorOptions::default()
        };
        let url = self.url.clone();
        Box::pin(async move { projector::run(&url, store, options, CancellationToken::new()).await })
    }
}

async fn last_of(log: &SimulatedLog) -> u64 {
    let store: EventStore = log.connect(Arc::new(Reader::new(&mut Rng::with_seed(0), 0))).into();
    store.head().await.unwrap()
}

/// What a projector keeps in mind between two transactions.
struct Projector {
    db: PgConnection,
    place: Place,
    subscription: Subscription,
    /// Places it has been at.
    been_at: Vec<Place>,
}

impl Projector {
    /// As a session begins: a connection, the checkpoints, and the events after them.
    async fn new(database: &mut Database, store: &EventStore) -> Self {
        let db = session::connect(&database.url).await.unwrap();
        let place = database.place().await;
        Self { db, place, subscription: subscribe(store, place), been_at: vec![place] }
    }

    /// A transaction, and sometimes an end to it.
    async fn step(
        &mut self,
        database: &mut Database,
        store: &EventStore,
        lots: &mut Rng,
        counts: &Counts,
    ) -> Result<(), String> {
        let next = self.subscription.next(lots.choice([1, 4, 40, 400]).unwrap_or(1));
        let Ok(batch) = tokio::time::timeout(Duration::from_millis(20), next).await else {
            // At the log's end, which the other one has not come to.
            self.begin_again(database, store).await;
            return Ok(());
        };
        let batch = batch.map_err(|error| error.to_string())?;
        let recorded_at = batch.events.last().map(|event| event.recorded_at).or(self.place.recorded_at);
        let to = Place { position: batch.position, recorded_at };
        let is_crash = lots.u8(0..6) == 0;
        if is_crash {
            let polls = lots.usize(1..24);
            let outcome = poll_at_most(apply(&mut self.db, &batch, self.place.position, to), polls).await;
            // What it held goes with its connection.
            self.db = session::connect(&database.url).await.unwrap();
            self.begin_again(database, store).await;
            if outcome.is_none() {
                let written = self.place.position >= to.position;
                counts.add(if written {
                    Kind::ProjectorCrashAfterCommit
                } else {
                    Kind::ProjectorCrashBeforeCommit
                });
            }
            return Ok(());
        }
        match apply(&mut self.db, &batch, self.place.position, to).await {
            Ok(()) => {
                let from = std::mem::replace(&mut self.place, to);
                self.been_at.push(to);
                if lots.u8(0..5) == 0 {
                    counts.add(Kind::BatchAppliedAgain);
                    if apply(&mut self.db, &batch, from.position, to).await.is_ok() {
                        return Err("a batch was applied twice".to_owned());
                    }
                }
                Ok(())
            }
            // Whatever it was refused for: it was not at its turn.
            Err(_) if database.place().await.position != self.place.position => {
                counts.add(Kind::TwoProjectors);
                self.begin_again(database, store).await;
                Ok(())
            }
            Err(error) => Err(format!("a batch cannot be applied: {error}")),
        }
    }

    async fn begin_again(&mut self, database: &mut Database, store: &EventStore) {
        self.place = database.place().await;
        self.subscription = subscribe(store, self.place);
    }

    /// Believes to be where it was before.
    fn go_back(&mut self, store: &EventStore, lots: &mut Rng) {
        if let Some(place) = lots.choice(&self.been_at) {
            self.place = *place;
            self.subscription = subscribe(store, self.place);
        }
    }
}

fn subscribe(store: &EventStore, place: Place) -> Subscription {
    store.subscribe((place.position > 0).then_some(place.position))
}

async fn apply(db: &mut PgConnection, batch: &Batch, from: u64, to: Place) -> Result<(), ApplyError> {
    let events = Events::new(&batch.events, Tz::Europe__Prague);
    let applied = runner::apply_batch(db, &projections::all_parts(), &events, from, to).await;
    if applied.is_err() {
        // What it had begun is taken back with the connection's next word, and locks rows until then.
        db.ping().await?;
    }
    applied
}

/// Polls so often and then lets go, wherever that is.
async fn poll_at_most<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// Reads a log that nobody writes to any more, in batches of any size.
struct Reader {
    lots: Mutex<Rng>,
    /// How often it is delivered some events again, in a thousand.
    again: u32,
}

impl Reader {
    fn new(lots: &mut Rng, again: u32) -> Self {
        Self { lots: Mutex::new(lots.fork()), again }
    }
}

impl Fate for Reader {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn random(&self) -> u128 {
        self.lots.lock().u128(..)
    }

    fn latency(&self) -> Duration {
        Duration::ZERO
    }

    fn append(&self, _: &[StreamAppend]) -> AppendFault {
        AppendFault::Fails
    }

    fn read(&self) -> ReadFault {
        ReadFault::None
    }

    fn delivery(&self) -> DeliveryFault {
        let mut lots = self.lots.lock();
        if lots.u32(0..1_000) < self.again {
            return DeliveryFault::Again(lots.usize(1..10));
        }
        DeliveryFault::AtMost(lots.choice([1, 5, 50, 500]).unwrap_or(1))
    }

    fn lost_a_race(&self, _: &str) {}

    fn repeated_itself(&self) {}
}
