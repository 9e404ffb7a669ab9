//! Where files are kept: statements, downloads, old months.

use std::path::Path;

use clap::Args;
use file_store::{FileStore, Location, UrlSecret};

use crate::auth::files_secret;
use crate::commands::Failure;

/// The place for files.
#[derive(Clone, Debug, Args)]
pub(crate) struct FilesFlags {
    /// Where files are kept: a folder, or s3://BUCKET/PREFIX with the usual AWS_… variables for region, credentials and endpoint. The same in
    /// all processes [default: `files` in the data directory]
    #[arg(long, value_name = "URL", env = "DAYBOOK_FILES_URL")]
    files_url: Option<String>,
}

impl FilesFlags {
    /// The store; links to its files are signed with the data directory's key.
    ///
    /// # Errors
    /// When that is no place, or it cannot be used.
    pub(crate) fn open(&self, data_dir: &Path) -> Result<FileStore, Failure> {
        // compose gives every variable a value.
        let location = match self.files_url.as_deref().filter(|url| !url.is_empty()) {
            Some(url) => url.parse().map_err(|error| format!("--files-url: {error}"))?,
            None => Location::Folder(data_dir.join("files")),
        };
        let secret = UrlSecret::new(files_secret(data_dir)?);
        Ok(FileStore::open(&location, secret).map_err(|error| format!("--files-url: {error}"))?)
    }
}
