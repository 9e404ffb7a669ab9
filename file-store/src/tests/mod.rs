//! What a store keeps to, whatever it is made of.

mod conformance;
mod keys;
mod links;
mod s3_server;
