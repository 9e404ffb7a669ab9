//! A long statement is typeset in parts, one after the other: typst needs memory for all that it lays out at a time.
//!
//! Nobody sees where parts meet. Each is laid out twice: first to see how many pages it fills, which leaves the bookings of the last one,
//! half empty as it is, to the next part; then, all pages being counted, with their numbers.

use std::ops::Range;

use pdf_binding::Binding;
use serde::Serialize;
use typst::foundations::NativeElement as _;
use typst::introspection::{Introspector as _, MetadataElem};
use typst_layout::PagedDocument;

use super::compile::Known;
use super::sheet::Sheet;
use super::{DocumentError, Pdf, Press, all_warnings, write};

/// What of a statement is in a document, as the template gets it.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    /// With letterhead and opening balance.
    first: bool,
    /// With totals and closing balance.
    last: bool,
    /// How many pages are before its own.
    before: usize,
    /// How many the statement has; none if it is those of this document.
    pages: Option<usize>,
    /// Each row has an element that tells where it is.
    marked: bool,
}

impl Part {
    pub(super) const WHOLE: Self = Self { first: true, last: true, before: 0, pages: None, marked: false };

    /// That of these rows, its pages not counted yet.
    const fn of(rows: &Range<usize>, bookings: usize) -> Self {
        let (first, last) = (rows.start == 0, rows.end == bookings);
        Self { first, last, before: 0, pages: Some(0), marked: true }
    }
}

/// A statement in parts of so many bookings.
pub(super) fn set(press: &Press, sheet: &Sheet, bookings: usize) -> Result<Pdf, DocumentError> {
    let mut places = Places::default();
    let parts = divide(press, sheet, bookings, &mut places)?;
    let pages = parts.iter().map(|(_, pages)| pages).sum();
    let (mut binding, mut before, mut warnings) = (Binding::default(), 0_usize, Vec::new());
    for (rows, counted) in parts {
        let part = Part { before, pages: Some(pages), marked: false, ..Part::of(&rows, sheet.bookings()) };
        let (document, warned) = press.typeset(sheet, rows, &part, places.known())?;
        if document.pages().len() != counted {
            return Err(DocumentError::Typesetting("the number of pages does not settle".to_owned()));
        }
        binding.add(&write(&document, sheet)?)?;
        before = before.saturating_add(counted);
        for warning in all_warnings(sheet, &warned) {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        forget(document);
    }
    Ok(Pdf { bytes: binding.bytes()?, pages, warnings })
}

/// The rows of each part, and how many pages they fill.
fn divide(
    press: &Press,
    sheet: &Sheet,
    bookings: usize,
    places: &mut Places,
) -> Result<Vec<(Range<usize>, usize)>, DocumentError> {
    let (all, mut parts, mut start) = (sheet.bookings(), Vec::new(), 0_usize);
    while start < all {
        let rows = start..start.saturating_add(bookings.max(1)).min(all);
        let part = Part::of(&rows, all);
        let (document, _) = press.typeset(sheet, rows.clone(), &part, places.known())?;
        let pages = document.pages().len();
        let left = if part.last { 0 } else { on_last_page(&document) };
        // One that is all on one page keeps it.
        let left = if left < rows.len() { left } else { 0 };
        start = rows.end.saturating_sub(left);
        parts.push((rows.start..start, pages.saturating_sub(usize::from(left > 0))));
        places.note(&document);
        forget(document);
    }
    Ok(parts)
}

/// How many rows are on the last page.
fn on_last_page(document: &PagedDocument) -> usize {
    let introspector = document.introspector();
    let marks = introspector.query(&MetadataElem::ELEM.select());
    let pages = marks.iter().filter_map(|mark| introspector.page(mark.location()?));
    pages.filter(|page| page.get() == document.pages().len()).count()
}

/// Nothing of a part comes again in another.
fn forget(document: PagedDocument) {
    drop(document);
    comemo::evict(0);
}

/// What is known of the pages of that part which has the most: where those of the others are, too.
#[derive(Default)]
struct Places(Option<(usize, Known)>);

impl Places {
    fn known(&self) -> Option<Known> {
        self.0.as_ref().map(|(_, known)| Known::clone(known))
    }

    fn note(&mut self, document: &PagedDocument) {
        let pages = document.pages().len();
        if self.0.as_ref().is_none_or(|(most, _)| *most < pages) {
            self.0 = Some((pages, Known::clone(document.introspector())));
        }
    }
}
