//! Documents that were read before: clients send the same few again and again, with other variables.

use std::sync::Arc;

use async_graphql::Request;
use async_graphql::parser::types::ExecutableDocument;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::limits::{PARSED_BYTES_MAX, PERSISTED_QUERIES_EXPECTED};

/// Documents by their text, those that are used; all have been admitted. Clones share them.
#[derive(Clone)]
pub(super) struct Documents(Arc<Cache<Box<str>, Arc<ExecutableDocument>, Bytes>>);

#[derive(Clone)]
struct Bytes;

impl Weighter<Box<str>, Arc<ExecutableDocument>> for Bytes {
    fn weight(&self, text: &Box<str>, _: &Arc<ExecutableDocument>) -> u64 {
        u64::try_from(text.len()).unwrap_or(u64::MAX)
    }
}

impl Documents {
    pub(super) fn new() -> Self {
        Self(Arc::new(Cache::with_weighter(PERSISTED_QUERIES_EXPECTED, PARSED_BYTES_MAX, Bytes)))
    }

    /// The request's document, if it was admitted before; the request has it then, too.
    pub(super) fn find(&self, request: &mut Request) -> Option<Arc<ExecutableDocument>> {
        let document = self.0.get(request.query.as_str())?;
        request.set_parsed_query(document.as_ref().clone());
        Some(document)
    }

    /// Keeps a document that was admitted.
    pub(super) fn keep(&self, text: &str, document: &ExecutableDocument) {
        self.0.insert(text.into(), Arc::new(document.clone()));
    }
}
