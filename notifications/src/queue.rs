//! What one webhook still has to be told, and when: no clock, no I/O.
//!
//! Each account has a lane, and at most the first of a lane is under way, so that an account's notifications arrive in order. What failed
//! waits in its lane, longer each time, and holds up its lane alone. When several in a row failed, whichever lanes they were of, the
//! endpoint is taken for down and tried with one post at a time, until one succeeds (`health.rs`).

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::ExponentialBackoff;
use chrono::{DateTime, TimeDelta, Utc};
use ledger_core::{AccountId, Position};

use crate::health::{Health, Retry};
use crate::notification::Notification;
use crate::{QUEUE_DOWN_MAX, QUEUE_DOWN_TIGHT_MAX, QUEUE_MAX, QUEUE_TIGHT_MAX, RETRY_AFTER_MAX};

/// What one webhook still has to be told.
#[derive(Debug)]
pub(crate) struct Queue {
    retry: Retry,
    lanes: HashMap<AccountId, Lane>,
    /// Lanes whose first may be posted now.
    ready: VecDeque<AccountId>,
    /// Lanes whose first waits after a failure.
    later: BTreeSet<(Instant, AccountId)>,
    /// Everything not delivered, by position.
    outstanding: BTreeMap<Position, AccountId>,
    in_flight: usize,
    health: Health,
    /// The notification that could not be delivered before it was read again, here or by an earlier process, and since when.
    inherited: Option<(Position, DateTime<Utc>)>,
}

#[derive(Debug)]
struct Lane {
    waiting: VecDeque<Arc<Notification>>,
    in_flight: bool,
    /// True when what is under way was taken out of the queue meanwhile.
    forgotten: bool,
    /// How often the first failed.
    failures: u32,
    backoff: Option<ExponentialBackoff>,
    failing_since: Option<DateTime<Utc>>,
    /// Until when the endpoint asked to be left alone with the first.
    asked_until: Option<Instant>,
}

/// Something to post now.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) notification: Arc<Notification>,
    /// 1 for the first attempt of this process.
    pub(crate) attempt: u32,
}

impl Lane {
    /// What comes first now has not failed yet.
    fn has_not_failed(&mut self) {
        (self.failures, self.backoff, self.failing_since, self.asked_until) = (0, None, None, None);
    }
}

impl Queue {
    pub(crate) fn new(retry: Retry, inherited: Option<(Position, DateTime<Utc>)>) -> Self {
        Self {
            retry,
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            later: BTreeSet::new(),
            outstanding: BTreeMap::new(),
            in_flight: 0,
            health: Health::new(),
            inherited,
        }
    }

    /// How many are not delivered.
    pub(crate) fn len(&self) -> usize {
        self.outstanding.len()
    }

    /// False when there is nothing in it but the one that is tried: what comes of that must count, or it would be tried for ever.
    pub(crate) fn may_be_forgotten(&self) -> bool {
        self.len() > usize::from(self.in_flight > 0)
    }

    /// How many more it takes: little while nothing gets through, or while memory for all is `tight`.
    pub(crate) fn room(&self, tight: bool) -> usize {
        self.capacity(tight).saturating_sub(self.len())
    }

    /// True when at least half of it is free.
    pub(crate) fn wants_more(&self, tight: bool) -> bool {
        self.room(tight) > self.capacity(tight) / 2
    }

    const fn capacity(&self, tight: bool) -> usize {
        match (self.is_down(), tight) {
            (true, true) => QUEUE_DOWN_TIGHT_MAX,
            (true, false) => QUEUE_DOWN_MAX,
            (false, true) => QUEUE_TIGHT_MAX,
            (false, false) => QUEUE_MAX,
        }
    }

    /// True while nothing gets through.
    pub(crate) const fn is_down(&self) -> bool {
        self.health.is_down()
    }

    /// Position of the oldest that is not delivered.
    pub(crate) fn oldest(&self) -> Option<Position> {
        self.outstanding.first_key_value().map(|(position, _)| *position)
    }

    /// Since when the lane that failed first has been failing.
    pub(crate) fn failing_since(&self) -> Option<DateTime<Utc>> {
        self.failing_first().map(|(_, since)| since)
    }

    /// What has been failing for the longest time, and since when.
    fn failing_first(&self) -> Option<(Position, DateTime<Utc>)> {
        let own = self
            .lanes
            .values()
            .filter_map(|lane| Some((lane.waiting.front()?.position, lane.failing_since?)));
        own.chain(self.inherited).min_by_key(|(_, since)| *since)
    }

    /// Takes one up. They come in the order of the log.
    pub(crate) fn push(&mut self, notification: Arc<Notification>) {
        let account = notification.account;
        // What failed was not among what is read again: it was told meanwhile, or nobody wants it any more.
        self.inherited = self.inherited.filter(|(failing, _)| {
            notification.position <= *failing || self.outstanding.contains_key(failing)
        });
        self.outstanding.insert(notification.position, account);
        match self.lanes.entry(account) {
            Entry::Occupied(mut lane) => {
                let lane = lane.get_mut();
                lane.waiting.push_back(notification);
                if lane.waiting.len() == 1 && !lane.in_flight {
                    self.ready.push_back(account);
                }
            }
            Entry::Vacant(place) => {
                place.insert(Lane {
                    waiting: VecDeque::from([notification]),
                    in_flight: false,
                    forgotten: false,
                    failures: 0,
                    backoff: None,
                    failing_since: None,
                    asked_until: None,
                });
                self.ready.push_back(account);
            }
        }
    }

    /// The next to post, from now on under way.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Due> {
        while let Some((due, account)) = self.later.first().copied()
            && due <= now
        {
            self.later.pop_first();
            self.ready.push_back(account);
        }
        let rests = self.health.resumes_at().is_some_and(|resume| resume > now);
        if rests || self.in_flight >= self.health.window() {
            return None;
        }
        let account = self.ready.pop_front().or_else(|| self.pop_to_try(now))?;
        let lane = self.lanes.get_mut(&account)?;
        let notification = Arc::clone(lane.waiting.front()?);
        lane.in_flight = true;
        self.in_flight += 1;
        Some(Due { notification, attempt: lane.failures.saturating_add(1) })
    }

    /// While nothing gets through, what waits after a failure need not wait for its own time, which may be an hour off: any will do to try.
    fn pop_to_try(&mut self, now: Instant) -> Option<AccountId> {
        let first = self.later.iter().find(|waits| self.is_down() && self.not_before(waits) <= Some(now));
        let first = first.copied()?;
        self.later.remove(&first);
        Some(first.1)
    }

    /// When what waits may be tried at the earliest, if there is nothing else to try.
    fn not_before(&self, (_, account): &(Instant, AccountId)) -> Option<Instant> {
        self.lanes.get(account)?.asked_until
    }

    /// When there is something to post, once [`Self::next`] has nothing: unless a post has to end before.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        if self.in_flight >= self.health.window() {
            return None;
        }
        let resume = self.health.resumes_at();
        if self.ready.is_empty() {
            let (due, _) = self.later.first()?;
            let Some(resume) = resume else { return Some(*due) };
            let may = self.later.iter().map(|waits| self.not_before(waits)).min()?;
            return Some(may.map_or(resume, |may| resume.max(may)));
        }
        resume
    }

    /// The first of a lane arrived.
    pub(crate) fn delivered(&mut self, account: AccountId, slow: bool) {
        if self.health.succeeded(slow) {
            // What waited because nothing got through need not wait longer.
            self.ready.extend(std::mem::take(&mut self.later).into_iter().map(|(_, account)| account));
        }
        let Some(lane) = self.end(account) else { return };
        if let Some(notification) = lane.waiting.pop_front() {
            lane.has_not_failed();
            let position = notification.position;
            self.outstanding.remove(&position);
            // What failed is told, or nothing came of it: all from there to here was read.
            let oldest = self.oldest();
            self.inherited = self.inherited.filter(|(failing, _)| {
                *failing > position || oldest.is_some_and(|oldest| oldest <= *failing)
            });
        }
        self.go_on(account);
    }

    /// The first of a lane did not arrive. Returns for how long it has not.
    pub(crate) fn failed(
        &mut self,
        account: AccountId,
        retry_after: Option<Duration>,
        now: Instant,
        at: DateTime<Utc>,
    ) -> TimeDelta {
        let retry = self.retry;
        if self.end(account).is_none() {
            self.health.failed_for_nobody(retry, now);
            return TimeDelta::zero();
        }
        self.health.failed(retry, now);
        let inherited = self.inherited;
        let Some(lane) = self.lanes.get_mut(&account) else { return TimeDelta::zero() };
        let Some(first) = lane.waiting.front() else { return TimeDelta::zero() };
        let since = *lane.failing_since.get_or_insert_with(|| match inherited {
            Some((position, since)) if position == first.position => since,
            _ => at,
        });
        lane.failures = lane.failures.saturating_add(1);
        let pause = lane.backoff.get_or_insert_with(|| retry.backoff()).next().unwrap_or(retry.max);
        let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
        lane.asked_until = (!asked.is_zero()).then(|| now + asked);
        self.later.insert((now + pause.max(asked), account));
        at - since
    }

    /// What was under way was given up before its outcome was known: it is posted again.
    pub(crate) fn given_up(&mut self, account: AccountId) {
        if self.end(account).is_some() {
            self.go_on(account);
        }
    }

    /// Forgets everything: the webhook goes on from another place, as if nothing had ever failed.
    pub(crate) fn clear(&mut self) {
        self.drop_waiting();
        (self.health, self.inherited) = (Health::new(), None);
    }

    /// Forgets what waits, which is read again later, but not how the endpoint does and since when.
    pub(crate) fn forget(&mut self) {
        self.inherited = self.failing_first();
        self.drop_waiting();
    }

    /// What is under way holds its lane until it has ended.
    fn drop_waiting(&mut self) {
        self.lanes.retain(|_, lane| lane.in_flight);
        for lane in self.lanes.values_mut() {
            lane.waiting.clear();
            lane.forgotten = true;
            lane.has_not_failed();
        }
        self.ready.clear();
        self.later.clear();
        self.outstanding.clear();
    }

    /// What was under way has ended. The lane, if its outcome still matters.
    fn end(&mut self, account: AccountId) -> Option<&mut Lane> {
        self.in_flight = self.in_flight.saturating_sub(1);
        let lane = self.lanes.get_mut(&account)?;
        lane.in_flight = false;
        if std::mem::take(&mut lane.forgotten) {
            self.go_on(account);
            return None;
        }
        self.lanes.get_mut(&account)
    }

    /// Lines a lane up again, or closes it.
    fn go_on(&mut self, account: AccountId) {
        match self.lanes.get(&account) {
            Some(lane) if lane.waiting.is_empty() => {
                self.lanes.remove(&account);
            }
            Some(_) => self.ready.push_back(account),
            None => {}
        }
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
