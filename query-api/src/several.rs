//! Several files as one: PDFs one after the other, anything else in a zip.

use std::io::{Cursor, Write};

use file_store::Bytes;
use pdf_binding::{Binding, BindingError};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Why there is no such file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MergeError {
    /// One of them is no PDF that can be read.
    #[error("a PDF cannot be merged: {0}")]
    Pdf(#[from] BindingError),
    /// It could not be written.
    #[error("the file cannot be written: {0}")]
    Writing(#[from] std::io::Error),
    /// It could not be packed.
    #[error("the zip cannot be written: {0}")]
    Zip(#[from] zip::result::ZipError),
}

/// One PDF with the pages of all, in order. It is none of them, and says so by saying nothing.
pub(crate) fn pdf<'a>(files: impl IntoIterator<Item = &'a Bytes>) -> Result<Vec<u8>, MergeError> {
    let mut binding = Binding::default();
    for file in files {
        binding.add(file)?;
    }
    Ok(binding.untitled().bytes()?)
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
