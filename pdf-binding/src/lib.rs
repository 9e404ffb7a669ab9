//! PDFs one after the other, as one: the parts of a long statement, and the statements of several months.

use lopdf::{Dictionary, Document, Object};

/// Takes PDFs in their order.
#[derive(Debug, Default)]
pub struct Binding {
    /// Of the first, with the objects of all.
    bound: Document,
    catalog: Dictionary,
    pages: Vec<Object>,
}

/// Why they do not become one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BindingError(#[from] lopdf::Error);

impl Binding {
    /// One more.
    ///
    /// # Errors
    /// When it is no PDF that can be read.
    pub fn add(&mut self, pdf: &[u8]) -> Result<(), BindingError> {
        let mut part = Document::load_mem(pdf)?;
        part.renumber_objects_with(self.bound.max_id.saturating_add(1));
        self.pages.extend(part.page_iter().map(Object::from));
        if self.bound.objects.is_empty() {
            self.catalog = part.catalog()?.clone();
            self.bound = part;
        } else {
            self.bound.max_id = part.max_id;
            self.bound.objects.append(&mut part.objects);
        }
        Ok(())
    }

    /// Has the whole say nothing of what it is. Else it says what the first does: its title, its author, its date, its identity.
    #[must_use]
    pub fn untitled(mut self) -> Self {
        for name in [b"Info".as_slice(), b"ID"] {
            self.bound.trailer.remove(name);
        }
        self
    }

    /// The whole.
    ///
    /// # Errors
    /// When one of its pages is none.
    pub fn bytes(self) -> Result<Vec<u8>, BindingError> {
        let Self { mut bound, mut catalog, pages } = self;
        let tree = bound.new_object_id();
        for page in &pages {
            bound.get_object_mut(page.as_reference()?)?.as_dict_mut()?.set("Parent", tree);
        }
        let count = i64::try_from(pages.len()).unwrap_or(i64::MAX);
        let node =
            [("Type", Object::Name(b"Pages".to_vec())), ("Kids", pages.into()), ("Count", count.into())];
        bound.objects.insert(tree, Object::Dictionary(Dictionary::from_iter(node)));
        catalog.set("Pages", tree);
        // It counts the pages of the first, and says nothing else that the document's information does not say, too.
        catalog.remove(b"Metadata");
        let catalog = bound.add_object(catalog);
        bound.trailer.set("Root", catalog);
        // Catalogs and page trees of the parts.
        bound.prune_objects();
        let mut bytes = Vec::new();
        bound.save_to(&mut bytes).map_err(lopdf::Error::from)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PDF of so many pages, each with this text, that says of itself that it is that.
    fn pdf(title: &str, pages: usize) -> Vec<u8> {
        let mut document = Document::with_version("1.7");
        let tree = document.new_object_id();
        let kids: Vec<Object> = (0..pages)
            .map(|_| {
                let text = format!("BT ({title}) Tj ET");
                let content = document.add_object(lopdf::Stream::new(Dictionary::new(), text.into_bytes()));
                let page = [
                    ("Type", Object::Name(b"Page".to_vec())),
                    ("Parent", tree.into()),
                    ("Contents", content.into()),
                ];
                document.add_object(Dictionary::from_iter(page)).into()
            })
            .collect();
        let count = i64::try_from(pages).unwrap();
        let node =
            [("Type", Object::Name(b"Pages".to_vec())), ("Kids", kids.into()), ("Count", count.into())];
        document.objects.insert(tree, Object::Dictionary(Dictionary::from_iter(node)));
        let catalog = [("Type", Object::Name(b"Catalog".to_vec())), ("Pages", tree.into())];
        let catalog = document.add_object(Dictionary::from_iter(catalog));
        document.trailer.set("Root", catalog);
        let info = document.add_object(Dictionary::from_iter([("Title", Object::string_literal(title))]));
        document.trailer.set("Info", info);
        let mut bytes = Vec::new();
        document.save_to(&mut bytes).unwrap();
        bytes
    }

    fn bind(parts: &[Vec<u8>]) -> Binding {
        let mut binding = Binding::default();
        for part in parts {
            binding.add(part).unwrap();
        }
        binding
    }

    /// What stands on the pages, in order.
    fn read(bytes: &[u8]) -> (Vec<String>, Document) {
        let document = Document::load_mem(bytes).unwrap();
        let content = |page| String::from_utf8(document.get_page_content(page)).unwrap();
        (document.get_pages().into_values().map(content).collect(), document)
    }

    #[test]
    fn pages_stand_in_the_order_of_the_parts_and_nothing_else_is_left() {
        let bytes = bind(&[pdf("one", 2), pdf("two", 1), pdf("three", 3)]).bytes().unwrap();
        let (pages, document) = read(&bytes);
        let expected = ["one", "one", "two", "three", "three", "three"];
        assert_eq!(pages.len(), expected.len());
        for (page, text) in pages.iter().zip(expected) {
            assert!(page.contains(&format!("({text})")), "{page}");
        }
        // A page and its content each; the tree of pages, the catalog, what the first says of itself, the table of all objects.
        assert_eq!(document.objects.len(), 2 * expected.len() + 4);
    }

    #[test]
    fn the_whole_says_what_the_first_says_of_itself_or_nothing() {
        let parts = [pdf("one", 1), pdf("two", 1)];
        let title = |bytes: &[u8]| {
            let (_, document) = read(bytes);
            let info = document.trailer.get(b"Info").ok()?.as_reference().unwrap();
            let title = document.get_dictionary(info).unwrap().get(b"Title").unwrap().as_str().unwrap();
            Some(String::from_utf8(title.to_vec()).unwrap())
        };
        assert_eq!(title(&bind(&parts).bytes().unwrap()).as_deref(), Some("one"));
        assert_eq!(title(&bind(&parts).untitled().bytes().unwrap()), None);
    }

    #[test]
    fn what_is_no_pdf_is_refused() {
        assert!(Binding::default().add(b"a,b,c").is_err());
    }
}
