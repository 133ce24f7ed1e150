//! A: how it starts, and what it asks of whoever runs it.

pub(super) mod address;
pub(super) mod backlog;
pub(super) mod idle;
pub(super) mod ready;
pub(super) mod reuse;
pub(super) mod signals;
