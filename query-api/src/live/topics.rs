//! Who listens to what.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::LiveError;
use crate::limits::LIVE_BUFFER;

/// Listeners by what they listen to. An update costs what its own listeners cost, however many there are of others.
#[derive(Debug)]
pub(super) struct Topics<T> {
    /// `None` once nothing comes any more.
    listeners: Mutex<Option<HashMap<i64, Vec<Listener<T>>>>>,
}

#[derive(Debug)]
struct Listener<T> {
    sender: mpsc::Sender<T>,
    too_slow: Arc<AtomicBool>,
}

/// A listener's end.
pub(super) struct Inbox<T> {
    receiver: mpsc::Receiver<T>,
    too_slow: Arc<AtomicBool>,
}

impl<T: Clone> Topics<T> {
    pub(super) fn new() -> Self {
        Self { listeners: Mutex::new(Some(HashMap::new())) }
    }

    /// Listens from now on; nothing when nothing comes any more.
    pub(super) fn listen(&self, topic: i64) -> Option<Inbox<T>> {
        let mut listeners = self.listeners.lock();
        let topic = listeners.as_mut()?.entry(topic).or_default();
        // Who has gone makes room for who comes.
        topic.retain(|listener| !listener.sender.is_closed());
        let (sender, receiver) = mpsc::channel(LIVE_BUFFER);
        let too_slow = Arc::new(AtomicBool::new(false));
        topic.push(Listener { sender, too_slow: Arc::clone(&too_slow) });
        Some(Inbox { receiver, too_slow })
    }

    /// True when somebody listens to it.
    pub(super) fn has(&self, topic: i64) -> bool {
        self.listeners.lock().as_ref().is_some_and(|listeners| listeners.contains_key(&topic))
    }

    /// True when somebody listens to anything.
    pub(super) fn any(&self) -> bool {
        self.listeners.lock().as_ref().is_some_and(|listeners| !listeners.is_empty())
    }

    /// Tells everybody who listens to it. Waits for nobody: who has no room left is told that it is too slow, after what it has.
    pub(super) fn tell(&self, topic: i64, update: &T) {
        let mut listeners = self.listeners.lock();
        let Some(listeners) = listeners.as_mut() else { return };
        let Some(of_topic) = listeners.get_mut(&topic) else { return };
        of_topic.retain(|listener| match listener.sender.try_send(update.clone()) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                listener.too_slow.store(true, Ordering::Release);
                false
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        });
        if of_topic.is_empty() {
            listeners.remove(&topic);
        }
    }

    /// Forgets who has gone.
    pub(super) fn sweep(&self, topic: i64) {
        let mut listeners = self.listeners.lock();
        let Some(listeners) = listeners.as_mut() else { return };
        if let Some(of_topic) = listeners.get_mut(&topic) {
            of_topic.retain(|listener| !listener.sender.is_closed());
            if of_topic.is_empty() {
                listeners.remove(&topic);
            }
        }
    }

    /// Ends it: every listener is told after what it has.
    pub(super) fn close(&self) {
        *self.listeners.lock() = None;
    }
}

impl<T> Inbox<T> {
    pub(super) async fn next(&mut self) -> Result<T, LiveError> {
        let reason = || match self.too_slow.load(Ordering::Acquire) {
            true => LiveError::TooSlow,
            false => LiveError::Interrupted,
        };
        self.receiver.recv().await.ok_or_else(reason)
    }

    /// Hears nothing more.
    pub(super) fn close(&mut self) {
        self.receiver.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_too_slow_is_told_after_what_it_has() {
        let topics = Topics::new();
        let (mut slow, mut other) = (topics.listen(1).unwrap(), topics.listen(2).unwrap());
        for number in 0..=LIVE_BUFFER {
            topics.tell(1, &number);
        }
        assert!(!topics.has(1));
        topics.tell(2, &7);
        for number in 0..LIVE_BUFFER {
            assert_eq!(slow.next().await, Ok(number));
        }
        assert_eq!(slow.next().await, Err(LiveError::TooSlow));
        assert_eq!(other.next().await, Ok(7));
        topics.close();
        assert_eq!(other.next().await, Err(LiveError::Interrupted));
        assert!(topics.listen(1).is_none());
    }

    #[tokio::test]
    async fn who_has_gone_is_forgotten() {
        let topics = Topics::<u8>::new();
        let mut gone = topics.listen(1).unwrap();
        let _stays = topics.listen(2).unwrap();
        gone.close();
        topics.sweep(1);
        topics.sweep(2);
        assert!(!topics.has(1) && topics.has(2));
    }
}
