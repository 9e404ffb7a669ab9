//! Personal data, encrypted before it reaches the log.
//!
//! Each user has a random 256-bit key in a file of its own beside the log. Details are sealed with XChaCha20-Poly1305 (draft-irtf-cfrg-
//! xchacha), a random 192-bit nonce in front, bound to the user's id as associated data. Deleting the file erases the person from every
//! copy of the log and of the read models, and changes no byte of either.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, AeadCore, KeyInit, OsRng, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use chrono::NaiveDate;
use ledger_core::UserId;
use ledger_core::user::Sealed;
use serde::{Deserialize, Serialize};

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// What identifies a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDetails {
    /// Full name.
    pub name: String,
    /// E-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Social security number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssn: Option<String>,
    /// Date of birth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_of_birth: Option<NaiveDate>,
}

/// Why personal data could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The key's file.
    #[error("the key file {}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The data was not sealed with this key, or was changed.
    #[error("the details of user {0} cannot be opened with the user's key")]
    Damaged(UserId),
}

/// The users' keys, one file each: `DIR/{last two digits}/{user id}.key`.
#[derive(Clone, Debug)]
pub struct KeyStore {
    dir: Arc<Path>,
}

impl KeyStore {
    /// Opens the keys in a directory, made readable for its owner alone if it is new.
    ///
    /// # Errors
    /// [`KeyError::File`].
    pub fn open(dir: &Path) -> Result<Self, KeyError> {
        create_private_dir(dir)?;
        Ok(Self { dir: dir.into() })
    }

    /// Makes a key for a new user, durably, and seals the details with it. Blocking.
    ///
    /// # Errors
    /// [`KeyError::File`], also when the user has a key already.
    pub fn create(&self, user_id: UserId, details: &UserDetails) -> Result<Sealed, KeyError> {
        let key = XChaCha20Poly1305::generate_key(&mut OsRng);
        let path = self.path(user_id);
        if let Some(parent) = path.parent() {
            create_private_dir(parent)?;
        }
        write_new(&path, &key).map_err(|source| KeyError::File { path, source })?;
        seal(&key, user_id, details)
    }

    /// Seals changed details with the user's key; `None` when the key was destroyed. Blocking.
    ///
    /// # Errors
    /// [`KeyError::File`].
    pub fn seal(&self, user_id: UserId, details: &UserDetails) -> Result<Option<Sealed>, KeyError> {
        self.key(user_id)?.map(|key| seal(&key, user_id, details)).transpose()
    }

    /// Opens sealed details; `None` when the key was destroyed. Blocking.
    ///
    /// # Errors
    /// [`KeyError::File`], [`KeyError::Damaged`].
    pub fn open_details(&self, user_id: UserId, sealed: &Sealed) -> Result<Option<UserDetails>, KeyError> {
        let Some(key) = self.key(user_id)? else {
            return Ok(None);
        };
        let damaged = || KeyError::Damaged(user_id);
        let bytes = STANDARD.decode(&sealed.0).map_err(|_| damaged())?;
        let (nonce, ciphertext) = bytes.split_at_checked(NONCE_BYTES).ok_or_else(damaged)?;
        let aad = user_id.to_string();
        let payload = Payload { msg: ciphertext, aad: aad.as_bytes() };
        let plain = XChaCha20Poly1305::new(&key)
            .decrypt(XNonce::from_slice(nonce), payload)
            .map_err(|_| damaged())?;
        serde_json::from_slice(&plain).map(Some).map_err(|_| damaged())
    }

    /// Destroys a user's key, for good. Doing it twice is fine. Blocking.
    ///
    /// # Errors
    /// [`KeyError::File`].
    pub fn destroy(&self, user_id: UserId) -> Result<(), KeyError> {
        let path = self.path(user_id);
        let destroy = || match OpenOptions::new().write(true).open(&path) {
            Ok(mut file) => {
                // Overwritten first, for file systems that write in place.
                file.write_all(&[0; KEY_BYTES])?;
                file.sync_all()?;
                fs::remove_file(&path)?;
                sync_parent(&path)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        destroy().map_err(|source| KeyError::File { path: path.clone(), source })
    }

    fn key(&self, user_id: UserId) -> Result<Option<Key>, KeyError> {
        let path = self.path(user_id);
        let mut key = Key::default();
        let read = File::open(&path).and_then(|mut file| file.read_exact(&mut key));
        match read {
            // All zeros is a key whose destruction was cut short.
            Ok(()) if key.iter().all(|byte| *byte == 0) => Ok(None),
            Ok(()) => Ok(Some(key)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(KeyError::File { path, source }),
        }
    }

    fn path(&self, user_id: UserId) -> PathBuf {
        let shard = user_id.as_i64() % 100;
        self.dir.join(format!("{shard:02}")).join(format!("{user_id}.key"))
    }
}

fn seal(key: &Key, user_id: UserId, details: &UserDetails) -> Result<Sealed, KeyError> {
    let damaged = || KeyError::Damaged(user_id);
    let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
    let plain = serde_json::to_vec(details).map_err(|_| damaged())?;
    let aad = user_id.to_string();
    let payload = Payload { msg: &plain, aad: aad.as_bytes() };
    let ciphertext = XChaCha20Poly1305::new(key).encrypt(&nonce, payload).map_err(|_| damaged())?;
    let mut bytes = nonce.to_vec();
    bytes.extend_from_slice(&ciphertext);
    Ok(Sealed(STANDARD.encode(bytes)))
}

fn write_new(path: &Path, key: &Key) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(key)?;
    file.sync_all()?;
    sync_parent(path)
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

fn create_private_dir(dir: &Path) -> Result<(), KeyError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(dir)
        .and_then(|()| sync_parent(dir))
        .map_err(|source| KeyError::File { path: dir.into(), source })
}
