//! B: whether it does what it is for.

pub(super) mod end;
pub(super) mod table;
