//! Links to files that expire: a key, an instant, and a signature over both.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};

use crate::limits::{SECRET_BYTES, URL_VALID_MAX};
use crate::{FileError, FileStore, Key};

/// The route that answers links to files of a folder; the key comes after it.
pub const FILES_ROUTE: &str = "/api/v1/files/";

/// Said first in what is signed: a signature made with this secret for anything else is no signature of a link.
const PURPOSE: &[u8] = b"daybook file link 1\n";

/// What signs links. Whoever has it can read every file.
#[derive(Clone)]
pub struct UrlSecret([u8; SECRET_BYTES]);

/// Why a link is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was not signed with this secret, or changed since.
    #[error("the link is not one of ours, or was changed")]
    Unsigned,
    /// It was good once.
    #[error("the link has expired: ask for a new one")]
    Expired,
}

impl UrlSecret {
    /// These bytes, which must be random.
    #[must_use]
    pub const fn new(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(bytes)
    }

    fn mac(&self, key: &Key, expires: i64) -> Option<Hmac<sha2::Sha256>> {
        let mut mac = <Hmac<sha2::Sha256> as Mac>::new_from_slice(&self.0).ok()?;
        mac.update(PURPOSE);
        // No key has a line break in it.
        mac.update(key.as_str().as_bytes());
        mac.update(format!("\n{expires}").as_bytes());
        Some(mac)
    }

    /// The path and query of a link that is good before `expires` (seconds since the UNIX epoch).
    fn path(&self, key: &Key, expires: i64) -> String {
        let mac = self.mac(key, expires).map(|mac| mac.finalize().into_bytes());
        let signature = URL_SAFE_NO_PAD.encode(mac.unwrap_or_default());
        format!("{FILES_ROUTE}{key}?expires={expires}&signature={signature}")
    }

    /// Whether a link is to be followed at `now`. The signature is looked at first and in constant time: of a link that is not ours nobody
    /// learns more.
    ///
    /// # Errors
    /// Why not.
    pub fn verify(
        &self,
        key: &Key,
        expires: i64,
        signature: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refusal::Unsigned)?;
        let mac = self.mac(key, expires).ok_or(Refusal::Unsigned)?;
        mac.verify_slice(&signature).map_err(|_| Refusal::Unsigned)?;
        if now.timestamp() < expires { Ok(()) } else { Err(Refusal::Expired) }
    }
}

impl fmt::Debug for UrlSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UrlSecret(…)")
    }
}

impl FileStore {
    /// A link by which anybody can read the file for a while, at most [`URL_VALID_MAX`] from `now`: on S3 an address there, else the path
    /// and query of one here. Whether the file is there is not looked at.
    ///
    /// # Errors
    /// When S3's credentials are not to be had.
    pub async fn url_for(
        &self,
        key: &Key,
        valid_for: Duration,
        now: DateTime<Utc>,
    ) -> Result<String, FileError> {
        let valid_for = valid_for.min(URL_VALID_MAX);
        if let Some(url) = self.presigned(key, valid_for, now).await? {
            return Ok(url);
        }
        let seconds = i64::try_from(valid_for.as_secs()).unwrap_or(0);
        Ok(self.secret().path(key, now.timestamp().saturating_add(seconds)))
    }

    /// Whether a link of [`url_for`](Self::url_for) to a file of a folder is to be followed.
    ///
    /// # Errors
    /// Why not.
    pub fn verify(
        &self,
        key: &Key,
        expires: i64,
        signature: &str,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        self.secret().verify(key, expires, signature, now)
    }
}
