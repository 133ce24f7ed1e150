//! `<linux/close_range.h>`: many descriptors at once.

use std::ffi::{c_int, c_uint};

use crate::posix::Result;
use crate::posix::ffi;

/// `int close_range(unsigned int first, unsigned int last, int flags)`: closes all descriptors from `first` to
/// `last`, whoever thinks that they are his.
/// [close_range(2)](https://man7.org/linux/man-pages/man2/close_range.2.html)
///
/// # Safety
///
/// No owner of any of these descriptors may use it, or close it, afterwards.
pub unsafe fn close_range(first: c_uint, last: c_uint) -> Result<()> {
    // SAFETY: the caller's contract; three numbers are passed, and no memory.
    let returned = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    ffi::unit("close_range", returned as c_int)
}
