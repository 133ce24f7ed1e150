//! Two servers, system call by system call: record, parse, normalise, align.

#![forbid(unsafe_code)]

pub mod align;
pub mod clients;
pub mod cost;
pub mod explain;
pub mod normalise;
pub mod parse;
pub mod picture;
mod play;
pub mod record;
pub mod script;
mod start;
