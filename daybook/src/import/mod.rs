//! The import of a bank's transactions from a CSV file, and the check that they arrived to the cent.
//!
//! [`file`] reads and refuses before anything is sent; [`send`] books through the server, which knows each row by its
//! reference, so that sending again changes nothing; [`verify`] reads everything back through GraphQL.

pub mod file;
pub mod progress;
pub mod row;
pub mod send;
#[cfg(test)]
mod tests;
pub mod verify;
