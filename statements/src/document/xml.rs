//! Writing XML, element by element.

use std::borrow::Cow;
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

/// A document that is being written.
pub(super) struct Xml(Writer<Vec<u8>>);

impl Xml {
    /// Begins a document in UTF-8.
    pub(super) fn begin() -> io::Result<Self> {
        let mut writer = Writer::new_with_indent(Vec::new(), b' ', 1);
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        Ok(Self(writer))
    }

    /// An element with what `inner` writes in it.
    pub(super) fn element(
        &mut self,
        name: &str,
        inner: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        self.element_with(&BytesStart::new(name), inner)
    }

    /// An element with attributes.
    pub(super) fn element_with(
        &mut self,
        start: &BytesStart<'_>,
        inner: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        self.0.write_event(Event::Start(start.borrow()))?;
        inner(self)?;
        self.0.write_event(Event::End(BytesEnd::from(start.name())))
    }

    /// Elements that each hold the next, and a text in the innermost: `["Sts", "Cd"]`.
    pub(super) fn text(&mut self, path: &[&str], text: &str) -> io::Result<()> {
        self.text_with(path, &[], text)
    }

    /// The same, the innermost with attributes.
    pub(super) fn text_with(
        &mut self,
        path: &[&str],
        attributes: &[(&str, &str)],
        text: &str,
    ) -> io::Result<()> {
        let Some((name, rest)) = path.split_first() else { return Ok(()) };
        if !rest.is_empty() {
            return self.element(name, |xml| xml.text_with(rest, attributes, text));
        }
        let start = BytesStart::new(*name).with_attributes(attributes.iter().copied());
        self.0.write_event(Event::Start(start.borrow()))?;
        self.0.write_event(Event::Text(BytesText::new(&allowed(text))))?;
        self.0.write_event(Event::End(BytesEnd::new(*name)))
    }

    /// The bytes, with a line break at the end.
    pub(super) fn end(self) -> Vec<u8> {
        let mut bytes = self.0.into_inner();
        bytes.push(b'\n');
        bytes
    }
}

/// XML has no way to write some characters, not even escaped: they are shown as "�".
fn allowed(text: &str) -> Cow<'_, str> {
    let forbidden = |char: char| matches!(char, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    if text.contains(forbidden) {
        Cow::Owned(text.replace(forbidden, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}
