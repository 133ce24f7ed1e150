//! `<sys/eventfd.h>`: a counter of the kernel's as a descriptor.

use std::ffi::{c_int, c_uint};
use std::os::fd::OwnedFd;

pub use libc::{EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE};

use crate::posix::Result;
use crate::posix::ffi;

/// `int eventfd(unsigned int initval, int flags)`: makes a counter. write() of eight bytes adds to it,
/// read() takes what it has and waits while that is 0.
/// [eventfd(2)](https://man7.org/linux/man-pages/man2/eventfd.2.html)
pub fn eventfd(initval: c_uint, flags: c_int) -> Result<OwnedFd> {
    // SAFETY: takes two ints and touches no memory of ours.
    let returned = unsafe { libc::eventfd(initval, flags) };
    // SAFETY: eventfd() has just made this descriptor for us.
    unsafe { ffi::fd("eventfd", returned) }
}
