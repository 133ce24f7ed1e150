//! `<sched.h>`: namespaces.

use std::ffi::c_int;
use std::os::fd::AsFd;

pub use libc::{CLONE_NEWNET, CLONE_THREAD};

use crate::posix::Result;
use crate::posix::ffi::{self, raw};

/// `int setns(int fd, int nstype)`: puts the calling thread into a namespace. A socket stays in the one
/// in which it was made.
/// [setns(2)](https://man7.org/linux/man-pages/man2/setns.2.html)
pub fn setns(fd: impl AsFd, nstype: c_int) -> Result<()> {
    // SAFETY: takes two ints and touches no memory of ours; the descriptor is borrowed, so open.
    let returned = unsafe { libc::setns(raw(&fd), nstype) };
    ffi::unit("setns", returned)
}
