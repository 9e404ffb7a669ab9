//! Secrets in the data directory: some random bytes in a file that is made at its first use.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rand::TryRngCore;

/// Bytes of each secret.
pub const SECRET_BYTES: usize = 32;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It cannot be read or made.
    #[error("cannot use the {name} {path}: {source}{hint}")]
    File {
        /// What the secret is.
        name: &'static str,
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
        /// What to do about it, if we know.
        hint: &'static str,
    },
    /// The file is not a secret of ours.
    #[error(
        "the {name} {path} has {length} bytes, not {SECRET_BYTES}: put back the right file, or remove it to make a new key ({loss})"
    )]
    Length {
        /// What the secret is.
        name: &'static str,
        /// Its file.
        path: PathBuf,
        /// How long it is.
        length: usize,
        /// What a new one costs.
        loss: &'static str,
    },
    /// Others can read the secret.
    #[error("the {name} {path} is open to other users (mode {mode:o}): chmod 600 it")]
    Open {
        /// What the secret is.
        name: &'static str,
        /// Its file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
}

/// The secret that signs links to files, `DIR/secrets/files.key`; made on first use. Safe to call from several processes at once.
///
/// # Errors
/// When it cannot be read or made, or is not kept secret.
pub fn files_secret(data_dir: &Path) -> Result<[u8; SECRET_BYTES], SecretError> {
    open(
        &data_dir.join("secrets").join("files.key"),
        "key of links to files",
        "all links given so far then stop working",
    )
}

/// The secret in a file, which is made if missing.
pub(super) fn open(
    path: &Path,
    name: &'static str,
    loss: &'static str,
) -> Result<[u8; SECRET_BYTES], SecretError> {
    let path = path.to_owned();
    let failed = |source: io::Error| SecretError::File {
        name,
        path: path.clone(),
        hint: match source.kind() {
            ErrorKind::PermissionDenied => " (run this as the user that runs `daybook up`)",
            _ => "",
        },
        source,
    };
    if fs::metadata(&path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        make(&path).map_err(failed)?;
        tracing::info!(path = %path.display(), "made a new {name}: {loss}");
    }
    let mode = fs::metadata(&path).map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretError::Open { name, path, mode });
    }
    let bytes = fs::read(&path).map_err(failed)?;
    let length = bytes.len();
    bytes.try_into().map_err(|_| SecretError::Length { name, path, length, loss })
}

/// Writes the secret beside its place and links it there, so that nobody ever reads half a secret and of two processes
/// that make one at the same time the first wins.
fn make(path: &Path) -> io::Result<()> {
    let Some(dir) = path.parent() else {
        return Err(ErrorKind::InvalidInput.into());
    };
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let mut secret = [0; SECRET_BYTES];
    rand::rngs::OsRng.try_fill_bytes(&mut secret).map_err(io::Error::other)?;
    let draft = path.with_extension(format!("key.{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(&secret)?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => fs::File::open(dir)?.sync_all(),
    }
}
