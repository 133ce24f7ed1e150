//! `<fcntl.h>`: the flags of descriptors and of what they are open on, and record locks.

use std::ffi::c_int;
use std::os::fd::AsFd;

pub use libc::{
    F_GETFD, F_GETFL, F_GETLK, F_GETOWN, F_RDLCK, F_SETFD, F_SETFL, F_SETLK, F_SETLKW, F_SETOWN,
    F_UNLCK, F_WRLCK, FD_CLOEXEC, O_ACCMODE, O_APPEND, O_ASYNC, O_NOCTTY, O_NONBLOCK, O_RDONLY,
    O_RDWR, O_WRONLY, SEEK_CUR, SEEK_END, SEEK_SET, flock,
};

use super::error::{EINVAL, Error, Result};
use super::ffi::{self, manual, raw};

/// `int fcntl(int fd, int cmd, int arg)`: reads or sets flags. For a command without argument, such
/// as `F_GETFL`, `arg` is 0. Refuses, with `EINVAL`, the commands whose argument is a pointer (for
/// record locks there is [`fcntl_lock`]) and those that make a descriptor.
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

/// `int fcntl(int fd, int cmd, struct flock *lock)`: takes or gives up a record lock (`F_SETLK`,
/// `F_SETLKW`, which waits) or says who has it (`F_GETLK`, which writes `lock`). Here 1:1 ends: C's
/// one function has an argument of any type, so that this is a second wrapper of it. Refuses, with
/// `EINVAL`, any other command.
///
/// A process loses its locks of a file when it closes any descriptor of that file, and a child does
/// not inherit them.
#[doc = manual!("fcntl", "2")]
pub fn fcntl_lock(fd: impl AsFd, cmd: c_int, lock: &mut flock) -> Result<c_int> {
    let (F_GETLK | F_SETLK | F_SETLKW) = cmd else {
        return Err(Error::new("fcntl", EINVAL));
    };
    // SAFETY: each of these commands takes a struct flock, which is exclusively borrowed.
    let returned = unsafe { libc::fcntl(raw(&fd), cmd, &raw mut *lock) };
    ffi::int("fcntl", returned)
}
