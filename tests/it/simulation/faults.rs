//! What befalls a process, drawn from the seed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use eventstore_node::StreamAppend;
use fastrand::Rng;
use ledger_streams::simulated::{AppendFault, DeliveryFault, Fate, ReadFault};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::counts::{Counts, Kind};
use super::plan::Plan;

/// Messages of one run, after which something must be going round in circles.
const MESSAGES_MAX: u64 = 300_000;

/// How late an append can come, in milliseconds.
pub(super) const LATE_MS_MAX: u64 = 8_000;

/// What all processes of a run have in common.
pub(super) struct Weather {
    started: Instant,
    began: DateTime<Utc>,
    /// Nothing goes wrong any more.
    calm: AtomicBool,
    /// Until then the store answers nobody.
    away_until: Mutex<Instant>,
    /// Until then no append to this stream comes through, or none with an event of this name.
    cursed: Mutex<Option<(String, Instant)>>,
    messages: AtomicU64,
    pub(super) counts: Counts,
}

impl Weather {
    pub(super) fn new(began: DateTime<Utc>, counts: Counts) -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            started: now,
            began,
            calm: AtomicBool::new(false),
            away_until: Mutex::new(now),
            cursed: Mutex::default(),
            messages: AtomicU64::new(0),
            counts,
        })
    }

    /// The time by a clock that is right.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.began + self.started.elapsed()
    }

    pub(super) fn calm_down(&self) {
        self.calm.store(true, Ordering::Relaxed);
        *self.away_until.lock() = Instant::now();
        *self.cursed.lock() = None;
    }

    pub(super) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    pub(super) fn store_goes_away(&self, time: Duration) {
        self.counts.add(Kind::Outage);
        *self.away_until.lock() = Instant::now() + time;
    }

    pub(super) fn curse(&self, thing: String, time: Duration) {
        *self.cursed.lock() = Some((thing, Instant::now() + time));
    }

    fn is_cursed(&self, batch: &[StreamAppend]) -> bool {
        let cursed = self.cursed.lock();
        let Some((thing, until)) = &*cursed else { return false };
        let is_of_it = |part: &StreamAppend| {
            *part.stream == **thing || part.events.iter().any(|event| event.event_type == *thing)
        };
        *until > Instant::now() && batch.iter().any(is_of_it)
    }

    /// True when more was said than any run needs.
    pub(super) fn is_endless(&self) -> bool {
        self.messages.load(Ordering::Relaxed) > MESSAGES_MAX
    }

    fn away_for(&self) -> Duration {
        self.away_until.lock().saturating_duration_since(Instant::now())
    }
}

/// What befalls one process, in all its lives.
pub(super) struct Luck {
    plan: Arc<Plan>,
    weather: Arc<Weather>,
    lots: Mutex<Rng>,
    /// How far the process's clock is off.
    skew: Mutex<TimeDelta>,
    /// Until then nothing comes to it or from it.
    paused_until: Mutex<Instant>,
}

impl Luck {
    pub(super) fn new(plan: &Arc<Plan>, weather: &Arc<Weather>, process: usize) -> Arc<Self> {
        let mut lots = Rng::with_seed(plan.seed.wrapping_mul(31).wrapping_add(process as u64));
        let skew = TimeDelta::seconds(lots.i64(-120..=120));
        Arc::new(Self {
            plan: Arc::clone(plan),
            weather: Arc::clone(weather),
            lots: Mutex::new(lots),
            skew: Mutex::new(skew),
            paused_until: Mutex::new(Instant::now()),
        })
    }

    pub(super) fn pause(&self, time: Duration) {
        self.weather.counts.add(Kind::Pause);
        *self.paused_until.lock() = Instant::now() + time;
    }

    /// Sets the process's clock back, by as much as there is, or forward, by as much as clocks may differ.
    pub(super) fn set_clock(&self, by: TimeDelta) {
        let kind = if by < TimeDelta::zero() { Kind::ClockBack } else { Kind::ClockForward };
        self.weather.counts.add(kind);
        let mut skew = self.skew.lock();
        *skew = (*skew + by).min(TimeDelta::minutes(4));
    }

    /// Sets the clock to where it was when the run began.
    pub(super) fn begin_again(&self) {
        self.weather.counts.add(Kind::ClockBack);
        *self.skew.lock() = self.weather.began - self.weather.now();
    }

    fn paused_for(&self) -> Duration {
        self.paused_until.lock().saturating_duration_since(Instant::now())
    }

    fn count<T>(&self, kind: Kind, fault: T) -> T {
        self.weather.counts.add(kind);
        fault
    }
}

/// Draws one of several things that happen so often in a thousand, each.
fn draw<const N: usize>(lots: &mut Rng, rates: [u32; N]) -> Option<usize> {
    let mut lot = lots.u32(0..1_000);
    for (index, rate) in rates.into_iter().enumerate() {
        if lot < rate {
            return Some(index);
        }
        lot -= rate;
    }
    None
}

fn millis(lots: &mut Rng, max: u64) -> Duration {
    Duration::from_millis(lots.u64(1..=max))
}

impl Fate for Luck {
    fn now(&self) -> DateTime<Utc> {
        let step = self.plan.clock_step.as_millis() as i64;
        let now = (self.weather.now() + *self.skew.lock()).timestamp_millis();
        DateTime::from_timestamp_millis(now - now.rem_euclid(step)).unwrap()
    }

    fn random(&self) -> u128 {
        self.lots.lock().u128(..)
    }

    fn latency(&self) -> Duration {
        if self.weather.messages.fetch_add(1, Ordering::Relaxed) > MESSAGES_MAX {
            // Nothing of this run is of interest any more.
            return Duration::from_secs(86_400 * 365);
        }
        if self.weather.is_calm() {
            return Duration::ZERO;
        }
        let longest = u64::try_from(self.plan.latency_max.as_millis()).unwrap_or(0);
        Duration::from_millis(self.lots.lock().u64(0..=longest)).max(self.paused_for())
    }

    fn append(&self, batch: &[StreamAppend]) -> AppendFault {
        if self.weather.is_calm() {
            return AppendFault::None;
        }
        if !self.weather.away_for().is_zero() {
            return self.count(Kind::AppendFails, AppendFault::Fails);
        }
        if self.weather.is_cursed(batch) {
            return self.count(Kind::Contended, AppendFault::Contended);
        }
        let rates = &self.plan.rates;
        let mut lots = self.lots.lock();
        let crash = rates.append_crash / 2;
        let drawn = [rates.append_fails, rates.reply_lost, rates.late, rates.twice, crash, crash];
        match draw(&mut lots, drawn) {
            Some(0) => self.count(Kind::AppendFails, AppendFault::Fails),
            Some(1) => self.count(Kind::AppendReplyLost, AppendFault::ReplyLost),
            Some(2) => self.count(Kind::AppendLate, AppendFault::Late(millis(&mut lots, LATE_MS_MAX))),
            Some(3) => self.count(Kind::AppendSentTwice, AppendFault::Twice(millis(&mut lots, 2_000))),
            Some(4) => self.count(Kind::CrashBeforeAppend, AppendFault::CrashBefore),
            Some(_) => self.count(Kind::CrashAfterAppend, AppendFault::CrashAfter),
            None => AppendFault::None,
        }
    }

    fn read(&self) -> ReadFault {
        if self.weather.is_calm() {
            return ReadFault::None;
        }
        if !self.weather.away_for().is_zero() {
            return self.count(Kind::ReadFails, ReadFault::Fails);
        }
        let rates = &self.plan.rates;
        match draw(&mut self.lots.lock(), [rates.read_fails, rates.read_crash]) {
            Some(0) => self.count(Kind::ReadFails, ReadFault::Fails),
            Some(_) => self.count(Kind::CrashAtRead, ReadFault::Crash),
            None => ReadFault::None,
        }
    }

    fn delivery(&self) -> DeliveryFault {
        if self.weather.is_calm() {
            return DeliveryFault::AtMost(usize::MAX);
        }
        let away = self.weather.away_for();
        if !away.is_zero() {
            return self.count(Kind::DeliveryDelayed, DeliveryFault::Delayed(away));
        }
        let rates = &self.plan.rates;
        let mut lots = self.lots.lock();
        let drawn = [rates.delayed, rates.again, rates.subscription_fails, rates.read_crash];
        match draw(&mut lots, drawn) {
            Some(0) => self.count(Kind::DeliveryDelayed, DeliveryFault::Delayed(millis(&mut lots, 3_000))),
            Some(1) => self.count(Kind::DeliveredAgain, DeliveryFault::Again(lots.usize(1..40))),
            Some(2) => self.count(Kind::SubscriptionFails, DeliveryFault::Fails),
            Some(_) => self.count(Kind::CrashAtRead, DeliveryFault::Crash),
            None => DeliveryFault::AtMost(lots.choice([1, 3, 20, 500]).unwrap_or(1)),
        }
    }

    fn lost_a_race(&self, stream: &str) {
        if self.plan.processes < 2 {
            return;
        }
        if stream.starts_with("account-") {
            self.weather.counts.add(Kind::RaceForAccount);
        } else if stream.starts_with("transfer-") {
            self.weather.counts.add(Kind::RaceForTransfer);
        }
    }

    fn repeated_itself(&self) {
        self.weather.counts.add(Kind::Repetition);
    }
}
