//! Which of a database's partitions are this projector's, when several share it.
//!
//! Everything is an advisory lock of the session on the very connection that writes: whoever loses the connection loses the right with
//! it, and the server gives it to the next. A shared lock says that a projector is there; those who are there, in the order of their
//! backends, divide the partitions, so that everybody comes to the same division without talking. A lock for each partition says who
//! writes it: a new owner gets it when the old one has given it back, and reads the checkpoint after that.

use sqlx::PgConnection;

use crate::partition::Partitions;

/// Key of the lock that every projector shares: "daybook" and a 1. Programs from before partitions hold it alone.
const PRESENT_LOCK: i64 = 0x6461_7962_6f6f_6b01;
/// Key of partition 0's lock: "daybook" and a 16. The others follow.
const PARTITION_LOCK: i64 = 0x6461_7962_6f6f_6b10;

/// What this projector holds.
#[derive(Debug)]
pub(crate) struct Shares {
    /// What is to be divided: the partitions of the database.
    all: Partitions,
    held: Partitions,
}

impl Shares {
    /// Nothing yet, of all these.
    pub(crate) const fn none_of(all: Partitions) -> Self {
        Self { all, held: Partitions::NONE }
    }

    /// The partitions that are ours to write.
    pub(crate) const fn held(&self) -> Partitions {
        self.held
    }

    /// Says that we are there. False when a program from before partitions holds the database.
    pub(crate) async fn enter(db: &mut PgConnection) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar("select pg_try_advisory_lock_shared($1)").bind(PRESENT_LOCK).fetch_one(db).await
    }

    /// Gives back what is no longer ours, and takes what is, where nobody else holds it still. Not within a transaction. True when that
    /// made a difference.
    pub(crate) async fn settle(&mut self, db: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let before = self.held;
        let wanted = wanted(db, self.all).await?;
        for partition in before.without(wanted).iter() {
            sqlx::query("select pg_advisory_unlock($1)").bind(key(partition)).execute(&mut *db).await?;
            self.held = self.held.without(Partitions::one(partition));
        }
        for partition in wanted.without(before).iter() {
            let locked: bool = sqlx::query_scalar("select pg_try_advisory_lock($1)")
                .bind(key(partition))
                .fetch_one(&mut *db)
                .await?;
            if locked {
                self.held = self.held.with(Partitions::one(partition));
            }
        }
        Ok(self.held != before)
    }
}

/// Every so manieth partition is ours, beginning with our place among those who are there.
async fn wanted(db: &mut PgConnection, all: Partitions) -> Result<Partitions, sqlx::Error> {
    let (place, count): (i64, i64) = sqlx::query_as(
        "select count(*) filter (where pid < pg_backend_pid()), count(*) from pg_locks
         where locktype = 'advisory' and granted and mode = 'ShareLock' and objsubid = 1
           and database = (select oid from pg_database where datname = current_database())
           and classid = ($1 >> 32)::oid and objid = ($1 & 4294967295)::oid",
    )
    .bind(PRESENT_LOCK)
    .fetch_one(db)
    .await?;
    Ok(divided(all, place, count))
}

fn divided(all: Partitions, place: i64, count: i64) -> Partitions {
    let numbered = (0_i64..).zip(all.iter());
    numbered
        .filter(|(number, _)| number.checked_rem(count) == Some(place))
        .map(|(_, partition)| partition)
        .collect()
}

fn key(partition: u8) -> i64 {
    PARTITION_LOCK.saturating_add(i64::from(partition))
}

#[cfg(test)]
mod tests {
    use super::divided;
    use crate::partition::{Partitions, Placement};

    #[test]
    fn however_many_there_are_each_partition_has_one_owner() {
        for placement in (1..=4).flat_map(Placement::among) {
            let all = Partitions::living_in(placement);
            for count in 1..7 {
                let shares: Vec<Partitions> = (0..count).map(|place| divided(all, place, count)).collect();
                let together = shares.iter().fold(Partitions::NONE, |some, share| some.with(*share));
                let sum: usize = shares.iter().map(|share| share.count()).sum();
                assert_eq!((together, sum), (all, all.count()), "{placement}, {count}");
            }
        }
    }
}
