//! `<sys/resource.h>`: what a process may use.

use std::ffi::c_int;

pub use libc::{RLIM_INFINITY, rlim_t, rlimit};

use super::error::Result;
use super::ffi::{self, manual};

/// How many descriptors a process may have: one more than the largest.
pub const RLIMIT_NOFILE: c_int = libc::RLIMIT_NOFILE as c_int;
/// How many tasks the process's user may have.
pub const RLIMIT_NPROC: c_int = libc::RLIMIT_NPROC as c_int;
/// How large a process may be, in bytes of addresses.
pub const RLIMIT_AS: c_int = libc::RLIMIT_AS as c_int;

/// `int getrlimit(int resource, struct rlimit *rlim)`: a limit, and how far it may be raised.
#[doc = manual!("getrlimit", "2")]
pub fn getrlimit(resource: c_int) -> Result<rlimit> {
    let mut rlim = rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `rlim` is a writable struct for the whole call.
    let returned = unsafe { libc::getrlimit(resource as _, &raw mut rlim) };
    ffi::unit("getrlimit", returned)?;
    Ok(rlim)
}

/// `int setrlimit(int resource, const struct rlimit *rlim)`: sets a limit, of this process and of those that
/// it makes.
#[doc = manual!("setrlimit", "2")]
pub fn setrlimit(resource: c_int, rlim: &rlimit) -> Result<()> {
    // SAFETY: `rlim` is a whole struct for the whole call.
    let returned = unsafe { libc::setrlimit(resource as _, rlim) };
    ffi::unit("setrlimit", returned)
}
