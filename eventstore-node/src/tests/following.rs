//! Subscriptions to one stream: what happens to the stream, and only that, concerns them.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use super::support::*;
use crate::ExpectedRevision::{Any, NoStream};
use crate::*;

fn texts(events: &[RecordedEvent]) -> Vec<String> {
    events.iter().map(data).collect()
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_subscription_is_not_woken_for_other_streams() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    run(async {
        let mut mine = node.subscribe_stream("mine", None);
        let mut next = pin!(mine.next_batch(10));
        assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        for number in 0..20 {
            node.append(vec![part(&format!("other-{number}"), Any, vec![fresh("")])]).await.unwrap();
        }
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        node.append(vec![part("mine", Any, vec![fresh("0")])]).await.unwrap();
        assert_eq!(texts(&soon(next).await.unwrap()), ["0"]);
        assert!(count.0.load(Ordering::SeqCst) > 0);
        node.shutdown().await;
    });
}

#[test]
fn a_subscription_returns_the_tombstone_and_then_ends() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    run(async {
        let mut waiting = node.subscribe_stream("a", None);
        let mut late = node.subscribe_stream("a", None);
        let mut never = node.subscribe_stream("never", Some(7));
        let mut metadata = node.subscribe_stream("$$a", None);
        node.append(vec![part("a", NoStream, vec![fresh("0"), fresh("1")])]).await.unwrap();
        assert_eq!(texts(&soon(waiting.next_batch(10)).await.unwrap()), ["0", "1"]);
        let task = tokio::spawn(async move {
            let end = waiting.next_batch(10).await.unwrap();
            (end, waiting)
        });
        let ended = tokio::spawn(async move { metadata.next_batch(10).await });
        let tombstone = node.tombstone_stream("a", Any).await.unwrap();
        node.tombstone_stream("never", Any).await.unwrap();
        let (end, mut waiting) = soon(task).await.unwrap();
        assert_eq!((end.len(), end[0].position), (1, tombstone.position));
        assert!(matches!(soon(ended).await.unwrap(), Err(ReadError::StreamDeleted { .. })));
        // One that has not come so far yet gets everything before.
        assert!(!late.caught_up().unwrap());
        assert_eq!(texts(&soon(late.next_batch(1)).await.unwrap()), ["0"]);
        assert_eq!(texts(&soon(late.next_batch(9)).await.unwrap()), ["1"]);
        assert_eq!(soon(late.next_batch(9)).await.unwrap(), end);
        assert_eq!(soon(never.next_batch(9)).await.unwrap()[0].revision, DELETED_REVISION);
        let mut new = node.subscribe_stream("a", None);
        for ended in [&mut waiting, &mut late, &mut never, &mut new] {
            for _ in 0..2 {
                assert!(matches!(soon(ended.next_batch(9)).await, Err(ReadError::StreamDeleted { .. })));
            }
        }
        assert!(waiting.caught_up().unwrap());
        node.shutdown().await;
    });
}

#[test]
fn a_subscription_goes_on_when_its_stream_does() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    run(async {
        node.append(vec![part("a", NoStream, vec![fresh("0"), fresh("1")])]).await.unwrap();
        let mut early = node.subscribe_stream("a", None);
        assert_eq!(texts(&early.next_batch(1).await.unwrap()), ["0"]);
        node.delete_stream("a", Any).await.unwrap();
        assert!(early.caught_up().unwrap());
        let mut late = node.subscribe_stream("a", None);
        let waiting = tokio::spawn(async move { late.next_batch(10).await.unwrap() });
        node.append(vec![part("a", NoStream, vec![fresh("2"), fresh("3")])]).await.unwrap();
        assert_eq!(texts(&soon(waiting).await.unwrap()), ["2", "3"]);
        assert_eq!(texts(&soon(early.next_batch(10)).await.unwrap()), ["2", "3"]);
        // Metadata that shows more is news, too.
        node.append(vec![part("$$a", Any, vec![fresh(r#"{"$tb":9}"#)])]).await.unwrap();
        let mut hidden = node.subscribe_stream("a", Some(1));
        assert!(hidden.caught_up().unwrap());
        let waiting = tokio::spawn(async move { hidden.next_batch(10).await.unwrap() });
        tokio::task::yield_now().await;
        node.append(vec![part("$$a", Any, vec![fresh(r#"{"$maxCount":1}"#)])]).await.unwrap();
        assert_eq!(texts(&soon(waiting).await.unwrap()), ["3"]);
        node.shutdown().await;
        assert!(matches!(early.next_batch(1).await, Err(ReadError::ShuttingDown)));
    });
}

#[test]
fn subscriptions_that_wait_end_with_the_node() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(dir.path());
    run(async {
        let waiting: Vec<_> = (0..3)
            .map(|number| {
                let mut subscription = node.subscribe_stream(format!("s{number}"), None);
                tokio::spawn(async move { subscription.next_batch(1).await })
            })
            .collect();
        tokio::task::yield_now().await;
        node.shutdown().await;
        for subscription in waiting {
            assert!(matches!(soon(subscription).await.unwrap(), Err(ReadError::ShuttingDown)));
        }
    });
}
