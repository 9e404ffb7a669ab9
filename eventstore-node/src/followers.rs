//! Who waits for which stream: so that a group wakes those whom it concerns, however many wait for others.

use std::collections::HashMap;

use parking_lot::RwLock;
use tokio::sync::watch;

/// The streams that are followed, by the hash of their name. Two streams with one hash only cost a look in vain.
#[derive(Debug, Default)]
pub(crate) struct Followers(RwLock<HashMap<u64, watch::Sender<()>>>);

impl Followers {
    /// From now on the receiver is told of changes. To be ended with [`Followers::leave`].
    pub(crate) fn follow(&self, hash: u64) -> watch::Receiver<()> {
        self.0.write().entry(hash).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    /// Forgets the stream if all its receivers are dropped.
    pub(crate) fn leave(&self, hash: u64) {
        let mut followed = self.0.write();
        if followed.get(&hash).is_some_and(|sender| sender.receiver_count() == 0) {
            followed.remove(&hash);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.read().is_empty()
    }

    /// Tells the followers of a stream to look.
    pub(crate) fn wake(&self, hash: u64) {
        if let Some(sender) = self.0.read().get(&hash) {
            sender.send_replace(());
        }
    }

    /// Tells everybody to look.
    pub(crate) fn wake_all(&self) {
        for sender in self.0.read().values() {
            sender.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_forgotten_with_its_last_follower() {
        let followers = Followers::default();
        let (first, second, other) = (followers.follow(1), followers.follow(1), followers.follow(2));
        followers.wake(1);
        assert!(
            first.has_changed().unwrap() && second.has_changed().unwrap() && !other.has_changed().unwrap()
        );
        drop(first);
        followers.leave(1);
        assert!(!followers.is_empty());
        drop((second, other));
        followers.leave(1);
        followers.leave(2);
        assert!(followers.is_empty());
    }
}
