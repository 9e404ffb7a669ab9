//! Loads begin once everything that can be asked for has been asked for.
//!
//! A request's fields are resolved by one task. When that task can go no further, all siblings have said which rows they want; only then does
//! the same task load them, many keys with one statement. A timer would have to guess how long siblings take.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use async_graphql::dataloader::DataLoader;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;

use super::{Divided, Loaders};
use crate::database::ReadDatabases;
use crate::limits::BATCH_KEYS_MAX;

/// Loads that one request has asked for and that have not begun.
#[derive(Clone, Default)]
pub(crate) struct Gathered(Arc<Mutex<Vec<BoxFuture<'static, ()>>>>);

impl Gathered {
    /// A loader whose loads begin in [`Self::run`].
    pub(crate) fn loaders(&self, databases: &ReadDatabases) -> Loaders {
        let queue = Arc::clone(&self.0);
        let spawn = move |load| queue.lock().push(load);
        DataLoader::new(Divided(databases.clone()), spawn)
            .delay(std::time::Duration::ZERO)
            .max_batch_size(BATCH_KEYS_MAX)
    }

    /// Runs a request, and the loads that it waits for.
    pub(crate) async fn run<T>(&self, request: impl Future<Output = T>) -> T {
        let mut request = pin!(request);
        let mut loads = FuturesUnordered::new();
        poll_fn(|context| {
            loop {
                if let Poll::Ready(answer) = request.as_mut().poll(context) {
                    return Poll::Ready(answer);
                }
                loads.extend(self.0.lock().drain(..));
                let mut loaded = false;
                while let Poll::Ready(Some(())) = loads.poll_next_unpin(context) {
                    loaded = true;
                }
                if !loaded {
                    return Poll::Pending;
                }
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_graphql::dataloader::Loader;
    use futures::future::join_all;

    use super::*;

    struct Counting(Arc<AtomicUsize>);

    impl Loader<usize> for Counting {
        type Value = usize;
        type Error = Infallible;

        async fn load(&self, keys: &[usize]) -> Result<HashMap<usize, usize>, Infallible> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(keys.iter().map(|key| (*key, key * 2)).collect())
        }
    }

    #[tokio::test]
    async fn siblings_are_loaded_together_however_long_they_take_to_ask() {
        let gathered = Gathered::default();
        let count = Arc::new(AtomicUsize::new(0));
        let queue = Arc::clone(&gathered.0);
        let loader = DataLoader::new(Counting(Arc::clone(&count)), move |load| queue.lock().push(load));
        let loader = loader.delay(std::time::Duration::ZERO);
        let field = async |key: usize| {
            std::thread::sleep(std::time::Duration::from_millis(2));
            let first = loader.load_one(key).await.unwrap().unwrap();
            loader.load_one(first + 1_000).await.unwrap().unwrap()
        };
        let answers = gathered.run(join_all((0..20).map(field))).await;
        assert_eq!(answers, (0..20).map(|key| (key * 2 + 1_000) * 2).collect::<Vec<_>>());
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }
}
