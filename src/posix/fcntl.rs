//! `<fcntl.h>`: the flags of descriptors and of what they are open on.

use std::ffi::c_int;
use std::os::fd::AsFd;

pub use libc::{
    F_GETFD, F_GETFL, F_GETOWN, F_SETFD, F_SETFL, F_SETOWN, FD_CLOEXEC, O_ACCMODE, O_APPEND,
    O_ASYNC, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY,
};

use super::error::{EINVAL, Error, Result};
use super::ffi::{self, manual, raw};

/// `int fcntl(int fd, int cmd, int arg)`: reads or sets flags. For a command without argument, such
/// as `F_GETFL`, `arg` is 0. Refuses, with `EINVAL`, the commands whose argument is a pointer and
/// those that make a descriptor.
#[doc = manual!("fcntl", "2")]
pub fn fcntl(fd: impl AsFd, cmd: c_int, arg: c_int) -> Result<c_int> {
    match cmd {
        F_GETFD | F_SETFD | F_GETFL | F_SETFL | F_GETOWN | F_SETOWN => {}
        _ => return Err(Error::new("fcntl", EINVAL)),
    }
    // SAFETY: each of these commands takes an int or nothing.
    let returned = unsafe { libc::fcntl(raw(&fd), cmd, arg) };
    ffi::int("fcntl", returned)
}
