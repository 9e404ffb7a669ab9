//! A group to the disk, and then to everybody.

use std::os::unix::fs::FileExt;
use std::time::Instant;

use super::Writer;
use crate::error::AppendError;
use crate::faults::DiskOperation;
use crate::metadata::{metadata_stream, original};
use crate::shared::Durable;
use crate::stats::Counters;

impl Writer {
    /// Writes and syncs the group, shows it to readers, and answers.
    pub(super) fn commit(&mut self) {
        let failure = if self.group.bytes.is_empty() { None } else { self.write_and_publish().err() };
        for (answer, outcome) in self.group.answers.drain(..) {
            let outcome = match &failure {
                Some(failure) => Err(failure.clone()),
                None => outcome,
            };
            // The caller may have gone away; the batch is in the log all the same.
            let _ = answer.send(outcome);
        }
    }

    fn write_and_publish(&mut self) -> Result<(), AppendError> {
        let begun = Instant::now();
        let written = self
            .faults
            .check(DiskOperation::Write)
            .and_then(|()| self.file.write_all_at(&self.group.bytes, self.group.start - self.segment.base))
            .and_then(|()| self.faults.check(DiskOperation::Sync))
            .and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // After a failed sync the kernel may have dropped the pages and would call the next sync a success: what is
            // on disk is not known any more, and only reading it again, at the next start, can tell.
            let reason = format!("cannot write {}: {error}", self.segment.path.display());
            return Err(self.shared.fail(AppendError::Poisoned { reason: reason.into() }));
        }
        let counters = &self.shared.counters;
        Counters::add(&counters.syncs, 1);
        Counters::add(&counters.sync_nanos, begun.elapsed().as_nanos() as u64);
        Counters::add(&counters.batches, self.group.batches);
        Counters::add(&counters.events, self.group.entries.len() as u64);
        Counters::add(&counters.bytes, self.group.bytes.len() as u64);
        counters.largest_group.fetch_max(self.group.batches, std::sync::atomic::Ordering::Relaxed);
        self.end = self.group.end();
        self.publish();
        Ok(())
    }

    fn publish(&self) {
        let (shared, group) = (&self.shared, &self.group);
        // Metadata may bring back a stream as of an event of this group: nobody may see the one without the other, as a
        // remembered head would let them.
        for original in group.heads.keys().filter_map(|name| original(name)) {
            shared.streams.forget(original);
        }
        shared.index.publish(&group.entries, &group.marks, self.end);
        for (name, head) in &group.heads {
            shared.streams.remember(name.clone(), *head);
        }
        shared.durable.send_replace(Durable { head: self.head, end: self.end, closed: false });
        self.wake_followers();
    }

    /// Who began to follow after this looked has seen the group.
    fn wake_followers(&self) {
        let (streams, followers) = (&self.shared.streams, &self.shared.followers);
        if followers.is_empty() {
            return;
        }
        for (name, head) in &self.group.heads {
            followers.wake(streams.hash(name));
            // What can be read of a stream depends on its metadata, and metadata ends with its stream.
            if let Some(original) = original(name) {
                followers.wake(streams.hash(original));
            } else if head.is_tombstone() {
                followers.wake(streams.hash(&metadata_stream(name)));
            }
        }
    }
}
