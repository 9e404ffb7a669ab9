//! One run: a log, processes on it that crash and come back, clients that ask, and in the end silence.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use command_api::process_manager;
use eventstore_node::RecordedEvent;
use fastrand::Rng;
use ledger_core::AccountId;
use ledger_streams::simulated::{Simulated, SimulatedLog};
use ledger_streams::{Ledger, LedgerOptions};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::auditor::{self, Asked, Event, Violations};
use super::clients::Client;
use super::counts::{Counts, Kind};
use super::faults::{LATE_MS_MAX, Luck, Weather};
use super::plan::Plan;

/// How long a run may take by its own clock; most are over within a minute.
const RUN_TIME_MAX: Duration = Duration::from_secs(12 * 3_600);
/// How long every transfer may take to end once nothing goes wrong any more.
const REST_TIME_MAX: Duration = Duration::from_secs(30 * 60);
/// Blows to processes as a whole in one run.
const BLOWS_MAX: usize = 25;
/// Events that a curse may keep out of the log.
const CURSED: &[&str] = &[
    "AccountDebited",
    "AccountCredited",
    "CreditRefused",
    "DebitReversed",
    "TransferCompleted",
    "TransferFailed",
    "TransferRejected",
];
/// How long a process may take to stop when it is asked to.
const STOP_TIME_MAX: Duration = Duration::from_secs(10);

/// What a run left behind.
pub(super) struct Outcome {
    pub(super) plan: Plan,
    pub(super) log: SimulatedLog,
    pub(super) events: Vec<Event>,
    pub(super) asked: Vec<Asked>,
    pub(super) violations: Violations,
    pub(super) counts: Counts,
}

/// What everybody in a run shares.
pub(super) struct World {
    pub(super) plan: Arc<Plan>,
    pub(super) log: SimulatedLog,
    pub(super) weather: Arc<Weather>,
    pub(super) processes: Vec<Process>,
    /// Accounts whose opening was acknowledged.
    pub(super) accounts: Mutex<Vec<AccountId>>,
    pub(super) asked: Mutex<Vec<Asked>>,
    pub(super) violations: Mutex<Violations>,
}

/// A place where a process runs, again and again.
pub(super) struct Process {
    luck: Arc<Luck>,
    alive: watch::Sender<Option<Life>>,
}

/// A process that runs.
#[derive(Clone)]
pub(super) struct Life {
    pub(super) ledger: Ledger,
    pub(super) connection: Simulated,
    stop: CancellationToken,
}

/// Runs a seed to its end, on this thread, by a clock of its own.
pub(super) fn run(seed: u64) -> Outcome {
    // The jitter of retries.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(live(Plan::of(seed)))
}

async fn live(plan: Plan) -> Outcome {
    let plan = Arc::new(plan);
    // Shortly before a month ends where the bank is.
    let began = DateTime::parse_from_rfc3339("2026-03-31T21:59:50Z").unwrap().with_timezone(&Utc);
    let weather = Weather::new(began, Counts::default());
    let clock = Arc::clone(&weather);
    let processes = (0..plan.processes).map(|process| Process {
        luck: Luck::new(&plan, &weather, process),
        alive: watch::Sender::new(None),
    });
    let world = Arc::new(World {
        log: SimulatedLog::new(plan.is_atomic, plan.stride, move || clock.now()),
        processes: processes.collect(),
        weather,
        accounts: Mutex::default(),
        asked: Mutex::default(),
        violations: Mutex::default(),
        plan,
    });
    if timeout(RUN_TIME_MAX, world.go_through()).await.is_err() {
        world.accuse("the run never ends");
    }
    let events = world.log.read(auditor::read);
    let asked = world.asked.lock().clone();
    let mut violations = std::mem::take(&mut *world.violations.lock());
    auditor::audit(&events, &asked, &mut violations);
    auditor::count(&events, &world.weather.counts);
    world.log.read(|events| auditor::count_bookkeeping(events, &world.weather.counts));
    Outcome {
        plan: (*world.plan).clone(),
        log: world.log.clone(),
        events,
        asked,
        violations,
        counts: world.weather.counts.clone(),
    }
}

impl World {
    async fn go_through(self: &Arc<Self>) {
        let over = CancellationToken::new();
        let mut supervisors = JoinSet::new();
        for index in 0..self.processes.len() {
            let (world, over) = (Arc::clone(self), over.clone());
            supervisors.spawn(async move { world.supervise(index, &over).await });
        }
        let blows = tokio::spawn({
            let world = Arc::clone(self);
            async move { world.deal_blows().await }
        });
        let operator = tokio::spawn({
            let mut operator = Client::new(self, self.plan.clients + 2);
            async move { operator.attend_always().await }
        });
        let mut clients = JoinSet::new();
        for number in 0..self.plan.clients {
            let client = Client::new(self, number);
            clients.spawn(async move { client.live().await });
        }
        while let Some(ended) = clients.join_next().await {
            if let Err(error) = ended {
                self.accuse(&format!("a client broke down: {error}"));
            }
        }
        sleep(self.plan.aftermath).await;
        blows.abort();
        operator.abort();
        self.weather.calm_down();
        // What was sent late has come in by then.
        sleep(Duration::from_millis(LATE_MS_MAX)).await;
        self.come_to_rest().await;
        Client::new(self, self.plan.clients).ask_everything_again().await;
        // What was repeated is at rest, too.
        self.come_to_rest().await;
        over.cancel();
        while let Some(ended) = supervisors.join_next().await {
            if let Err(error) = ended {
                self.accuse(&format!("a supervisor broke down: {error}"));
            }
        }
    }

    pub(super) fn accuse(&self, what: &str) {
        self.violations.lock().push(what.to_owned());
    }

    /// Waits until every transfer has ended.
    async fn come_to_rest(self: &Arc<Self>) {
        let rest = async {
            let mut operator = Client::new(self, self.plan.clients + 1);
            while self.log.read(auditor::open_transfers) > 0 {
                operator.attend_to_parked().await;
                if self.weather.is_endless() {
                    return false;
                }
                sleep(Duration::from_millis(500)).await;
            }
            true
        };
        if !timeout(REST_TIME_MAX, rest).await.unwrap_or(false) {
            self.accuse("not every transfer ends");
        }
    }

    /// Runs a process until the run is over: each time it ends, it comes back, with nothing but the log.
    async fn supervise(&self, index: usize, over: &CancellationToken) {
        let Some(process) = self.processes.get(index) else { return };
        let mut lots = Rng::with_seed(self.plan.seed.rotate_left(17) ^ index as u64);
        while !over.is_cancelled() {
            let connection = self.log.connect(process.luck.clone());
            let crashed = connection.crashed().clone();
            tokio::select! {
                biased;
                () = crashed.cancelled() => {}
                () = self.live_through(process, &connection, over) => {}
            }
            process.alive.send_replace(None);
            if !over.is_cancelled() {
                self.log.read(|events| auditor::count_gaps(events, &self.weather.counts));
            }
            connection.crash();
            sleep(Duration::from_millis(lots.u64(1..4_000))).await;
            if lots.u8(0..4) == 0 && !self.weather.is_calm() {
                self.put_back_checkpoints(&mut lots);
            }
        }
    }

    /// A life of a process that no crash ends.
    async fn live_through(&self, process: &Process, connection: &Simulated, over: &CancellationToken) {
        let worker = self.plan.workers_given.then(|| self.number(process));
        let options = LedgerOptions { worker, snapshot_every_events: self.plan.snapshot_every_events };
        let ledger = loop {
            match Ledger::open(connection.clone().into(), &options).await {
                Ok(ledger) => break ledger,
                Err(error) if error.is_transient() => sleep(Duration::from_millis(300)).await,
                Err(error) => return self.accuse(&format!("the ledger does not open: {error}")),
            }
        };
        if self.processes.iter().any(|process| process.alive.borrow().is_some()) {
            self.weather.counts.add(Kind::TwoManagers);
        }
        let stop = CancellationToken::new();
        let manager = process_manager::run(ledger.clone(), || (), stop.clone());
        let life = Life { ledger, connection: connection.clone(), stop: stop.clone() };
        process.alive.send_replace(Some(life));
        let manager = Box::pin(manager);
        let watched = async {
            if let Err(error) = manager.await
                && !error.is_transient()
            {
                self.accuse(&format!("a process manager gives up: {error}"));
            }
        };
        let stopped = async {
            tokio::select! {
                biased;
                () = over.cancelled() => stop.cancel(),
                () = stop.cancelled() => {}
            }
            sleep(STOP_TIME_MAX).await;
        };
        tokio::select! {
            biased;
            () = watched => {}
            () = stopped => {}
        }
    }

    fn number(&self, process: &Process) -> u16 {
        let found = self.processes.iter().position(|other| std::ptr::eq(other, process));
        found.and_then(|index| u16::try_from(index).ok()).unwrap_or(0)
    }

    /// Crashes, pauses, stops and misleads processes, and takes the store away.
    async fn deal_blows(&self) {
        let mut lots = Rng::with_seed(self.plan.seed ^ 0xb10e5);
        let longest = u64::try_from(self.plan.blows_every_max.as_millis()).unwrap_or(1);
        for _ in 0..BLOWS_MAX {
            sleep(Duration::from_millis(lots.u64(1..=longest))).await;
            let Some(process) = lots.choice(&self.processes) else { return };
            let life = process.alive.borrow().clone();
            match lots.u8(0..12) {
                0 | 1 => {
                    if let Some(life) = life {
                        self.weather.counts.add(Kind::CrashAtAnyTime);
                        life.connection.crash();
                    }
                }
                2 => {
                    if let Some(life) = life {
                        self.weather.counts.add(Kind::Stop);
                        life.stop.cancel();
                    }
                }
                3 | 4 => process.luck.pause(Duration::from_millis(lots.u64(100..8_000))),
                5 => self.weather.store_goes_away(Duration::from_millis(lots.u64(100..3_000))),
                6 => process.luck.set_clock(match lots.u8(0..3) {
                    0 => TimeDelta::milliseconds(-lots.i64(1..3_000)),
                    1 => TimeDelta::minutes(-lots.i64(1..180)),
                    _ => TimeDelta::seconds(lots.i64(1..120)),
                }),
                7 => process.luck.begin_again(),
                8..11 => self.curse(&mut lots),
                _ => {}
            }
        }
    }

    /// For a while nothing can be written to one account, or nothing of one kind.
    fn curse(&self, lots: &mut Rng) {
        let accounts = self.accounts.lock().clone();
        let thing = match lots.choice(&accounts) {
            Some(id) if lots.u8(0..3) == 0 => format!("account-{id}"),
            _ => lots.choice(CURSED).unwrap_or(&"").to_string(),
        };
        self.weather.curse(thing, Duration::from_secs(lots.u64(5..90)));
    }

    /// Every subscriber finds an older place than it left, as from a copy of yesterday.
    fn put_back_checkpoints(&self, lots: &mut Rng) {
        let is_saved = |event: &&RecordedEvent| event.stream.starts_with("$checkpoint-");
        let saved: Vec<_> = self.log.read(|events| events.iter().filter(is_saved).cloned().collect());
        let Some(one) = lots.choice(&saved) else { return };
        self.weather.counts.add(Kind::OldCheckpoint);
        self.log.put(&one.stream, "$checkpoint", one.data.to_vec());
    }

    /// A process that is alive; waits for one.
    pub(super) async fn somebody(&self, lots: &mut Rng) -> Life {
        loop {
            if let Some(process) = lots.choice(&self.processes)
                && let Some(life) = process.alive.borrow().clone()
            {
                return life;
            }
            sleep(Duration::from_millis(40)).await;
        }
    }
}
