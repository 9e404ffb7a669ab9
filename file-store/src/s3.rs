//! A bucket on S3, or on what speaks its protocol.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::Method;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::signer::{SignedUrlOptions, Signer};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};

use crate::limits::{
    CONNECT_TIME_MAX, REQUEST_TIME_MAX, RETRIES_MAX, RETRY_PAUSE, RETRY_PAUSE_MAX, RETRY_TIME_MAX,
};
use crate::{FileError, FileStore, Key};

/// An instant as HTTP writes it.
const HTTP_DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// The bucket, with endpoint, region, credentials and whatever else the `AWS_…` settings say.
pub(crate) fn open(
    bucket: &str,
    settings: impl IntoIterator<Item = (String, String)>,
) -> Result<AmazonS3, object_store::Error> {
    let mut client = ClientOptions::new();
    let mut builder = AmazonS3Builder::new();
    for (name, value) in settings {
        let name = name.to_ascii_lowercase();
        match AmazonS3ConfigKey::from_str(&name) {
            // Below all the others go in one piece.
            Ok(AmazonS3ConfigKey::Client(key)) => client = client.with_config(key, value),
            Ok(key) => builder = builder.with_config(key, value),
            // Of other programs.
            Err(_) => {}
        }
    }
    let retry = RetryConfig {
        backoff: BackoffConfig { init_backoff: RETRY_PAUSE, max_backoff: RETRY_PAUSE_MAX, base: 2.0 },
        max_retries: RETRIES_MAX,
        retry_timeout: RETRY_TIME_MAX,
    };
    let client = client.with_timeout(REQUEST_TIME_MAX).with_connect_timeout(CONNECT_TIME_MAX);
    builder.with_client_options(client).with_retry(retry).with_bucket_name(bucket).build()
}

impl FileStore {
    /// S3's own link to the file; none when files are not there.
    pub(crate) async fn presigned(
        &self,
        key: &Key,
        valid_for: Duration,
        now: DateTime<Utc>,
    ) -> Result<Option<String>, FileError> {
        let Some(s3) = self.s3() else { return Ok(None) };
        let disposition = format!("attachment; filename=\"{}\"", key.saved_as());
        // Kept as long as the link is good. How long that is when somebody follows it, only an instant can say.
        let expires = now.checked_add_signed(TimeDelta::from_std(valid_for).unwrap_or_default());
        let expires = expires.unwrap_or(now).format(HTTP_DATE).to_string();
        let options = SignedUrlOptions::new().with_query([
            ("response-cache-control", "public, immutable"),
            ("response-content-disposition", disposition.as_str()),
            ("response-content-type", key.content_type()),
            ("response-expires", expires.as_str()),
        ]);
        let url = s3.signed_url_opts(Method::GET, &self.path(key), valid_for, &options).await;
        Ok(Some(url.map_err(|source| FileError::new("sign a link to", key, source))?.into()))
    }
}
