//! Keys, one file each, and what is sealed with them before it reaches the log.
//!
//! Whatever must be forgotten one day, or must not stand in the log for every reader, has a random 256-bit key in a file of its own
//! beside the log. It is sealed with XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), a random 192-bit nonce in front, bound to its owner's id
//! as associated data. Deleting the file erases the data from every copy of the log and of the read models, and changes no byte of either.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, AeadCore, KeyInit, OsRng, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use ledger_core::user::Sealed;
use ledger_core::{UserId, WebhookId};

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;

/// Why data could not be sealed or opened.
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
    #[error("what was sealed for {0} cannot be opened with its key")]
    Damaged(KeyOwner),
}

/// Whose key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    /// A user, for personal data.
    User(UserId),
    /// A webhook, for its secrets.
    Webhook(WebhookId),
}

impl fmt::Display for KeyOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user {id}"),
            Self::Webhook(id) => write!(f, "webhook {id}"),
        }
    }
}

impl KeyOwner {
    /// What the sealed data is bound to. A user's is the bare id, as it always was.
    fn associated_data(self) -> String {
        match self {
            Self::User(id) => id.to_string(),
            Self::Webhook(id) => format!("webhook-{id}"),
        }
    }
}

/// All keys, one file each: `DIR/{last two digits}/{user id}.key`, `DIR/webhooks/{last two digits}/{webhook id}.key`.
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

    /// Makes a key for a new owner, durably, and seals with it.
    pub(crate) fn seal_with_new(&self, owner: KeyOwner, plain: &[u8]) -> Result<Sealed, KeyError> {
        let key = XChaCha20Poly1305::generate_key(&mut OsRng);
        let path = self.path(owner);
        if let Some(parent) = path.parent() {
            create_private_dir(parent)?;
        }
        write_new(&path, &key).map_err(|source| KeyError::File { path, source })?;
        seal(&key, owner, plain)
    }

    /// Seals with the owner's key; `None` when it was destroyed.
    pub(crate) fn seal_bytes(&self, owner: KeyOwner, plain: &[u8]) -> Result<Option<Sealed>, KeyError> {
        self.key(owner)?.map(|key| seal(&key, owner, plain)).transpose()
    }

    /// Opens what was sealed; `None` when the key was destroyed.
    pub(crate) fn open_bytes(&self, owner: KeyOwner, sealed: &Sealed) -> Result<Option<Vec<u8>>, KeyError> {
        let Some(key) = self.key(owner)? else {
            return Ok(None);
        };
        let damaged = || KeyError::Damaged(owner);
        let bytes = STANDARD.decode(&sealed.0).map_err(|_| damaged())?;
        let (nonce, ciphertext) = bytes.split_at_checked(NONCE_BYTES).ok_or_else(damaged)?;
        let aad = owner.associated_data();
        let payload = Payload { msg: ciphertext, aad: aad.as_bytes() };
        let plain = XChaCha20Poly1305::new(&key).decrypt(XNonce::from_slice(nonce), payload);
        plain.map(Some).map_err(|_| damaged())
    }

    /// Destroys a key, for good. Doing it twice is fine.
    pub(crate) fn destroy_key(&self, owner: KeyOwner) -> Result<(), KeyError> {
        let path = self.path(owner);
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

    fn key(&self, owner: KeyOwner) -> Result<Option<Key>, KeyError> {
        let path = self.path(owner);
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

    fn path(&self, owner: KeyOwner) -> PathBuf {
        let (dir, id) = match owner {
            KeyOwner::User(id) => (self.dir.to_path_buf(), id.as_i64()),
            KeyOwner::Webhook(id) => (self.dir.join("webhooks"), id.as_i64()),
        };
        let shard = id % 100;
        dir.join(format!("{shard:02}")).join(format!("{id}.key"))
    }
}

fn seal(key: &Key, owner: KeyOwner, plain: &[u8]) -> Result<Sealed, KeyError> {
    let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
    let aad = owner.associated_data();
    let payload = Payload { msg: plain, aad: aad.as_bytes() };
    let ciphertext =
        XChaCha20Poly1305::new(key).encrypt(&nonce, payload).map_err(|_| KeyError::Damaged(owner))?;
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
