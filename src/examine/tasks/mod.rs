//! C: which design it is.

pub(super) mod claim;
pub(super) mod cost;
pub(super) mod counts;
pub(super) mod mechanism;
pub(super) mod parallel;
pub(super) mod place;
pub(super) mod pool;
pub(super) mod program;
pub(super) mod readiness;
pub(super) mod shared_port;
