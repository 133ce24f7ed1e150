//! What is said on the wire, alike in every design.

#![forbid(unsafe_code)]

pub mod fibonacci;
pub mod time;

use std::sync::atomic::AtomicBool;

/// Set once the server has been asked to stop. From then on an end of file may be the server's own
/// doing, so it ends no request.
pub static STOPPING: AtomicBool = AtomicBool::new(false);
