//! The bank, as its statements show it.

use std::path::PathBuf;

use clap::Args;
use statements::{BankProfile, Documents, FontSources, Logo};

use crate::commands::Failure;

/// What statements say of the bank, and the fonts that they are set in.
#[derive(Clone, Debug, Args)]
pub(crate) struct BankFlags {
    /// The bank's name, on statements
    #[arg(long, value_name = "NAME", env = "DAYBOOK_BANK_NAME", default_value = "Daybook")]
    bank_name: String,
    /// A line of the bank's address. Given several times, or with `|` between
    #[arg(long, value_name = "LINE", env = "DAYBOOK_BANK_ADDRESS", value_delimiter = '|')]
    bank_address: Vec<String>,
    /// The bank's BIC
    #[arg(long, value_name = "BIC", env = "DAYBOOK_BANK_BIC")]
    bank_bic: Option<String>,
    /// The bank's logo: a PNG, JPEG, GIF, WebP or SVG file of at most 1 MB
    #[arg(long, value_name = "FILE", env = "DAYBOOK_BANK_LOGO")]
    bank_logo: Option<PathBuf>,
    /// The family of fonts to set statements in [default: the built-in Libertinus Serif]
    #[arg(long, value_name = "FAMILY", env = "DAYBOOK_BANK_FONT")]
    bank_font: Option<String>,
    /// A folder of fonts beside the installed ones. Given several times, or with `:` between
    #[arg(long, value_name = "DIR", env = "DAYBOOK_FONT_DIR", value_delimiter = ':')]
    font_dir: Vec<PathBuf>,
}

impl BankFlags {
    /// What makes the documents. Blocking: it reads fonts.
    ///
    /// # Errors
    /// When they cannot be made as configured.
    pub(crate) fn documents(&self) -> Result<Documents, Failure> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let logo = self.bank_logo.as_deref().filter(|path| !path.as_os_str().is_empty());
        let profile = BankProfile {
            name: self.bank_name.clone(),
            address: self.bank_address.iter().filter(|line| !line.trim().is_empty()).cloned().collect(),
            bic: given(&self.bank_bic),
            logo: logo.map(Logo::read).transpose()?,
            font_family: given(&self.bank_font),
        };
        let folders = self.font_dir.iter().filter(|dir| !dir.as_os_str().is_empty()).cloned().collect();
        Ok(Documents::new(profile, &FontSources { system: true, folders })?)
    }
}
