//! One process per data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::error::{FileError, OpenError};

/// Takes the directory's lock. It is held until the file is dropped, or the process ends however it ends.
pub(crate) fn lock_dir(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("LOCK");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(FileError::on("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(FileError::on("lock", &path)(error).into()),
    }
}
