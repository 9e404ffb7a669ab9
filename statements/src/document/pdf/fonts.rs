//! Fonts: those that are built in, and those of the machine for the scripts that these do not know.

use std::path::PathBuf;

use typst::layout::Abs;
use typst::text::{Font, FontBook, FontVariant, FontVariations};
use typst::utils::LazyHash;
use typst_kit::fonts::{self, FontStore};

use super::super::ProfileError;
use super::widths::Widths;

/// Built in: Latin, Greek, Cyrillic.
const FAMILY: &str = "Libertinus Serif";

/// Where to look for fonts beyond those that are built in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FontSources {
    /// Look where the operating system keeps its own.
    pub system: bool,
    /// Look in these folders, and those below.
    pub folders: Vec<PathBuf>,
}

/// All fonts that were found. Those of files are read when first needed.
pub(super) struct Fonts {
    store: FontStore,
    family: String,
    covered: Vec<u64>,
    /// How wide characters are.
    pub(super) widths: Widths,
    /// How wide a figure and a separator between figures are, in ems.
    pub(super) figure_em: f64,
}

impl std::fmt::Debug for Fonts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fonts").field("family", &self.family).finish_non_exhaustive()
    }
}

impl Fonts {
    pub(super) fn find(sources: &FontSources, family: Option<&str>) -> Result<Self, ProfileError> {
        let mut store = FontStore::new();
        store.extend(fonts::embedded());
        for folder in &sources.folders {
            store.extend(fonts::scan(folder));
        }
        if sources.system {
            store.extend(fonts::system());
        }
        let family = family.unwrap_or(FAMILY).to_owned();
        let index = store.book().select(&family.to_lowercase(), FontVariant::default());
        let font = index.and_then(|index| store.font(index));
        let Some(font) = font else { return Err(ProfileError::NoSuchFont(family)) };
        let covered = covered(store.book());
        Ok(Self { figure_em: figure_em(&font), store, family, covered, widths: Widths::default() })
    }

    pub(super) fn book(&self) -> &LazyHash<FontBook> {
        self.store.book()
    }

    pub(super) fn font(&self, index: usize) -> Option<Font> {
        self.store.font(index)
    }

    /// The family of what is not said to be otherwise.
    pub(super) fn family(&self) -> &str {
        &self.family
    }

    /// True if some font has the character, or if it is one that is not drawn.
    pub(super) fn have(&self, char: char) -> bool {
        let code = u32::from(char) as usize;
        let word = self.covered.get(code / 64).copied().unwrap_or_default();
        word >> (code % 64) & 1 == 1 || char.is_whitespace() || is_unseen(char)
    }
}

/// A bit for each character that some font has.
fn covered(book: &FontBook) -> Vec<u64> {
    let mut words = vec![0_u64; (char::MAX as usize / 64).saturating_add(1)];
    let infos = (0..).map_while(|index| book.info(index));
    for code in infos.flat_map(|info| info.coverage.iter()) {
        if let Some(word) = words.get_mut(code as usize / 64) {
            *word |= 1 << (code % 64);
        }
    }
    words
}

/// Unicode's joiners, marks of direction and selectors of variants: they change how their neighbours look.
fn is_unseen(char: char) -> bool {
    matches!(char, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// The widest of what amounts are made of: figures are tabular, all as wide as "0".
fn figure_em(font: &Font) -> f64 {
    const USUAL: f64 = 0.6;
    let font = font.clone().instantiate(FontVariant::default(), Abs::pt(10.0), &FontVariations::default());
    let zero = font.ttf().glyph_index('0');
    zero.and_then(|zero| font.x_advance(zero.0)).map_or(USUAL, |advance| advance.get())
}
