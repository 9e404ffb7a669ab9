//! Partitions: what the rows of a read model are divided into, so that several connections, or several projectors, can share a projection.
//!
//! A row belongs to one partition for ever: by its account, by its transfer, or, for a projection without either, to partition 0. Each
//! partition of a projection has its own checkpoint.

pub use ledger_core::partition::{PARTITIONS, Placement, partition_of};
use ledger_core::{AccountId, TransferId};

/// Some of the partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Partitions(u8);

/// Which partitions a projection's rows are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// All of them: by account or by transfer.
    Even,
    /// Partition 0 only.
    One,
}

impl Spread {
    /// The partitions that have rows.
    #[must_use]
    pub const fn partitions(self) -> Partitions {
        match self {
            Self::Even => Partitions::ALL,
            Self::One => Partitions::one(0),
        }
    }
}

impl Partitions {
    /// Every partition.
    pub const ALL: Self = Self((1 << PARTITIONS) - 1);
    /// No partition.
    pub const NONE: Self = Self(0);

    /// One partition.
    #[must_use]
    pub const fn one(partition: u8) -> Self {
        Self(1 << (partition % PARTITIONS))
    }

    /// True when there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that live in a database.
    #[must_use]
    pub fn living_in(placement: Placement) -> Self {
        (0..PARTITIONS).filter(|partition| placement.holds(*partition)).collect()
    }

    /// How many they are.
    #[must_use]
    pub const fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Those in either.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..PARTITIONS).filter(move |partition| !self.and(Self::one(*partition)).is_empty())
    }

    /// True when an account's rows are in one of them.
    #[must_use]
    pub fn hold_account(self, account_id: AccountId) -> bool {
        self.hold(account_id.as_i64())
    }

    /// True when a transfer's rows are in one of them.
    #[must_use]
    pub fn hold_transfer(self, transfer_id: TransferId) -> bool {
        self.hold(transfer_id.as_i64())
    }

    fn hold(self, id: i64) -> bool {
        self == Self::ALL || !self.and(Self::one(partition_of(id))).is_empty()
    }
}

impl FromIterator<u8> for Partitions {
    fn from_iter<I: IntoIterator<Item = u8>>(partitions: I) -> Self {
        partitions.into_iter().fold(Self::NONE, |all, partition| all.with(Self::one(partition)))
    }
}

#[cfg(test)]
mod tests {
    use ledger_core::AccountId;

    use super::{PARTITIONS, Partitions, Spread};

    #[test]
    fn every_account_is_in_exactly_one_partition_and_they_are_about_as_large() {
        let mut counts = [0_usize; PARTITIONS as usize];
        for id in (1..=40_000).map(|number| AccountId::from_i64(number << 12).unwrap()) {
            let holders: Vec<u8> =
                (0..PARTITIONS).filter(|one| Partitions::one(*one).hold_account(id)).collect();
            assert_eq!(holders.len(), 1);
            assert!(Partitions::ALL.hold_account(id));
            counts[usize::from(holders[0])] += 1;
        }
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
    }

    #[test]
    fn sets_of_partitions() {
        let some: Partitions = [0, 2].into_iter().collect();
        assert_eq!(some.iter().collect::<Vec<_>>(), [0, 2]);
        assert_eq!(Partitions::ALL.without(some).iter().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(some.with(Partitions::ALL.without(some)), Partitions::ALL);
        assert_eq!(some.and(Spread::One.partitions()), Partitions::one(0));
        assert_eq!((some.count(), Partitions::NONE.count()), (2, 0));
        assert!(Partitions::NONE.is_empty());
    }
}
