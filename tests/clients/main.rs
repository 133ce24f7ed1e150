//! The lecture's clients, in Rust and in C, against servers that the tests play: the same words, the
//! same exit status, whatever the server does.

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod fib;
mod mistakes;
mod nonblocking;
mod play;
mod time;
