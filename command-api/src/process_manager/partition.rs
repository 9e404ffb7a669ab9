//! Partitions of the transfers, each driven by one process at a time: by the one that has its lease.

use std::sync::Arc;

use ledger_streams::{Lease, Ledger, StoreError};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::pending::Transfers;
use crate::{DRIVEN_MAX, LEASE_LOOK_EVERY};

/// How many partitions there are. All processes on a log must agree, so this never changes.
pub(super) const PARTITIONS: usize = 8;

/// A transfer's partition: by the last of the hex digits in its stream's name, which are a digest.
pub(super) fn partition_of(stream: &str) -> usize {
    let digit = stream.chars().next_back().and_then(|digit| digit.to_digit(16)).unwrap_or_default();
    usize::try_from(digit).unwrap_or_default() % PARTITIONS
}

/// All partitions, and this process's part in them.
pub(super) struct Partitions {
    partitions: [Partition; PARTITIONS],
    attending: JoinSet<(usize, Lease, Result<bool, StoreError>)>,
}

struct Partition {
    /// Away while it is being attended to.
    lease: Option<Lease>,
    /// A lease that is being renewed is held meanwhile, for as long as it was.
    held_until: Option<Instant>,
    /// When the lease is looked at again, at the earliest.
    look_at: Instant,
    /// How many of its transfers are being driven here.
    driven: usize,
}

impl Partitions {
    pub(super) fn new(ledger: &Ledger) -> Self {
        let partition = |number| Partition {
            lease: Some(ledger.lease(&format!("process-manager-{number}"))),
            held_until: None,
            look_at: Instant::now(),
            driven: 0,
        };
        Self { partitions: std::array::from_fn(partition), attending: JoinSet::new() }
    }

    /// Picks what is to be driven now: of each partition that is this process's, what has been in line for longest. Asks for the leases of
    /// partitions in which there is work, and begins nothing in one whose lease is lost.
    pub(super) fn choose(&mut self, transfers: &mut Transfers) -> Vec<(usize, Arc<str>)> {
        let mut chosen = Vec::new();
        for (number, partition) in self.partitions.iter_mut().enumerate() {
            // Held also while the last ones are being driven, however long that takes, and while they wait for their next try: another process
            // would begin to count their tries anew.
            if !transfers.has_ready(number) && !transfers.has_waiting(number) && partition.driven == 0 {
                continue;
            }
            let now = Instant::now();
            if partition.held_until.is_some_and(|until| now < until) {
                let room = (DRIVEN_MAX / PARTITIONS).saturating_sub(partition.driven);
                chosen.extend((0..room).map_while(|_| Some((number, transfers.take_ready(number)?))));
            }
            if now >= partition.look_at
                && let Some(mut lease) = partition.lease.take_if(|lease| lease.is_due())
            {
                self.attending.spawn(async move {
                    let attended = lease.attend().await;
                    (number, lease, attended)
                });
            }
        }
        chosen
    }

    /// Waits until a lease was attended to; for ever, while none is.
    pub(super) async fn attended(&mut self) {
        let Some(attended) = self.attending.join_next().await else {
            return std::future::pending().await;
        };
        // The task neither panics nor is aborted, but for a runtime that shuts down.
        let Ok((number, lease, attended)) = attended else { return };
        let Some(partition) = self.partitions.get_mut(number) else { return };
        if lease.is_held() != partition.held_until.is_some() {
            tracing::debug!(partition = number, held = lease.is_held(), "a lease was taken, or lost");
        }
        if let Err(error) = &attended {
            tracing::debug!(partition = number, %error, "a lease could not be attended to");
        }
        partition.held_until = lease.held_until();
        // Others' leases are looked at now and then; so are those that a failing store keeps from us.
        partition.look_at =
            if matches!(attended, Ok(true)) { Instant::now() } else { Instant::now() + LEASE_LOOK_EVERY };
        partition.lease = Some(lease);
    }

    pub(super) fn began(&mut self, number: usize) {
        if let Some(partition) = self.partitions.get_mut(number) {
            partition.driven = partition.driven.saturating_add(1);
        }
    }

    pub(super) fn finished(&mut self, stream: &str) {
        if let Some(partition) = self.partitions.get_mut(partition_of(stream)) {
            partition.driven = partition.driven.saturating_sub(1);
        }
    }

    /// Gives every lease back, so that another process goes on at once.
    pub(super) async fn release(&mut self) {
        while !self.attending.is_empty() {
            self.attended().await;
        }
        for lease in self.partitions.iter_mut().filter_map(|partition| partition.lease.as_mut()) {
            if let Err(error) = lease.release().await {
                tracing::debug!(%error, "a lease could not be given back; it runs out by itself");
            }
        }
    }
}
