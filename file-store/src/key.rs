//! Names of files.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits::{KEY_BYTES_MAX, SEGMENT_BYTES_MAX};

/// The name of a file, or of a folder of files: segments with `/` between, of letters, digits, `.`, `_`, `-` and `=`. No segment begins
/// with a dot, so no key leaves the store, and none is hidden from readers of a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

/// Why a text is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a file's key: segments of letters, digits, '.', '_', '-' and '=' with '/' between, none beginning with a dot, at most \
     {KEY_BYTES_MAX} bytes"
)]
pub struct KeyError(String);

impl Key {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last segment.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The file's name where somebody saves it: all of its key but the first segment, which says what kind of file it is.
    #[must_use]
    pub fn saved_as(&self) -> String {
        let rest = self.0.split_once('/').map_or(self.as_str(), |(_, rest)| rest);
        rest.replace('/', "-")
    }

    /// What is in the file, by its name, as HTTP calls it.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        match self.name().rsplit_once('.').map(|(_, extension)| extension) {
            Some("pdf") => "application/pdf",
            Some("csv") => "text/csv; charset=utf-8",
            Some("xml") => "application/xml",
            Some("zip") => "application/zip",
            Some("json") => "application/json",
            Some("parquet") => "application/vnd.apache.parquet",
            _ => "application/octet-stream",
        }
    }

    /// The file in this folder.
    ///
    /// # Errors
    /// When that is no key.
    pub fn join(&self, name: &str) -> Result<Self, KeyError> {
        format!("{self}/{name}").parse()
    }
}

fn is_segment(segment: &str) -> bool {
    (1..=SEGMENT_BYTES_MAX).contains(&segment.len())
        && !segment.starts_with('.')
        && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-=".contains(&byte))
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let is_key = text.len() <= KEY_BYTES_MAX && text.split('/').all(is_segment);
        is_key.then(|| Self(text.to_owned())).ok_or_else(|| KeyError(text.chars().take(80).collect()))
    }
}

impl TryFrom<String> for Key {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
