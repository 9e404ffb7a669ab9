//! Partitions: what the rows of the read models are divided into, and which database has which of them.
//!
//! A row belongs to one partition for ever: by its account, by its transfer, or, if it has neither, to partition 0. Partition p lives in
//! database p mod N of N databases. The projector writes by these rules and queries read by them.

use std::fmt;

/// How many there are. Another number needs a migration that divides the checkpoints anew.
pub const PARTITIONS: u8 = 4;

/// The partition of an account or a transfer, by its id.
///
/// The last bits of an id are a counter and its worker's number, so they are mixed first (the finalizer of splitmix64). Never to be
/// changed: checkpoints stand for what it says.
#[must_use]
pub fn partition_of(id: i64) -> u8 {
    let mut bits = id.cast_unsigned();
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) % u64::from(PARTITIONS)) as u8
}

/// The place of a database among those that the read models are divided into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Placement {
    index: u8,
    of: u8,
}

impl Placement {
    /// One database has everything.
    pub const ALONE: Self = Self { index: 0, of: 1 };

    /// The places of so many databases, in order: one at least, and no more than there are partitions.
    pub fn among(databases: usize) -> impl Iterator<Item = Self> + Clone {
        let of = u8::try_from(databases).unwrap_or(PARTITIONS).clamp(1, PARTITIONS);
        (0..of).map(move |index| Self { index, of })
    }

    /// Which one it is, beginning with 1.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.index.saturating_add(1)
    }

    /// How many there are.
    #[must_use]
    pub const fn of(self) -> u8 {
        self.of
    }

    /// True when there is no other.
    #[must_use]
    pub const fn is_alone(self) -> bool {
        self.of == 1
    }

    /// True when a partition lives here.
    #[must_use]
    pub fn holds(self, partition: u8) -> bool {
        partition.checked_rem(self.of) == Some(self.index)
    }
}

impl Default for Placement {
    fn default() -> Self {
        Self::ALONE
    }
}

/// For people: `2 of 3`.
impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.number(), self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::{PARTITIONS, Placement};

    #[test]
    fn each_partition_lives_in_one_database() {
        for databases in 1..=usize::from(PARTITIONS) {
            for partition in 0..PARTITIONS {
                let holders = Placement::among(databases).filter(|place| place.holds(partition)).count();
                assert_eq!(holders, 1, "{partition} in {databases}");
            }
        }
        let places: Vec<String> = Placement::among(2).map(|place| place.to_string()).collect();
        assert_eq!(places, ["1 of 2", "2 of 2"]);
        assert!(Placement::among(1).eq([Placement::ALONE]) && Placement::ALONE.is_alone());
    }
}
