//! Automatic persisted queries, as Apollo's clients speak them: a query is sent once, and from then on by its SHA-256.
//!
//! Not async-graphql's own extension: that one parses a document before anybody has looked at how deep it goes.

use std::sync::Arc;

use async_graphql::{Request, from_value};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::limits::{PERSISTED_BYTES_MAX, PERSISTED_QUERIES_EXPECTED};
use crate::problem::Problem;

/// Queries by their hash, those that are used; clones share them.
#[derive(Clone)]
pub(super) struct Persisted(Arc<Cache<Hash, Arc<str>, Bytes>>);

type Hash = [u8; 32];

#[derive(Clone)]
struct Bytes;

impl Weighter<Hash, Arc<str>> for Bytes {
    fn weight(&self, hash: &Hash, query: &Arc<str>) -> u64 {
        u64::try_from(hash.len().saturating_add(query.len())).unwrap_or(u64::MAX)
    }
}

/// What a client says in `extensions.persistedQuery`.
#[derive(Deserialize)]
struct Extension {
    version: u32,
    #[serde(rename = "sha256Hash")]
    sha256_hash: String,
}

impl Persisted {
    pub(super) fn new() -> Self {
        Self(Arc::new(Cache::with_weighter(PERSISTED_QUERIES_EXPECTED, PERSISTED_BYTES_MAX, Bytes)))
    }

    /// Puts the query into a request that only names it. Returns the hash of one that is to be kept if it is any good.
    pub(super) fn find(&self, request: &mut Request) -> Result<Option<Hash>, Problem> {
        let Some(extension) = request.extensions.remove("persistedQuery") else { return Ok(None) };
        let unreadable =
            || Problem::InvalidQuery("'persistedQuery' must have version 1 and a 'sha256Hash'.".to_owned());
        let extension: Extension = from_value(extension).map_err(|_| unreadable())?;
        let hash =
            hash_of(&extension.sha256_hash).filter(|_| extension.version == 1).ok_or_else(unreadable)?;
        if request.query.is_empty() {
            let query = self.0.get(&hash).ok_or(Problem::PersistedQueryNotFound)?;
            query.as_ref().clone_into(&mut request.query);
            return Ok(None);
        }
        if Hash::from(Sha256::digest(&request.query)) != hash {
            return Err(Problem::InvalidQuery("'sha256Hash' is not the hash of the query.".to_owned()));
        }
        Ok(Some(hash))
    }

    pub(super) fn keep(&self, hash: Hash, query: &str) {
        self.0.insert(hash, query.into());
    }
}

/// Reads 64 hexadecimal digits.
fn hash_of(text: &str) -> Option<Hash> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| Some(u8::try_from(digit.to_digit(16)?).unwrap_or(0)))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> =
        digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    bytes.try_into().ok().filter(|_| text.len() == 64)
}
