//! `<sys/mman.h>`, Linux's part: files that have no name.

use std::ffi::{CStr, c_uint};
use std::os::fd::OwnedFd;

pub use libc::MFD_CLOEXEC;

use crate::posix::Result;
use crate::posix::ffi;

/// `int memfd_create(const char *name, unsigned int flags)`: makes an empty file in memory, that no
/// folder has; `name` is for `/proc` only.
/// [memfd_create(2)](https://man7.org/linux/man-pages/man2/memfd_create.2.html)
pub fn memfd_create(name: &CStr, flags: c_uint) -> Result<OwnedFd> {
    // SAFETY: `name` is borrowed and ends with a NUL.
    let returned = unsafe { libc::memfd_create(name.as_ptr(), flags) };
    // SAFETY: memfd_create() has just made this descriptor for us.
    unsafe { ffi::fd("memfd_create", returned) }
}
