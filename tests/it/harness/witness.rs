//! Everything that the clients of one daybook asked, and what each of them was answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use reqwest::{Method, Request};
use serde_json::Value;

use super::client::Answer;

/// Hears every exchange of the clients that share it, in all lives of a daybook.
#[derive(Clone, Default)]
pub(crate) struct Witness {
    exchanges: Arc<Mutex<Vec<Exchange>>>,
    under_way: Arc<AtomicUsize>,
}

/// One request, and what came back.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// Null when it has none, or none in JSON.
    pub(crate) body: Value,
    /// The position that a read named, or the highest that a writer had been told.
    pub(crate) at: u64,
    /// None when no answer came: nobody knows what became of the request.
    pub(crate) answer: Option<Answer>,
}

impl Exchange {
    /// A request that has not been answered yet.
    pub(super) fn asked(request: &Request, at: u64) -> Self {
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        Self {
            method: request.method().clone(),
            path: request.url().path().to_owned(),
            body: serde_json::from_slice(body).unwrap_or_default(),
            at,
            answer: None,
        }
    }
}

impl Witness {
    /// A request begins.
    pub(super) fn listens(&self) {
        self.under_way.fetch_add(1, Ordering::SeqCst);
    }

    /// It has ended, one way or the other.
    pub(super) fn hears(&self, exchange: Exchange) {
        self.exchanges.lock().push(exchange);
        self.under_way.fetch_sub(1, Ordering::SeqCst);
    }

    /// True when nobody waits for an answer.
    pub(crate) fn is_quiet(&self) -> bool {
        self.under_way.load(Ordering::SeqCst) == 0
    }

    /// All that was heard so far.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.exchanges.lock().clone()
    }

    /// The highest position that anybody was told.
    pub(crate) fn acknowledged(&self) -> u64 {
        let exchanges = self.exchanges.lock();
        exchanges.iter().filter_map(|heard| heard.answer.as_ref()).map(Answer::position).max().unwrap_or(0)
    }
}
