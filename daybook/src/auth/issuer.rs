//! The local issuer: one secret in the data directory, tokens signed with it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ledger_core::Actor;
use rand::TryRngCore;

use super::{Claims, ISSUER, Verifier};

const SECRET_BYTES: usize = 32;

/// Signs tokens with the secret in `DIR/secrets/issuer.key`.
pub struct Issuer {
    secret: [u8; SECRET_BYTES],
}

/// Why there is no issuer, or no token.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The secret cannot be read or made.
    #[error("cannot use the token issuer's key {path}: {source}{hint}")]
    Key {
        /// The key's file.
        path: PathBuf,
        /// Why.
        source: io::Error,
        /// What to do about it, if we know.
        hint: &'static str,
    },
    /// The file is not a secret of ours.
    #[error(
        "the token issuer's key {path} has {length} bytes, not {SECRET_BYTES}: put back the right file, or remove it to make a new key (all tokens made so far then stop working)"
    )]
    Length {
        /// The key's file.
        path: PathBuf,
        /// How long it is.
        length: usize,
    },
    /// Others can read the secret.
    #[error("the token issuer's key {path} is open to other users (mode {mode:o}): chmod 600 it")]
    Open {
        /// The key's file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Signing failed.
    #[error("cannot sign the token: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

impl Issuer {
    /// The issuer of a data directory; its secret is made on first use. Safe to call from several processes at once.
    ///
    /// # Errors
    /// When the secret cannot be read or made, or is not kept secret.
    pub fn open(data_dir: &Path) -> Result<Self, IssuerError> {
        let path = data_dir.join("secrets").join("issuer.key");
        let failed = |source: io::Error| IssuerError::Key {
            path: path.clone(),
            hint: match source.kind() {
                ErrorKind::PermissionDenied => " (run this as the user that runs `daybook up`)",
                _ => "",
            },
            source,
        };
        if let ErrorKind::NotFound = fs::metadata(&path).err().map_or(ErrorKind::Other, |error| error.kind())
        {
            make_secret(&path).map_err(failed)?;
            tracing::info!(path = %path.display(), "made a new key for tokens; no token made before is good");
        }
        let mode = fs::metadata(&path).map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(IssuerError::Open { path, mode });
        }
        let bytes = fs::read(&path).map_err(failed)?;
        let length = bytes.len();
        let secret = bytes.try_into().map_err(|_| IssuerError::Length { path, length })?;
        Ok(Self { secret })
    }

    /// A token for `actor`, valid from `now` (seconds since the UNIX epoch) for `ttl`.
    ///
    /// # Errors
    /// [`IssuerError::Sign`].
    pub fn token(&self, actor: &Actor, now: u64, ttl: Duration) -> Result<String, IssuerError> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: actor.subject.clone(),
            role: actor.role,
            user_id: actor.user_id,
            iat: now,
            exp: now.saturating_add(ttl.as_secs()),
        };
        let key = EncodingKey::from_secret(&self.secret);
        Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)?)
    }

    /// What checks this issuer's tokens.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        Verifier::new(&self.secret)
    }
}

/// Writes the secret beside its place and links it there, so that nobody ever reads half a secret and of two processes
/// that make one at the same time the first wins.
fn make_secret(path: &Path) -> io::Result<()> {
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
