//! Several files as one: PDFs one after the other, anything else in a zip.

use std::io::{Cursor, Write};

use file_store::Bytes;
use lopdf::{Dictionary, Document, Object};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Why there is no such file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MergeError {
    /// One of them is no PDF that can be read.
    #[error("a PDF cannot be merged: {0}")]
    Pdf(#[from] lopdf::Error),
    /// It could not be written.
    #[error("the file cannot be written: {0}")]
    Writing(#[from] std::io::Error),
    /// It could not be packed.
    #[error("the zip cannot be written: {0}")]
    Zip(#[from] zip::result::ZipError),
}

/// One PDF with the pages of all, in order.
pub(crate) fn pdf<'a>(files: impl IntoIterator<Item = &'a Bytes>) -> Result<Vec<u8>, MergeError> {
    let mut merged = Document::with_version("1.7");
    let tree = merged.new_object_id();
    let mut pages: Vec<Object> = Vec::new();
    for file in files {
        let mut document = Document::load_mem(file)?;
        document.renumber_objects_with(merged.max_id.saturating_add(1));
        for page in document.get_pages().into_values() {
            document.get_object_mut(page)?.as_dict_mut()?.set("Parent", tree);
            pages.push(page.into());
        }
        merged.max_id = document.max_id;
        merged.objects.append(&mut document.objects);
    }
    let count = i64::try_from(pages.len()).unwrap_or(i64::MAX);
    let node = [("Type", Object::Name(b"Pages".to_vec())), ("Kids", pages.into()), ("Count", count.into())];
    merged.objects.insert(tree, Object::Dictionary(Dictionary::from_iter(node)));
    let catalog = [("Type", Object::Name(b"Catalog".to_vec())), ("Pages", tree.into())];
    let catalog = merged.add_object(Dictionary::from_iter(catalog));
    merged.trailer.set("Root", catalog);
    // Catalogs and page trees of the parts.
    merged.prune_objects();
    let mut bytes = Vec::new();
    merged.save_to(&mut bytes)?;
    Ok(bytes)
}

/// A zip of the files under these names.
pub(crate) fn zip(files: &[(String, Bytes)]) -> Result<Vec<u8>, MergeError> {
    let mut packed = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        // Its clock is that of 1980: the same files make the same zip.
        packed.start_file(name.as_str(), SimpleFileOptions::default())?;
        packed.write_all(bytes)?;
    }
    Ok(packed.finish()?.into_inner())
}
