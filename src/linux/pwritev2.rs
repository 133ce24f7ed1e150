//! `<sys/uio.h>`: writing with flags for this one call.

use std::ffi::c_int;
use std::io::IoSlice;
use std::os::fd::AsFd;

pub use libc::{RWF_APPEND, RWF_DSYNC, RWF_HIPRI, RWF_NOWAIT, RWF_SYNC};

use crate::posix::Result;
use crate::posix::ffi::{self, raw};

/// `ssize_t pwritev2(int fd, const struct iovec *iov, int iovcnt, off_t offset, int flags)`: writes
/// gathered data, at offset -1 where the file is at. `RWF_NOWAIT` is a write that does not block, whatever
/// the descriptor's flags are, which other processes may share.
/// [pwritev2(2)](https://man7.org/linux/man-pages/man2/pwritev2.2.html)
pub fn pwritev2(fd: impl AsFd, iov: &[IoSlice<'_>], offset: i64, flags: c_int) -> Result<usize> {
    let iovcnt = c_int::try_from(iov.len()).unwrap_or(c_int::MAX);
    // IoSlice is guaranteed to have the layout of struct iovec.
    let pointer = iov.as_ptr().cast();
    // SAFETY: `iov` is at least `iovcnt` structs, each of a borrowed slice with its true length.
    let returned = unsafe { libc::pwritev2(raw(&fd), pointer, iovcnt, offset, flags) };
    ffi::size("pwritev2", returned)
}
