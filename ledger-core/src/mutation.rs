//! Rules that a test can break, to see that somebody would notice.
//!
//! Each is asked about at its own place in the code: [`is_broken`]. Without the feature `mutations` the answer is a constant, and
//! nothing of this is left in the program.

/// A rule that can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A debit must be covered.
    DebitIsCovered,
    /// A frozen or closed account takes no legs.
    FrozenTakesNothing,
    /// An account to be closed must be empty.
    ClosedIsEmpty,
    /// A credit changes the balance by its amount.
    CreditIsExact,
    /// An account remembers the debits it booked.
    DebitIsRemembered,
    /// An account remembers the credits it booked.
    CreditIsRemembered,
    /// An account remembers the reversals it booked.
    ReversalIsRemembered,
    /// An account remembers what it refused.
    RefusalIsRemembered,
    /// The memory of legs is widened before a question about an older transfer.
    MemoryIsWidened,
    /// A snapshot remembers no legs, and says so.
    SnapshotKnowsNoLegs,
    /// A repeated request must ask for the same.
    RepetitionIsTheSame,
    /// A transfer completes after its credit.
    CompletionFollowsCredit,
    /// A transfer fails after its reversal.
    FailureFollowsReversal,
    /// A refused credit is forced after its reversal was waived.
    ForceFollowsWaiver,
    /// An operator's word on how a transfer ends stands.
    ResolutionStands,
    /// An append to an account expects the revision it was decided on.
    AccountRevisionIsExpected,
    /// An append to an account follows the very event it was decided on.
    AccountEventIsFollowed,
    /// A transfer's stream begins with its request.
    TransferBeginsOnce,
    /// A refusal is told only when what it was decided on is in the log, and all there is.
    RefusalIsConfirmed,
    /// What another process wrote is news for everybody who decided before.
    NewsAreForAll,
    /// The state of an account is given up when its append failed.
    FailedStateIsGivenUp,
    /// A request is looked at again before it is debited late.
    RequestIsReadAgain,
    /// What a repeated request is told is on disk.
    RepetitionIsOnDisk,
    /// New ids lie after those that the log has seen.
    IdsGoOnAfterTheLog,
    /// The process manager's checkpoint lies before the oldest transfer that has not ended.
    CheckpointWaitsForPending,
    /// A projection's checkpoint moves with its rows, from where the events begin.
    CheckpointIsGuarded,
    /// A projection's rows and checkpoint are one transaction.
    CheckpointGoesWithRows,
    /// A projection takes each event once and in order.
    BatchIsInOrder,
}

/// True while a test has broken this rule on this thread.
#[cfg(not(feature = "mutations"))]
#[must_use]
pub const fn is_broken(_: Rule) -> bool {
    false
}

#[cfg(feature = "mutations")]
pub use switched::{break_rule, is_broken};

#[cfg(feature = "mutations")]
mod switched {
    use std::cell::Cell;

    use super::Rule;

    thread_local! {
        static BROKEN: Cell<Option<Rule>> = const { Cell::new(None) };
    }

    /// True while a test has broken this rule on this thread.
    #[must_use]
    pub fn is_broken(rule: Rule) -> bool {
        BROKEN.get() == Some(rule)
    }

    /// Breaks a rule on this thread, or mends whichever is broken.
    pub fn break_rule(rule: Option<Rule>) {
        BROKEN.set(rule);
    }
}
