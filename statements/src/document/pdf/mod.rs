//! A statement for people: typeset by typst from `statement.typ`.
//!
//! What a statement says reaches the template as JSON, never as source: nothing in it can be taken for markup.

mod fonts;
mod sheet;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use typst::foundations::Smart;
use typst_layout::PagedDocument;
use typst_pdf::PdfOptions;

pub use self::fonts::FontSources;
use self::fonts::Fonts;
use self::sheet::Sheet;
use self::world::{Desk, Workshop};
use super::{BankProfile, DocumentError, Issue, ProfileError};
use crate::Statement;
use crate::limits::{DOCUMENTS_BETWEEN_EVICTIONS, EVICTIONS_SURVIVED};

/// A document, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pdf {
    /// The file.
    pub bytes: Vec<u8>,
    /// How many pages it has.
    pub pages: usize,
    /// It can be sent all the same.
    pub warnings: Vec<Warning>,
}

/// What is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// No font has these characters; "�" stands in their place.
    #[error("no font has {}: install one, or name the folder of one", named(.0))]
    NoGlyph(Vec<char>),
    /// The typesetter's own.
    #[error("{0}")]
    Typesetting(String),
}

fn named(chars: &[char]) -> String {
    let names: Vec<_> = chars.iter().map(|char| format!("{char} (U+{:04X})", u32::from(*char))).collect();
    names.join(", ")
}

/// Fonts, template and logo, ready for any number of statements.
#[derive(Debug)]
pub(super) struct Press {
    workshop: Workshop,
    documents: AtomicU64,
}

impl Press {
    pub(super) fn new(bank: &BankProfile, fonts: &FontSources) -> Result<Self, ProfileError> {
        let fonts = Fonts::find(fonts, bank.font_family.as_deref())?;
        let press = Self { workshop: Workshop::new(fonts, bank.logo.as_ref()), documents: AtomicU64::new(0) };
        press
            .set(&Sheet::sample(bank, press.fonts()))
            .map_err(|error| ProfileError::Trial(error.to_string()))?;
        Ok(press)
    }

    fn fonts(&self) -> &Fonts {
        self.workshop.fonts()
    }

    pub(super) fn pdf(
        &self,
        bank: &BankProfile,
        statement: &Statement,
        issue: &Issue,
    ) -> Result<Pdf, DocumentError> {
        self.set(&Sheet::of(bank, statement, issue, self.fonts()))
    }

    fn set(&self, sheet: &Sheet) -> Result<Pdf, DocumentError> {
        let desk = Desk::new(&self.workshop, sheet.json()?);
        let result = typeset(&desk, sheet);
        // Else what was typeset is remembered for ever. All threads share one cache.
        if self.documents.fetch_add(1, Ordering::Relaxed).is_multiple_of(DOCUMENTS_BETWEEN_EVICTIONS) {
            comemo::evict(EVICTIONS_SURVIVED);
        }
        result
    }
}

fn typeset(desk: &Desk<'_>, sheet: &Sheet) -> Result<Pdf, DocumentError> {
    let set = typst::compile::<PagedDocument>(desk);
    let document = set.output.map_err(|errors| failed(&errors))?;
    let options = PdfOptions {
        ident: Smart::Custom(sheet.ident().to_owned()),
        creator: Smart::Custom(Some("Daybook".to_owned())),
        tagged: false,
        ..PdfOptions::default()
    };
    let bytes = typst_pdf::pdf(&document, &options).map_err(|errors| failed(&errors))?;
    let missing = sheet.missing();
    let no_glyph = (!missing.is_empty()).then(|| Warning::NoGlyph(missing.to_vec()));
    let own = set.warnings.iter().map(|warning| Warning::Typesetting(warning.message.to_string()));
    Ok(Pdf { bytes, pages: document.pages().len(), warnings: no_glyph.into_iter().chain(own).collect() })
}

fn failed(errors: &[typst::diag::SourceDiagnostic]) -> DocumentError {
    let messages: Vec<_> = errors.iter().map(|error| error.message.to_string()).collect();
    DocumentError::Typesetting(messages.join("; "))
}

#[cfg(test)]
#[path = "../pdf_tests.rs"]
mod tests;
