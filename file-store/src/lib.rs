//! Where files are kept: statements, downloads and old months.
//!
//! A [`FileStore`] is a folder of this machine or a bucket on S3, opened by its [`Location`]. A file has a [`Key`], which cannot lead out of
//! the store, and appears whole or not at all. Everything written comes back with its [`Sha256`]. A link to a file is signed and expires:
//! by S3 itself, or with a [`UrlSecret`] for a route of ours.

mod digest;
mod error;
mod key;
mod limits;
mod location;
mod s3;
mod signed;
mod store;
mod upload;

#[cfg(test)]
mod tests;

pub use bytes::Bytes;
pub use digest::{Sha256, Sha256Error};
pub use error::FileError;
pub use key::{Key, KeyError};
pub use limits::{SECRET_BYTES, URL_VALID_MAX};
pub use location::{Location, LocationError};
pub use signed::{FILES_ROUTE, Refusal, UrlSecret};
pub use store::{FileInfo, FileStore, PutNew};
pub use upload::{Stored, Upload};
