//! POSIX sockets to work with.

pub mod posix;

pub mod linux;
