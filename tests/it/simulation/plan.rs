//! What a seed decides before anything happens.

use std::time::Duration;

use fastrand::Rng;

/// The shape of one run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    /// Batches are written whole, as by the node in one process; otherwise part by part, as over the network.
    pub(super) is_atomic: bool,
    /// Positions are so far apart. An account remembers the legs of 64 MiB: wide strides make it forget.
    pub(super) stride: u64,
    /// Processes that take commands and run a process manager.
    pub(super) processes: usize,
    pub(super) accounts: usize,
    pub(super) clients: usize,
    /// Wishes of each client.
    pub(super) wishes: usize,
    /// The longest time between two wishes of a client.
    pub(super) think_max: Duration,
    /// The longest ordinary way of a message.
    pub(super) latency_max: Duration,
    /// How long the clocks of processes stand still before they go on.
    pub(super) clock_step: Duration,
    /// Processes have numbers from their operator, and do not take free ones.
    pub(super) workers_given: bool,
    /// Events of an account after which its state is written down.
    pub(super) snapshot_every_events: u64,
    /// How long things go on going wrong when the clients are gone.
    pub(super) aftermath: Duration,
    pub(super) rates: Rates,
    /// The longest time between two blows to a process as a whole.
    pub(super) blows_every_max: Duration,
}

/// How often something goes wrong, in a thousand.
#[derive(Clone, Debug, Default)]
pub(super) struct Rates {
    pub(super) append_fails: u32,
    pub(super) reply_lost: u32,
    pub(super) late: u32,
    pub(super) twice: u32,
    pub(super) append_crash: u32,
    pub(super) read_fails: u32,
    pub(super) read_crash: u32,
    pub(super) delayed: u32,
    pub(super) again: u32,
    pub(super) subscription_fails: u32,
}

impl Plan {
    pub(super) fn of(seed: u64) -> Self {
        let mut lots = Rng::with_seed(seed ^ 0x91a7);
        let is_atomic = lots.bool();
        let rates = Rates {
            append_fails: rate(&mut lots, 60),
            reply_lost: rate(&mut lots, 60),
            // The node in this process answers when it has written or failed, once.
            late: if is_atomic { 0 } else { rate(&mut lots, 40) },
            twice: rate(&mut lots, 60),
            append_crash: rate(&mut lots, 40),
            read_fails: rate(&mut lots, 30),
            read_crash: rate(&mut lots, 10),
            delayed: rate(&mut lots, 150),
            again: rate(&mut lots, 150),
            subscription_fails: rate(&mut lots, 10),
        };
        Self {
            seed,
            is_atomic,
            stride: lots.choice([120, 1 << 20, 4 << 20, 24 << 20]).unwrap_or(120),
            processes: lots.usize(1..=3),
            accounts: lots.usize(2..=4),
            clients: lots.usize(2..=4),
            wishes: lots.usize(3..=8),
            think_max: Duration::from_millis(lots.choice([1, 50, 800]).unwrap_or(50)),
            latency_max: Duration::from_millis(lots.choice([0, 2, 20, 300]).unwrap_or(2)),
            clock_step: Duration::from_millis(lots.choice([1, 1, 1, 10_000]).unwrap_or(1)),
            snapshot_every_events: lots.choice([0, 1, 2, 5]).unwrap_or(0),
            workers_given: lots.u8(0..3) == 0,
            aftermath: Duration::from_secs(lots.choice([0, 0, 0, 0, 0, 60]).unwrap_or(0)),
            rates,
            blows_every_max: Duration::from_millis(lots.choice([700, 4_000, 60_000]).unwrap_or(3_000)),
        }
    }
}

/// Never, seldom or often.
fn rate(lots: &mut Rng, often: u32) -> u32 {
    match lots.u32(0..3) {
        0 => 0,
        1 => often / 5,
        _ => often,
    }
}
