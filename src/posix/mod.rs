//! The C API, one to one: a module for each header, a wrapper for each call.
//!
//! Five things are translated and nothing else:
//!
//! | C | Rust |
//! |---|---|
//! | `int fd` in, made, closed | `impl AsFd`, `OwnedFd`, `OwnedFd` by value |
//! | pointer and length | one slice, or a reference to a type marked by an unsafe trait |
//! | out-parameter | part of the return value, after C's own, left to right |
//! | -1 and `errno`, `EAI_`, `h_errno` | `Result<T, posix::Error>` |
//! | `NULL` | `Option` |
//!
//! The rest stays C's: names and their case, the order of arguments, ints for domain, type, flags
//! and options, `timeval`, network byte order, blocking, `EINTR`, short reads and writes. No
//! wrapper makes more than one call, retries, or sets a flag that was not asked for.
//!
//! `unsafe fn` is left where the contract is about the whole process: [`unistd::fork`],
//! [`signal::sigaction()`] and [`pthread::pthread_create_raw`].

#![expect(non_camel_case_types, reason = "C's names for C's types")]
#![expect(non_snake_case, reason = "C's names for C's macros")]

pub mod arpa_inet;
pub mod error;
pub mod fcntl;
pub(crate) mod ffi;
pub mod netdb;
pub mod netinet_in;
pub mod netinet_tcp;
pub mod poll;
pub mod pthread;
pub mod pwd;
pub mod semaphore;
pub mod signal;
pub mod sys_mman;
pub mod sys_resource;
pub mod sys_select;
pub mod sys_socket;
pub mod sys_un;
pub mod sys_wait;
pub mod time;
pub mod unistd;

pub use error::{Cause, Error, Result};
