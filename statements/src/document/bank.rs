//! The bank, as its documents show it.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::limits::LOGO_BYTES_MAX;

/// What a bank's documents say about the bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BankProfile {
    /// Its name.
    pub name: String,
    /// Its address, line by line; also other lines, such as a telephone number.
    pub address: Vec<String>,
    /// Its BIC (ISO 9362).
    pub bic: Option<String>,
    /// Its logo.
    pub logo: Option<Logo>,
    /// The family of fonts to set documents in, in place of the one that is built in.
    pub font_family: Option<String>,
}

impl BankProfile {
    /// A bank of which only the name is known.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), address: Vec::new(), bic: None, logo: None, font_family: None }
    }
}

/// A picture: PNG, JPEG, GIF, WebP or SVG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo(pub(crate) Vec<u8>);

impl Logo {
    /// Reads a file. What is in it is looked at when [`Documents`](crate::Documents) are made.
    ///
    /// # Errors
    /// [`ProfileError`]: it cannot be read, or it is too large.
    pub fn read(path: &Path) -> Result<Self, ProfileError> {
        let unreadable = |source| ProfileError::LogoUnreadable { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(LOGO_BYTES_MAX.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > LOGO_BYTES_MAX {
            return Err(ProfileError::LogoTooLarge { path: path.to_owned(), bytes_max: LOGO_BYTES_MAX });
        }
        Ok(Self(bytes))
    }

    /// A picture that was read already.
    #[must_use]
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

/// Why a bank's documents cannot be made as configured.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The bank must have a name.
    #[error("the bank has no name: give one")]
    NoName,
    /// ISO 9362.
    #[error(
        "'{0}' is not a BIC: four letters or digits, a country's two letters, two or five letters or digits, in upper case"
    )]
    NotABic(String),
    /// No such file, or no permission.
    #[error("the logo {path} cannot be read: {source}", path = .path.display())]
    LogoUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Every PDF carries it.
    #[error("the logo {path} has more than {bytes_max} bytes: make it smaller", path = .path.display())]
    LogoTooLarge {
        /// The file.
        path: PathBuf,
        /// The most that is read.
        bytes_max: u64,
    },
    /// The family is neither built in nor installed.
    #[error("no font of the family '{0}' was found: install it, or name another")]
    NoSuchFont(String),
    /// The machine gives no threads to typeset on.
    #[error("no threads to typeset on: {0}")]
    Threads(String),
    /// A first document was set, and could not be: the logo is no picture, most likely.
    #[error("a first document could not be made, perhaps because of the logo: {0}")]
    Trial(String),
}

pub(super) fn check(bank: &BankProfile) -> Result<(), ProfileError> {
    if bank.name.trim().is_empty() {
        return Err(ProfileError::NoName);
    }
    match &bank.bic {
        Some(bic) if !is_bic(bic) => Err(ProfileError::NotABic(bic.chars().take(20).collect())),
        Some(_) | None => Ok(()),
    }
}

fn is_bic(text: &str) -> bool {
    let fits = |(place, char): (usize, char)| match place {
        4 | 5 => char.is_ascii_uppercase(),
        _ => char.is_ascii_uppercase() || char.is_ascii_digit(),
    };
    matches!(text.len(), 8 | 11) && text.chars().enumerate().all(fits)
}
