//! `<sys/pidfd.h>`: a process as a descriptor, which no later process of the same number can be taken for.

use std::ffi::{c_int, c_uint};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use crate::posix::Result;
use crate::posix::ffi;

/// `int pidfd_open(pid_t pid, unsigned int flags)`: a descriptor for a process, close-on-exec; poll() finds it
/// readable once the process has ended, reaped or not.
/// [pidfd_open(2)](https://man7.org/linux/man-pages/man2/pidfd_open.2.html)
pub fn pidfd_open(pid: c_int, flags: c_uint) -> Result<OwnedFd> {
    // SAFETY: takes two numbers and touches no memory of ours.
    let returned = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, flags) };
    // SAFETY: pidfd_open() has just made this descriptor for us.
    unsafe { ffi::fd("pidfd_open", returned as c_int) }
}

/// `int pidfd_getfd(int pidfd, int targetfd, unsigned int flags)`: a copy of another process's descriptor, as dup()
/// makes one. Who may trace it may have it (`EPERM`).
/// [pidfd_getfd(2)](https://man7.org/linux/man-pages/man2/pidfd_getfd.2.html)
pub fn pidfd_getfd(pidfd: impl AsFd, targetfd: c_int, flags: c_uint) -> Result<OwnedFd> {
    let pidfd = pidfd.as_fd().as_raw_fd();
    // SAFETY: three numbers are passed, and no memory.
    let returned = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd, targetfd, flags) };
    // SAFETY: pidfd_getfd() has just made this descriptor for us.
    unsafe { ffi::fd("pidfd_getfd", returned as c_int) }
}
