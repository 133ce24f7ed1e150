//! `<fcntl.h>`: how much a pipe holds.

use std::ffi::c_int;
use std::os::fd::AsFd;

pub use libc::{F_GETPIPE_SZ, F_SETPIPE_SZ};

use crate::posix::Result;
use crate::posix::error::{EINVAL, Error};
use crate::posix::ffi::{self, raw};

/// `int fcntl(int fd, int cmd, int arg)`: the capacity of a pipe (`F_GETPIPE_SZ`, `F_SETPIPE_SZ`), in
/// bytes; returns it. Refuses, with `EINVAL`, any other command.
/// [F_SETPIPE_SZ(2const)](https://man7.org/linux/man-pages/man2/F_SETPIPE_SZ.2const.html)
pub fn fcntl_pipe(fd: impl AsFd, cmd: c_int, arg: c_int) -> Result<c_int> {
    let (F_GETPIPE_SZ | F_SETPIPE_SZ) = cmd else {
        return Err(Error::new("fcntl", EINVAL));
    };
    // SAFETY: each of these commands takes an int or nothing.
    let returned = unsafe { libc::fcntl(raw(&fd), cmd, arg) };
    ffi::int("fcntl", returned)
}
