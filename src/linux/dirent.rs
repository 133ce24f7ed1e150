//! Linux's part of `<dirent.h>`: the entries of a folder, many in one call.

use std::ffi::CStr;
use std::mem::offset_of;
use std::os::fd::AsFd;

use crate::posix::Result;
use crate::posix::ffi::{self, raw};

/// `ssize_t getdents64(int fd, void *dirp, size_t count)`: fills `dirp` with as many entries as fit, and
/// returns how many bytes of it are theirs; 0 is the end. They are read by [`names`].
/// [getdents64(2)](https://man7.org/linux/man-pages/man2/getdents64.2.html)
pub fn getdents64(fd: impl AsFd, dirp: &mut [u8]) -> Result<usize> {
    let (to, count) = (dirp.as_mut_ptr(), dirp.len());
    // SAFETY: `dirp` is `count` writable bytes for the whole call.
    let returned = unsafe { libc::syscall(libc::SYS_getdents64, raw(&fd), to, count) };
    ffi::size("getdents64", returned as isize)
}

const RECLEN: usize = offset_of!(libc::dirent64, d_reclen);
const NAME: usize = offset_of!(libc::dirent64, d_name);

/// The `d_name` of each `struct linux_dirent64` in what [`getdents64`] filled. An entry whose length is
/// impossible, or whose name has no end, ends them.
pub fn names(mut dirents: &[u8]) -> impl Iterator<Item = &CStr> {
    std::iter::from_fn(move || {
        let length =
            dirents.get(RECLEN..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))?;
        let (entry, rest) = dirents.split_at_checked(usize::from(length))?;
        let name = CStr::from_bytes_until_nul(entry.get(NAME..)?).ok()?;
        dirents = rest;
        Some(name)
    })
}
