//! What is posted when, without posting anything.

use super::*;
use crate::notification::notification;
use crate::{DOWN_PAUSE_MAX, FAILURES_UNTIL_DOWN, WINDOW, WINDOW_SLOW};
use ledger_core::account::{AccountCredited, AccountEvent};
use ledger_core::{Currency, Event, Metadata, Money, TransferId, stream};
use ledger_streams::Recorded;

const RETRY: Retry = Retry { min: Duration::from_secs(1), max: Duration::from_secs(60) };

fn account(number: i64) -> AccountId {
    AccountId::from_i64(10_000_000_000 + number).unwrap()
}

fn told(position: Position, number: i64) -> Arc<Notification> {
    let money = Money::new(1, Currency::from_code("EUR").unwrap());
    let event = Event::Account(AccountEvent::Credited(AccountCredited {
        transfer_id: TransferId::from_i64(1).unwrap(),
        counterparty: account(99),
        amount: money,
        balance_after: money,
        description: None,
        reference: None,
        forced: false,
    }));
    let metadata = Metadata {
        correlation_id: "transfer-1".into(),
        causation_id: None,
        actor: "test".into(),
        booked_at: DateTime::default(),
        version: 1,
    };
    let recorded = Recorded {
        id: Default::default(),
        stream: stream::account(account(number)).into(),
        revision: 0,
        position,
        recorded_at: DateTime::default(),
        metadata,
        event,
    };
    Arc::new(notification(&recorded, None).unwrap())
}

struct Given {
    queue: Queue,
    now: Instant,
    at: DateTime<Utc>,
}

fn given(notifications: &[(Position, i64)]) -> Given {
    let mut queue = Queue::new(RETRY, None);
    for (position, number) in notifications {
        queue.push(told(*position, *number));
    }
    Given { queue, now: Instant::now(), at: DateTime::default() }
}

impl Given {
    /// Everything that may be posted now, by position.
    fn posts(&mut self) -> Vec<Position> {
        std::iter::from_fn(|| self.queue.next(self.now)).map(|due| due.notification.position).collect()
    }

    fn passes(&mut self, time: Duration) {
        self.now += time;
        self.at += time;
    }

    fn fails(&mut self, number: i64) -> TimeDelta {
        self.queue.failed(account(number), None, self.now, self.at)
    }

    fn arrives(&mut self, number: i64) {
        self.queue.delivered(account(number), false);
    }
}

#[test]
fn each_account_has_one_under_way() {
    let mut given = given(&[(1, 1), (2, 1), (3, 2), (4, 1)]);
    assert_eq!(given.posts(), [1, 3]);
    given.arrives(1);
    assert_eq!(given.posts(), [2]);
    given.arrives(2);
    assert_eq!((given.posts(), given.queue.oldest()), (vec![], Some(2)));
    given.arrives(1);
    assert_eq!(given.posts(), [4]);
    given.arrives(1);
    assert_eq!((given.queue.len(), given.queue.oldest()), (0, None));
}

#[test]
fn what_failed_holds_up_its_own_account_alone() {
    let mut given = given(&[(1, 1), (2, 2), (3, 1), (4, 2)]);
    assert_eq!(given.posts(), [1, 2]);
    given.fails(1);
    given.arrives(2);
    assert_eq!(given.posts(), [4]);
    given.arrives(2);
    assert!(given.posts().is_empty());
    let due = given.queue.next_due().unwrap() - given.now;
    assert!(due >= RETRY.min && due <= RETRY.min * 2, "{due:?}");
    given.passes(RETRY.min * 2);
    assert_eq!(given.posts(), [1], "the same again, before what came after it");
}

#[test]
fn each_failure_makes_it_wait_longer_and_never_longer_than_that() {
    let mut given = given(&[(1, 1)]);
    let mut before = Duration::ZERO;
    for attempt in 1..=12 {
        let due = given.queue.next(given.now).unwrap();
        assert_eq!(due.attempt, attempt);
        given.fails(1);
        let wait = given.queue.next_due().unwrap() - given.now;
        assert!(wait <= RETRY.max * 2, "{wait:?}: more than jitter");
        assert!(attempt > 4 || wait >= before, "{wait:?} after {before:?}");
        before = wait;
        given.passes(wait);
    }
    assert!(before >= RETRY.max / 2, "{before:?}");
}

#[test]
fn the_endpoint_may_ask_for_more_time() {
    let mut given = given(&[(1, 1)]);
    given.posts();
    let asked = Duration::from_secs(120);
    given.queue.failed(account(1), Some(asked), given.now, given.at);
    assert_eq!(given.queue.next_due().unwrap() - given.now, asked);
    given.passes(asked);
    given.posts();
    given.queue.failed(account(1), Some(Duration::MAX), given.now, given.at);
    assert_eq!(given.queue.next_due().unwrap() - given.now, RETRY_AFTER_MAX, "within reason");
}

#[test]
fn an_endpoint_that_is_down_is_tried_with_one_post_at_a_time() {
    let all: Vec<_> = (1_u64..=20).map(|number| (number, number.cast_signed())).collect();
    let mut given = given(&all);
    let first = given.posts();
    assert_eq!(first.len(), 20);
    for position in &first {
        given.fails(position.cast_signed());
    }
    assert!(given.queue.is_down());
    assert!(given.posts().is_empty(), "it rests");
    let mut tried = Vec::new();
    for _ in 0..5 {
        let due = given.queue.next_due().unwrap();
        given.passes(due - given.now);
        let posts = given.posts();
        assert_eq!(posts.len(), 1);
        assert_eq!(given.queue.next_due(), None, "nothing before that has ended");
        given.fails(posts[0].cast_signed());
        tried.extend(posts);
    }
    tried.sort_unstable();
    tried.dedup();
    assert_eq!(tried.len(), 5, "no account is preferred");

    let due = given.queue.next_due().unwrap();
    given.passes(due - given.now);
    let through = given.posts();
    given.arrives(through[0].cast_signed());
    assert!(!given.queue.is_down());
    assert_eq!(given.posts().len(), WINDOW_SLOW + 1, "a few at a time");
}

#[test]
fn how_long_it_has_failed_is_known_also_from_an_earlier_process() {
    let mut given = given(&[(7, 1), (8, 1)]);
    given.queue = {
        let mut queue = Queue::new(RETRY, Some((7, given.at - TimeDelta::days(2))));
        queue.push(told(7, 1));
        queue.push(told(8, 1));
        queue
    };
    given.posts();
    assert_eq!(given.fails(1), TimeDelta::days(2));
    given.passes(Duration::from_secs(3600));
    given.posts();
    assert_eq!(given.fails(1), TimeDelta::days(2) + TimeDelta::hours(1));
    assert_eq!(given.queue.failing_since(), Some(DateTime::default() - TimeDelta::days(2)));
    given.passes(RETRY.max * 2);
    given.posts();
    given.arrives(1);
    assert_eq!(given.queue.failing_since(), None);
    given.posts();
    assert_eq!(given.fails(1), TimeDelta::zero());
}

#[test]
fn what_was_forgotten_while_under_way_does_not_overtake() {
    let mut given = given(&[(5, 1), (6, 1)]);
    assert_eq!(given.posts(), [5]);
    given.queue.clear();
    given.queue.push(told(2, 1));
    given.queue.push(told(3, 2));
    assert_eq!(given.posts(), [3], "account 1 has one under way");
    given.arrives(1);
    assert_eq!((given.posts(), given.queue.oldest()), (vec![2], Some(2)));
    given.fails(1);
    assert_eq!(given.queue.len(), 2);
}

#[test]
fn a_slow_endpoint_has_few_under_way() {
    let all: Vec<_> = (1_u64..=200).map(|number| (number, number.cast_signed())).collect();
    let mut given = given(&all);
    assert_eq!(given.posts().len(), WINDOW);
    given.queue.delivered(account(1), true);
    assert!(given.posts().is_empty());
    for number in 2..=62 {
        given.queue.delivered(account(number), true);
    }
    assert_eq!(given.posts().len(), WINDOW_SLOW - 2);
    given.arrives(63);
    assert_eq!(given.posts().len(), 2, "what arrives makes room for itself and for one more");
    for number in 64..64 + 2 * WINDOW {
        given.arrives(number.try_into().unwrap());
        given.posts();
    }
    assert_eq!(given.queue.in_flight, WINDOW.min(given.queue.len()));
}

/// Five lanes that fail: an endpoint that is down.
fn down() -> Given {
    let all: Vec<_> =
        (1..=u64::from(FAILURES_UNTIL_DOWN)).map(|number| (number, number.cast_signed())).collect();
    let mut given = given(&all);
    for position in given.posts() {
        given.fails(position.cast_signed());
        given.passes(Duration::from_millis(1));
    }
    assert!(given.queue.is_down());
    given
}

#[test]
fn what_is_forgotten_for_want_of_memory_is_still_down_and_has_failed_for_as_long() {
    let mut given = down();
    let since = given.queue.failing_since();
    // Its lanes may wait for longer, as chance has it, and that is forgotten.
    let resume = given.queue.health.resumes_at();
    given.queue.forget();
    assert_eq!((given.queue.len(), given.queue.failing_since()), (0, since));
    assert!(given.queue.is_down());
    given.queue.push(told(1, 1));
    given.queue.push(told(2, 2));
    assert!(given.posts().is_empty(), "it rests as before");
    assert_eq!(given.queue.next_due(), resume);
    given.passes(DOWN_PAUSE_MAX + Duration::from_secs(3600));
    assert_eq!(given.posts(), [1]);
    assert!(given.fails(1) >= TimeDelta::hours(1), "counted from when it failed first");
}

#[test]
fn what_was_forgotten_while_under_way_is_no_failure() {
    let mut given = given(&[(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
    assert_eq!(given.posts().len(), 5);
    given.queue.clear();
    for number in 1..=5 {
        assert_eq!(given.fails(number), TimeDelta::zero());
    }
    assert!(!given.queue.is_down());
    given.queue.push(told(1, 1));
    assert_eq!(given.posts(), [1]);
}

#[test]
fn an_endpoint_that_is_down_rests_also_after_a_try_that_was_forgotten() {
    let mut given = down();
    given.passes(DOWN_PAUSE_MAX * 2);
    let tried = given.posts();
    assert_eq!(tried.len(), 1);
    given.queue.forget();
    given.fails(tried[0].cast_signed());
    given.queue.push(told(9, 9));
    assert!(given.posts().is_empty());
    assert!(given.queue.next_due().unwrap() > given.now);
}

#[test]
fn what_others_are_told_does_not_shorten_how_long_one_has_failed() {
    let mut given = given(&[]);
    given.queue = Queue::new(RETRY, Some((7, given.at - TimeDelta::days(2))));
    given.queue.push(told(7, 1));
    given.queue.push(told(8, 2));
    assert_eq!(given.posts(), [7, 8]);
    given.arrives(2);
    assert_eq!(given.fails(1), TimeDelta::days(2));
}

#[test]
fn what_was_given_up_is_posted_again_and_is_no_failure() {
    let mut given = given(&[(1, 1), (2, 1)]);
    assert_eq!(given.posts(), [1]);
    given.queue.given_up(account(1));
    let due = given.queue.next(given.now).unwrap();
    assert_eq!((due.notification.position, due.attempt), (1, 1));
}

#[test]
fn while_memory_is_tight_it_takes_less_and_least_while_it_is_down() {
    let well = given(&[]);
    assert_eq!((well.queue.room(false), well.queue.room(true)), (QUEUE_MAX, QUEUE_TIGHT_MAX));
    let mut down = down();
    down.queue.forget();
    assert_eq!((down.queue.room(false), down.queue.room(true)), (QUEUE_DOWN_MAX, QUEUE_DOWN_TIGHT_MAX));
    assert!(down.queue.wants_more(true));
    down.queue.push(told(1, 1));
    assert!(!down.queue.wants_more(true));
}

#[test]
fn the_only_one_is_not_forgotten_while_it_is_tried() {
    let mut given = given(&[]);
    assert!(!given.queue.may_be_forgotten(), "there is nothing");
    given.queue.push(told(1, 1));
    assert!(given.queue.may_be_forgotten());
    given.posts();
    assert!(!given.queue.may_be_forgotten());
    given.queue.push(told(2, 1));
    assert!(given.queue.may_be_forgotten());
}

#[test]
fn what_failed_before_and_is_told_by_now_says_nothing_about_what_comes() {
    let mut given = given(&[]);
    given.queue = Queue::new(RETRY, Some((7, given.at - TimeDelta::days(2))));
    // Read again from before it: nobody wants it any more.
    given.queue.push(told(8, 2));
    assert_eq!(given.queue.failing_since(), None);
}

#[test]
fn an_endpoint_that_is_down_is_tried_every_minute_however_long_its_lanes_wait() {
    let mut given = given(&[(1, 1)]);
    given.queue.retry = Retry { max: Duration::from_secs(3600), ..RETRY };
    for attempt in 1..=20 {
        assert_eq!(given.queue.next(given.now).unwrap().attempt, attempt);
        given.fails(1);
        let wait = given.queue.next_due().unwrap() - given.now;
        assert!(!given.queue.is_down() || wait <= DOWN_PAUSE_MAX * 2, "{wait:?}: more than jitter");
        assert!(given.posts().is_empty());
        given.passes(wait);
    }
    given.posts();
    given.queue.failed(account(1), Some(RETRY_AFTER_MAX), given.now, given.at);
    assert_eq!(given.queue.next_due().unwrap() - given.now, RETRY_AFTER_MAX, "unless it asks for that");
    given.passes(DOWN_PAUSE_MAX * 2);
    assert!(given.posts().is_empty());
}
