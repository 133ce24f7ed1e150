//! D: what badly behaved clients do to a server, and to the others.

pub(super) mod empty;
pub(super) mod heavy;
pub(super) mod silent;
