//! The lecture's tools against the originals, and against hostile input.

#[path = "../support/mod.rs"]
mod support;

mod netstat;
