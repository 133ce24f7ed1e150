//! `<sys/signalfd.h>`: signals that are read from a descriptor.

use std::ffi::c_int;
use std::os::fd::OwnedFd;

pub use libc::{SFD_CLOEXEC, SFD_NONBLOCK, signalfd_siginfo};

use crate::posix::Result;
use crate::posix::ffi;
use crate::posix::signal::sigset_t;

/// `int signalfd(int fd, const sigset_t *mask, int flags)`: with -1 for `fd`, makes a descriptor from
/// which the signals of the set are read, a `struct signalfd_siginfo` each. They are to be held back, in
/// all threads, or their actions are taken instead.
/// [signalfd(2)](https://man7.org/linux/man-pages/man2/signalfd.2.html)
pub fn signalfd(mask: &sigset_t, flags: c_int) -> Result<OwnedFd> {
    // SAFETY: `mask` is an initialised set, which is only read.
    let returned = unsafe { libc::signalfd(-1, mask, flags) };
    // SAFETY: with -1 given, signalfd() has just made this descriptor for us.
    unsafe { ffi::fd("signalfd", returned) }
}

/// The `struct signalfd_siginfo` that was read.
pub fn as_signalfd_siginfo(data: &[u8]) -> Option<signalfd_siginfo> {
    let data: &[u8; size_of::<signalfd_siginfo>()] = data.try_into().ok()?;
    // SAFETY: as many bytes as the struct has, read without regard to their alignment; every bit
    // pattern is one.
    Some(unsafe { std::ptr::read_unaligned(data.as_ptr().cast()) })
}
