//! Where files are kept: statements, and months that have left the database.

use std::path::Path;

use clap::Args;
use file_store::{FileStore, Location, UrlSecret};

use crate::auth;
use crate::commands::Failure;

/// The folder of the data directory that has them.
const FOLDER: &str = "files";

/// Where files are.
#[derive(Clone, Debug, Args)]
pub(crate) struct FilesArgs {
    /// Where files are kept, statements and archived months: a folder, or s3://BUCKET/PREFIX with the usual AWS_ variables. The same in all
    /// processes [default: files/ in the data directory]
    #[arg(long, value_name = "URL", env = "DAYBOOK_FILES_URL")]
    files_url: Option<String>,
}

impl FilesArgs {
    /// The place; nothing of S3 is asked yet. Links are signed with the data directory's secret, which is made at its first use.
    ///
    /// # Errors
    /// When that is no place for files, or the folder or the secret cannot be used.
    pub(crate) fn open(&self, data_dir: &Path) -> Result<FileStore, Failure> {
        // compose gives every variable a value.
        let location = match self.files_url.as_deref().filter(|url| !url.is_empty()) {
            Some(url) => url.parse().map_err(|error| format!("--files-url: {error}"))?,
            None => Location::Folder(data_dir.join(FOLDER)),
        };
        let secret = UrlSecret::new(auth::files_secret(data_dir)?);
        Ok(FileStore::open(&location, secret).map_err(|error| format!("--files-url: {error}"))?)
    }
}
