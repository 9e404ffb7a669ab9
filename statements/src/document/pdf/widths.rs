//! How wide the characters of the bank's font are.

use typst::layout::{Frame, FrameItem};
use typst_layout::PagedDocument;

/// Advances of characters in ems, as the template sets figures: without kerning and ligatures.
#[derive(Debug, Default)]
pub(super) struct Widths(Vec<Option<f64>>);

impl Widths {
    /// The characters to measure: those of Latin, Greek and Cyrillic, and what statements have between words.
    pub(super) fn characters() -> String {
        let marks =
            ['\u{2013}', '\u{2014}', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}', '\u{2026}', '\u{2212}'];
        let letters = ('!'..='\u{24f}').chain('\u{370}'..='\u{481}').chain('\u{48a}'..='\u{52f}');
        letters
            .filter(|char| !char.is_control() && *char != '\u{ad}')
            .chain([' ', '!'])
            .chain(marks)
            .collect()
    }

    /// Reads the document of `measure.typ`.
    pub(super) fn read(document: &PagedDocument) -> Self {
        let mut widths = Self(Vec::new());
        for page in document.pages() {
            widths.read_frame(&page.frame);
        }
        widths
    }

    fn read_frame(&mut self, frame: &Frame) {
        for (_, item) in frame.items() {
            match item {
                FrameItem::Group(group) => self.read_frame(&group.frame),
                FrameItem::Text(item) => {
                    for glyph in item.glyphs.iter().filter(|glyph| glyph.id != 0) {
                        let text = item.text.get(glyph.range()).unwrap_or_default();
                        let mut chars = text.chars();
                        if let (Some(char), None) = (chars.next(), chars.next()) {
                            self.note(char, glyph.x_advance.get());
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn note(&mut self, char: char, ems: f64) {
        let code = char as usize;
        if self.0.len() <= code {
            self.0.resize(code.saturating_add(1), None);
        }
        if let Some(width) = self.0.get_mut(code) {
            *width = Some(ems);
        }
    }

    /// How wide a text is, in ems; none if it has other characters.
    pub(super) fn of(&self, text: &str) -> Option<f64> {
        text.chars().map(|char| self.0.get(char as usize).copied().flatten()).sum()
    }
}
