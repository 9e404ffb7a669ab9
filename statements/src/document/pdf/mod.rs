//! A statement for people: typeset by typst from `statement.typ`.
//!
//! What a statement says reaches the template as JSON, never as source: nothing in it can be taken for markup.

mod compile;
mod fonts;
mod parts;
mod sheet;
mod widths;
mod world;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rayon::{ThreadPool, ThreadPoolBuilder};
use typst::diag::SourceDiagnostic;
use typst::ecow::EcoVec;
use typst::foundations::Smart;
use typst_layout::PagedDocument;
use typst_pdf::PdfOptions;

use self::compile::{Known, compile};
pub use self::fonts::FontSources;
use self::fonts::Fonts;
use self::parts::Part;
use self::sheet::Sheet;
use self::widths::Widths;
use self::world::{Desk, Workshop};
use super::{BankProfile, DocumentError, Issue, ProfileError};
use crate::Statement;
use crate::limits::{
    DOCUMENTS_BETWEEN_EVICTIONS, EVICTIONS_SURVIVED, KNOWN_MAX, PDF_PART_BOOKINGS, TYPESETTING_STACK_BYTES,
};

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
    /// As many threads as there are cores. typst hands each run of pages to rayon: on a thread of rayon's own that is a call, on any other
    /// it waits until one of them has woken up.
    threads: ThreadPool,
    /// What is known of the pages of the last statement of so many bookings.
    known: Mutex<BTreeMap<usize, Known>>,
    documents: AtomicU64,
}

impl Press {
    pub(super) fn new(bank: &BankProfile, fonts: &FontSources) -> Result<Self, ProfileError> {
        let fonts = Fonts::find(fonts, bank.font_family.as_deref())?;
        let threads = ThreadPoolBuilder::new().thread_name(|number| format!("statements-{number}"));
        let threads = threads.stack_size(TYPESETTING_STACK_BYTES).build();
        let threads = threads.map_err(|error| ProfileError::Threads(error.to_string()))?;
        let mut workshop = Workshop::new(fonts, bank.logo.as_ref());
        let trial = |error: DocumentError| ProfileError::Trial(error.to_string());
        workshop.fonts_mut().widths = threads.install(|| measure(&workshop)).map_err(trial)?;
        let press = Self { workshop, threads, known: Mutex::default(), documents: AtomicU64::new(0) };
        let sample = Sheet::sample(bank, press.fonts());
        press.threads.install(|| press.set(&sample)).map_err(trial)?;
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
        self.pdf_in_parts(bank, statement, issue, PDF_PART_BOOKINGS)
    }

    /// The same, in parts of so many bookings if it has more.
    fn pdf_in_parts(
        &self,
        bank: &BankProfile,
        statement: &Statement,
        issue: &Issue,
        bookings: usize,
    ) -> Result<Pdf, DocumentError> {
        self.threads.install(|| {
            let sheet = Sheet::of(bank, statement, issue, self.fonts());
            if sheet.bookings() > bookings { parts::set(self, &sheet, bookings) } else { self.set(&sheet) }
        })
    }

    fn set(&self, sheet: &Sheet) -> Result<Pdf, DocumentError> {
        let result = self.set_whole(sheet);
        // Else what was typeset is remembered for ever. All threads share one cache.
        if self.documents.fetch_add(1, Ordering::Relaxed).is_multiple_of(DOCUMENTS_BETWEEN_EVICTIONS) {
            comemo::evict(EVICTIONS_SURVIVED);
        }
        result
    }

    fn set_whole(&self, sheet: &Sheet) -> Result<Pdf, DocumentError> {
        let bookings = sheet.bookings();
        let known = self.known.lock().get(&bookings).cloned();
        let (document, warnings) = self.typeset(sheet, 0..bookings, &Part::WHOLE, known)?;
        self.remember(bookings, document.introspector());
        let bytes = write(&document, sheet)?;
        Ok(Pdf { bytes, pages: document.pages().len(), warnings: all_warnings(sheet, &warnings) })
    }

    /// Lays out these rows of it.
    fn typeset(
        &self,
        sheet: &Sheet,
        rows: Range<usize>,
        part: &Part,
        known: Option<Known>,
    ) -> Result<(PagedDocument, EcoVec<SourceDiagnostic>), DocumentError> {
        let desk = Desk::new(&self.workshop, sheet.json(rows)?, sheet::json(part)?);
        compile(&desk, known).map_err(|errors| failed(&errors))
    }

    fn remember(&self, bookings: usize, known: &Known) {
        let mut all = self.known.lock();
        all.insert(bookings, Arc::clone(known));
        if all.len() > KNOWN_MAX {
            // Any one: it is found out again.
            all.pop_first();
        }
    }
}

/// What was laid out, as a file.
fn write(document: &PagedDocument, sheet: &Sheet) -> Result<Vec<u8>, DocumentError> {
    let options = PdfOptions {
        ident: Smart::Custom(sheet.ident().to_owned()),
        creator: Smart::Custom(Some("Daybook".to_owned())),
        tagged: false,
        ..PdfOptions::default()
    };
    typst_pdf::pdf(document, &options).map_err(|errors| failed(&errors))
}

fn all_warnings(sheet: &Sheet, typst: &[SourceDiagnostic]) -> Vec<Warning> {
    let missing = sheet.missing();
    let no_glyph = (!missing.is_empty()).then(|| Warning::NoGlyph(missing.to_vec()));
    let own = typst.iter().map(|warning| Warning::Typesetting(warning.message.to_string()));
    no_glyph.into_iter().chain(own).collect()
}

/// How wide characters are is asked of typst: an alternate figure of a font may be as wide as no character of it.
fn measure(workshop: &Workshop) -> Result<Widths, DocumentError> {
    let sheet = Sheet::of_characters(workshop.fonts().family(), Widths::characters());
    let set = typst::compile::<PagedDocument>(&Desk::to_measure(workshop, sheet.json(0..0)?));
    Ok(Widths::read(&set.output.map_err(|errors| failed(&errors))?))
}

fn failed(errors: &[SourceDiagnostic]) -> DocumentError {
    let messages: Vec<_> = errors.iter().map(|error| error.message.to_string()).collect();
    DocumentError::Typesetting(messages.join("; "))
}

#[cfg(test)]
#[path = "../pdf_tests.rs"]
mod tests;
