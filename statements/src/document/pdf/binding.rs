//! PDFs one after the other, as one that says of itself what the first does.

use lopdf::{Dictionary, Document, Object};

/// Takes a statement's parts in their order.
#[derive(Default)]
pub(super) struct Binding {
    /// Of the first part, with the objects of all.
    bound: Document,
    catalog: Dictionary,
    pages: Vec<Object>,
}

impl Binding {
    /// One more part.
    pub(super) fn add(&mut self, pdf: &[u8]) -> Result<(), lopdf::Error> {
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

    /// The whole.
    pub(super) fn bytes(self) -> Result<Vec<u8>, lopdf::Error> {
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
        // It counts the pages of the first part, and says nothing else that the document's information does not say, too.
        catalog.remove(b"Metadata");
        let catalog = bound.add_object(catalog);
        bound.trailer.set("Root", catalog);
        // Catalogs and page trees of the parts.
        bound.prune_objects();
        let mut bytes = Vec::new();
        bound.save_to(&mut bytes)?;
        Ok(bytes)
    }
}
