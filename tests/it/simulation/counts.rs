//! What befell the runs, counted: a fault that never happens proves nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

/// Something that befalls a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    AppendFails,
    AppendReplyLost,
    AppendLate,
    AppendSentTwice,
    /// Appends to one stream kept failing, while all others worked.
    Contended,
    ReadFails,
    DeliveryDelayed,
    DeliveredAgain,
    SubscriptionFails,
    CrashBeforeAppend,
    CrashAfterAppend,
    CrashAtRead,
    CrashAtAnyTime,
    /// A process crashed while this was the last that the log had of a transfer.
    CrashAfterRequest,
    CrashAfterDebit,
    CrashAfterDebitRefusal,
    CrashAfterCredit,
    CrashAfterCreditRefusal,
    CrashAfterReversal,
    Stop,
    OldCheckpoint,
    Pause,
    Outage,
    ClockBack,
    ClockForward,
    /// A process manager started while another was at work.
    TwoManagers,
    /// A partition of the transfers came to another process manager.
    Takeover,
    /// An account was written down, to be loaded from there.
    Snapshot,
    /// Of two command processes, one lost the race for an account.
    RaceForAccount,
    /// The same for a transfer's own stream.
    RaceForTransfer,
    /// An append was in the log already.
    Repetition,
    ClientGaveUp,
    KeyRepeated,
    KeyReused,
    KeyAtOnce,
    TransferCompleted,
    TransferFailed,
    TransferRejected,
    TransferParked,
    ParkedRetried,
    ParkedRefunded,
    ParkedCompleted,
    ReversalWaived,
    CreditForced,
    ProjectorCrashBeforeCommit,
    ProjectorCrashAfterCommit,
    ProjectorKilled,
    /// As it does when the store delivers an event for the second time.
    ProjectorGaveUp,
    ProjectorBehind,
    BatchAppliedAgain,
    TwoProjectors,
}

/// Every kind that each sufficiently long run must have seen.
pub(super) const ALL: [Kind; 44] = [
    Kind::AppendFails,
    Kind::AppendReplyLost,
    Kind::AppendLate,
    Kind::AppendSentTwice,
    Kind::Contended,
    Kind::ReadFails,
    Kind::DeliveryDelayed,
    Kind::DeliveredAgain,
    Kind::SubscriptionFails,
    Kind::CrashBeforeAppend,
    Kind::CrashAfterAppend,
    Kind::CrashAtRead,
    Kind::CrashAtAnyTime,
    Kind::CrashAfterRequest,
    Kind::CrashAfterDebit,
    Kind::CrashAfterDebitRefusal,
    Kind::CrashAfterCredit,
    Kind::CrashAfterCreditRefusal,
    Kind::CrashAfterReversal,
    Kind::Stop,
    Kind::OldCheckpoint,
    Kind::Pause,
    Kind::Outage,
    Kind::ClockBack,
    Kind::ClockForward,
    Kind::TwoManagers,
    Kind::Takeover,
    Kind::Snapshot,
    Kind::RaceForAccount,
    Kind::RaceForTransfer,
    Kind::Repetition,
    Kind::ClientGaveUp,
    Kind::KeyRepeated,
    Kind::KeyReused,
    Kind::KeyAtOnce,
    Kind::TransferCompleted,
    Kind::TransferFailed,
    Kind::TransferRejected,
    Kind::TransferParked,
    Kind::ParkedRetried,
    Kind::ParkedRefunded,
    Kind::ParkedCompleted,
    Kind::ReversalWaived,
    Kind::CreditForced,
];

/// The same for projectors.
pub(super) const OF_PROJECTORS: [Kind; 7] = [
    Kind::ProjectorCrashBeforeCommit,
    Kind::ProjectorCrashAfterCommit,
    Kind::ProjectorKilled,
    Kind::ProjectorGaveUp,
    Kind::ProjectorBehind,
    Kind::BatchAppliedAgain,
    Kind::TwoProjectors,
];

/// How often each kind happened. Cheap to clone; clones count together.
#[derive(Clone, Default)]
pub(super) struct Counts(Arc<Mutex<BTreeMap<Kind, u64>>>);

impl Counts {
    pub(super) fn add(&self, kind: Kind) {
        self.add_many(kind, 1);
    }

    pub(super) fn add_many(&self, kind: Kind, times: u64) {
        *self.0.lock().entry(kind).or_default() += times;
    }

    pub(super) fn of(&self, kind: Kind) -> u64 {
        self.0.lock().get(&kind).copied().unwrap_or(0)
    }

    pub(super) fn include(&self, other: &Self) {
        for (kind, times) in other.0.lock().iter() {
            self.add_many(*kind, *times);
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for kind in ALL.into_iter().chain(OF_PROJECTORS).filter(|kind| self.of(*kind) > 0) {
            writeln!(f, "  {:<24}{:>9}", format!("{kind:?}"), self.of(kind))?;
        }
        Ok(())
    }
}
