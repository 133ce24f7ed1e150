//! What the benchmarks of servers share.

#![allow(dead_code, reason = "each benchmark uses its own part")]

pub(crate) mod client;
pub(crate) mod load;
pub(crate) mod machine;
pub(crate) mod options;
pub(crate) mod report;
pub(crate) mod stats;
pub(crate) mod subject;
