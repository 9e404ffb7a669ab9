//! All that the typesetter can see: the template, the logo, one statement or a part of it, the fonts. No other file, no clock, no network.

use typst::diag::{FileError, FileResult};
use typst::foundations::{Bytes, Datetime, Duration};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt as _, World};

use super::Fonts;
use crate::Logo;

const TEMPLATE: &str = include_str!("statement.typ");
const MEASURE: &str = include_str!("measure.typ");

/// What all statements have in common.
pub(super) struct Workshop {
    library: LazyHash<Library>,
    fonts: Fonts,
    template: Source,
    measure: Source,
    logo: (FileId, Option<Bytes>),
    statement: FileId,
    part: FileId,
}

impl std::fmt::Debug for Workshop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workshop").field("fonts", &self.fonts).finish_non_exhaustive()
    }
}

impl Workshop {
    pub(super) fn new(fonts: Fonts, logo: Option<&Logo>) -> Self {
        Self {
            library: LazyHash::new(Library::default()),
            fonts,
            template: Source::new(file("statement.typ"), TEMPLATE.to_owned()),
            measure: Source::new(file("measure.typ"), MEASURE.to_owned()),
            logo: (file("logo"), logo.map(|logo| Bytes::new(logo.0.clone()))),
            statement: file("statement.json"),
            part: file("part.json"),
        }
    }

    pub(super) const fn fonts(&self) -> &Fonts {
        &self.fonts
    }

    pub(super) const fn fonts_mut(&mut self) -> &mut Fonts {
        &mut self.fonts
    }
}

#[expect(clippy::expect_used, reason = "the names are constants")]
fn file(name: &str) -> FileId {
    let path = VirtualPath::new(name).expect("a plain name is a path");
    RootedPath::new(VirtualRoot::Project, path).intern()
}

/// One statement on its way, or a part of one.
pub(super) struct Desk<'a> {
    workshop: &'a Workshop,
    template: &'a Source,
    statement: Bytes,
    part: Bytes,
}

impl<'a> Desk<'a> {
    pub(super) fn new(workshop: &'a Workshop, statement: Vec<u8>, part: Vec<u8>) -> Self {
        let [statement, part] = [statement, part].map(Bytes::new);
        Self { workshop, template: &workshop.template, statement, part }
    }

    /// Measures characters instead.
    pub(super) fn to_measure(workshop: &'a Workshop, characters: Vec<u8>) -> Self {
        Self { template: &workshop.measure, ..Self::new(workshop, characters, Vec::new()) }
    }
}

impl World for Desk<'_> {
    fn library(&self) -> &LazyHash<Library> {
        &self.workshop.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        self.workshop.fonts.book()
    }

    fn main(&self) -> FileId {
        self.template.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == self.main() { Ok(self.template.clone()) } else { Err(FileError::AccessDenied) }
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        let (logo_id, logo) = &self.workshop.logo;
        match logo {
            _ if id == self.workshop.statement => Ok(self.statement.clone()),
            _ if id == self.workshop.part => Ok(self.part.clone()),
            Some(logo) if id == *logo_id => Ok(logo.clone()),
            Some(_) | None => Err(FileError::AccessDenied),
        }
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.workshop.fonts.font(index)
    }

    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        None
    }
}
