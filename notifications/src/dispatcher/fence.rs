//! The lease, and what ends with it.

use ledger_streams::{Lease, Ledger, StoreError};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The lease, whose end is also seen by posts under way: no post of ours lasts until another process may begin its own.
pub(super) struct Fence {
    lease: Lease,
    until: watch::Sender<Option<Instant>>,
    /// How often the lease had been elsewhere when what is known under it was loaded.
    passes: u64,
}

impl Fence {
    pub(super) fn new(lease: Lease) -> Self {
        let until = watch::Sender::new(lease.held_until());
        Self { until, passes: lease.passes(), lease }
    }

    /// Takes the lease, if it can be had: what is known under it is loaded from here on.
    pub(super) async fn begin(&mut self) -> Result<bool, StoreError> {
        let held = self.lease.attend().await;
        self.passes = self.lease.passes();
        self.tell();
        held
    }

    pub(super) fn is_held(&self) -> bool {
        self.lease.is_held() && self.is_current()
    }

    pub(super) fn is_due(&self) -> bool {
        self.lease.is_due() || !self.is_current()
    }

    /// False when another process had the lease since [`Self::begin`]: what is known is out of date.
    const fn is_current(&self) -> bool {
        self.lease.passes() == self.passes
    }

    /// See [`Lease::attend`]. False also when another process had it meanwhile.
    pub(super) async fn attend(&mut self) -> Result<bool, StoreError> {
        let held = self.lease.attend().await;
        self.tell();
        Ok(held? && self.is_current())
    }

    /// Renews it, if it is held and that is due: within what may take long.
    pub(super) async fn keep(&mut self) -> Result<(), StoreError> {
        if !self.is_held() || !self.is_due() {
            return Ok(());
        }
        match self.attend().await {
            // While the store is away nothing is known; without the lease nothing is posted.
            Err(error) if !error.is_transient() => Err(error),
            _ => Ok(()),
        }
    }

    /// See [`Ledger::save_places`].
    pub(super) async fn save_places<T: Serialize + Sync>(
        &mut self,
        ledger: &Ledger,
        places: &[(String, T)],
    ) -> Result<bool, StoreError> {
        if !self.is_held() {
            return Ok(false);
        }
        let saved = ledger.save_places(&mut self.lease, places).await;
        self.tell();
        saved
    }

    /// See [`Lease::release`].
    pub(super) async fn release(&mut self) -> Result<(), StoreError> {
        self.lease.release().await
    }

    /// Ends when the lease does, also while nobody attends to it because the store does not answer.
    pub(super) fn lapse(&self) -> impl Future<Output = ()> + Send + use<> {
        lapse(self.until.subscribe())
    }

    fn tell(&self) {
        self.until.send_if_modified(|until| {
            *until = self.lease.held_until().filter(|_| self.is_current());
            // A renewal is seen when it matters; nobody need be woken for it.
            until.is_none()
        });
    }
}

async fn lapse(mut seen: watch::Receiver<Option<Instant>>) {
    loop {
        let until = *seen.borrow_and_update();
        let Some(until) = until.filter(|until| Instant::now() < *until) else { return };
        tokio::select! {
            () = sleep_until(until) => {}
            changed = seen.changed() => if changed.is_err() { return },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::watch;
    use tokio::time::{Instant, sleep_until};

    use super::lapse;

    const SOON: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn it_ends_when_it_was_not_renewed_in_time() {
        let end = Instant::now() + SOON;
        // Who would renew it is there, and does not.
        let until = watch::Sender::new(Some(end));
        lapse(until.subscribe()).await;
        assert!(Instant::now() >= end);
        lapse(watch::Sender::new(None).subscribe()).await;
    }

    #[tokio::test]
    async fn a_renewal_is_seen_by_who_was_not_told_of_it() {
        let first = Instant::now() + 10 * SOON;
        let until = watch::Sender::new(Some(first));
        let ended = tokio::spawn(lapse(until.subscribe()));
        // It has begun.
        tokio::task::yield_now().await;
        until.send_if_modified(|until| {
            *until = Some(first + Duration::from_secs(3600));
            false
        });
        sleep_until(first + SOON).await;
        assert!(!ended.is_finished(), "it was renewed");
        ended.abort();
    }

    #[tokio::test]
    async fn it_ends_at_once_when_another_process_has_it() {
        let begun = Instant::now();
        let until = watch::Sender::new(Some(begun + Duration::from_secs(3600)));
        let ended = tokio::spawn(lapse(until.subscribe()));
        tokio::task::yield_now().await;
        until.send_replace(None);
        ended.await.unwrap();
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
}
