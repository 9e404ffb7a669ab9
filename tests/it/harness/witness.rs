//! Everything that the clients of one daybook asked, and what each of them was answered.

use std::sync::Arc;

use parking_lot::Mutex;
use reqwest::{Method, Request};
use serde_json::Value;

use super::client::Answer;

/// Hears every exchange of the clients that share it, in all lives of a daybook.
#[derive(Clone, Default)]
pub(crate) struct Witness(Arc<Mutex<Vec<Exchange>>>);

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
    pub(super) fn hears(&self, exchange: Exchange) {
        self.0.lock().push(exchange);
    }

    /// All that was heard so far.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.0.lock().clone()
    }

    /// The highest position that anybody was told.
    pub(crate) fn acknowledged(&self) -> u64 {
        let exchanges = self.0.lock();
        exchanges.iter().filter_map(|heard| heard.answer.as_ref()).map(Answer::position).max().unwrap_or(0)
    }
}
