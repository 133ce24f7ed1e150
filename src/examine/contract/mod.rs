//! A: how it starts, and what it asks of whoever runs it.

pub(super) mod address;
pub(super) mod ready;
