//! B: whether it does what it is for.

pub(super) mod end;
pub(super) mod lenient;
pub(super) mod overflow;
pub(super) mod same;
pub(super) mod shape;
pub(super) mod table;
