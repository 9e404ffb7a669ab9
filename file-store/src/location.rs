//! Where a store is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

use crate::Key;

/// A folder of this machine, or a bucket on S3 and a prefix in it: as text `/path`, `file:///path` or `s3://bucket/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A folder; made when first used.
    Folder(PathBuf),
    /// On S3, or what speaks its protocol.
    S3 {
        /// The bucket, which must be there.
        bucket: String,
        /// Before each key.
        prefix: Option<Key>,
    },
}

/// Why a text is not a location.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Something else.
    #[error("'{0}' is not a place for files: write a folder, file:///folder, or s3://bucket/prefix")]
    Unknown(String),
    /// Passwords do not belong into addresses, which are logged.
    #[error(
        "the place for files has more than a bucket and a prefix: give credentials, region and endpoint in AWS_… variables"
    )]
    Surplus,
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        let unknown = || LocationError::Unknown(text.chars().take(200).collect());
        if text.is_empty() {
            return Err(unknown());
        }
        if !text.contains("://") {
            return Ok(Self::Folder(text.into()));
        }
        let url = Url::parse(text).map_err(|_| unknown())?;
        if !url.username().is_empty()
            || url.password().is_some()
            || url.port().is_some()
            || url.query().is_some()
            || url.fragment().is_some()
        {
            return Err(LocationError::Surplus);
        }
        match (url.scheme(), url.host_str()) {
            ("file", None) => Ok(Self::Folder(url.to_file_path().map_err(|()| unknown())?)),
            ("s3", Some(bucket)) => {
                let prefix = url.path().trim_matches('/');
                let prefix =
                    if prefix.is_empty() { None } else { Some(prefix.parse().map_err(|_| unknown())?) };
                Ok(Self::S3 { bucket: bucket.to_owned(), prefix })
            }
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::S3 { bucket, prefix: None } => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix: Some(prefix) } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}
