//! The data directory, and the lock that keeps it to one process.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It cannot be made, entered or locked.
    #[error("cannot use the data directory {dir}: {source}")]
    Unusable {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not there.
    #[error(
        "there is no data directory {dir}: name the one of the running daybook with --data-dir (DAYBOOK_DATA_DIR), or, to \
         begin with new keys, make an empty one first"
    )]
    Missing {
        /// The directory.
        dir: PathBuf,
    },
    /// Another process has it.
    #[error("another daybook{process} runs on {dir}: stop it first, or choose another --data-dir")]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// " (process 123)", if known.
        process: String,
    },
}

/// The data directory, absolute; made if missing. Others may pass through it (Postgres may run as another user) but not
/// list it.
///
/// # Errors
/// When it cannot be made.
pub fn prepare(dir: &Path) -> Result<PathBuf, DataDirError> {
    let unusable = |source| DataDirError::Unusable { dir: dir.to_owned(), source };
    if !dir.exists() {
        DirBuilder::new().recursive(true).create(dir).map_err(unusable)?;
        fs::set_permissions(dir, Permissions::from_mode(0o711)).map_err(unusable)?;
    }
    dir.canonicalize().map_err(unusable)
}

/// The data directory, absolute. Never made: a mistyped path would give new keys, which nobody else has.
///
/// # Errors
/// [`DataDirError::Missing`], or when it cannot be entered.
pub fn existing(dir: &Path) -> Result<PathBuf, DataDirError> {
    match dir.canonicalize() {
        Ok(dir) => Ok(dir),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(DataDirError::Missing { dir: dir.to_owned() })
        }
        Err(source) => Err(DataDirError::Unusable { dir: dir.to_owned(), source }),
    }
}

/// Holds the directory for this process while it is held.
#[derive(Debug)]
pub struct DataDirLock(#[expect(dead_code, reason = "held open for its lock")] File);

impl DataDirLock {
    /// Takes the directory for this process. Freed however the process ends.
    ///
    /// # Errors
    /// [`DataDirError::InUse`] when another process has it.
    pub fn take(dir: &Path) -> Result<Self, DataDirError> {
        let path = dir.join("daybook.pid");
        let unusable = |source| DataDirError::Unusable { dir: dir.to_owned(), source };
        let open = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        let mut file = open.map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(&path).unwrap_or_default();
                let pid = pid.trim();
                return Err(DataDirError::InUse {
                    dir: dir.to_owned(),
                    process: if pid.is_empty() { String::new() } else { format!(" (process {pid})") },
                });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        let write = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        write.map_err(unusable)?;
        Ok(Self(file))
    }
}

#[cfg(test)]
mod tests {
    use super::{DataDirError, DataDirLock, existing, prepare};

    #[test]
    fn what_only_reads_makes_no_directory() {
        let parent = tempfile::tempdir().unwrap();
        let mistyped = parent.path().join("daat");
        let refused = existing(&mistyped).unwrap_err();
        assert!(matches!(refused, DataDirError::Missing { .. }));
        assert!(!mistyped.exists());
        assert_eq!(existing(parent.path()).unwrap(), parent.path().canonicalize().unwrap());
    }

    #[test]
    fn one_process_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let dir = prepare(&parent.path().join("a/b")).unwrap();
        let lock = DataDirLock::take(&dir).unwrap();
        let refused = DataDirLock::take(&dir).unwrap_err();
        assert!(matches!(refused, DataDirError::InUse { .. }));
        assert!(refused.to_string().contains(&std::process::id().to_string()), "{refused}");
        drop(lock);
        DataDirLock::take(&dir).unwrap();
    }
}
