//! `<unistd.h>`: processes, and reading and writing descriptors.

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};

pub use libc::{STDERR_FILENO, STDIN_FILENO, STDOUT_FILENO, pid_t};

use super::error::{Error, Result};
use super::ffi::{self, manual, raw};

/// `pid_t fork(void)`: makes a copy of the process; returns the child's id in the parent and 0 in
/// the child.
#[doc = manual!("fork", "2")]
///
/// # Safety
///
/// Only the calling thread exists in the child. If the process had others, the child may use only
/// async-signal-safe functions: a lock held by another thread (the allocator's, standard output's)
/// stays locked for ever.
pub unsafe fn fork() -> Result<pid_t> {
    // SAFETY: the caller's contract.
    let returned = unsafe { libc::fork() };
    ffi::int("fork", returned)
}

/// `pid_t getpid(void)`: this process.
#[doc = manual!("getpid", "2")]
pub fn getpid() -> pid_t {
    // SAFETY: takes nothing and can't fail.
    unsafe { libc::getpid() }
}

/// `pid_t getppid(void)`: its parent.
#[doc = manual!("getppid", "2")]
pub fn getppid() -> pid_t {
    // SAFETY: takes nothing and can't fail.
    unsafe { libc::getppid() }
}

/// `ssize_t read(int fd, void *buf, size_t count)`: reads what there is; 0 is the end of file.
#[doc = manual!("read", "2")]
pub fn read(fd: impl AsFd, buf: &mut [u8]) -> Result<usize> {
    // SAFETY: `buf` is `count` writable bytes for the whole call.
    let returned = unsafe { libc::read(raw(&fd), buf.as_mut_ptr().cast(), buf.len()) };
    ffi::size("read", returned)
}

/// `ssize_t write(int fd, const void *buf, size_t count)`: writes what it can.
#[doc = manual!("write", "2")]
pub fn write(fd: impl AsFd, buf: &[u8]) -> Result<usize> {
    // SAFETY: `buf` is `count` readable bytes for the whole call.
    let returned = unsafe { libc::write(raw(&fd), buf.as_ptr().cast(), buf.len()) };
    ffi::size("write", returned)
}

/// `int close(int fd)`: gives the descriptor up, whatever it returns.
#[doc = manual!("close", "2")]
pub fn close(fd: OwnedFd) -> Result<()> {
    // SAFETY: ours alone until this call, and nobody's after it: into_raw_fd forgot the owner.
    let returned = unsafe { libc::close(fd.into_raw_fd()) };
    ffi::unit("close", returned)
}

/// `int pipe(int pipefd[2])`: makes a pipe: its reading end, then its writing end.
#[doc = manual!("pipe", "2")]
pub fn pipe() -> Result<[OwnedFd; 2]> {
    let mut pipefd = [-1; 2];
    // SAFETY: `pipefd` has room for the two ints that are written.
    let returned = unsafe { libc::pipe(pipefd.as_mut_ptr()) };
    ffi::unit("pipe", returned)?;
    // SAFETY: pipe() has just made this descriptor for us.
    let reading = unsafe { ffi::fd("pipe", pipefd[0]) };
    // SAFETY: as above.
    let writing = unsafe { ffi::fd("pipe", pipefd[1]) };
    Ok([reading?, writing?])
}

/// `int dup2(int oldfd, int newfd)`: makes `newfd` another name of what `oldfd` is open on, closing
/// what it was open on before. Its owner stays the owner, of what it now is.
#[doc = manual!("dup2", "2")]
pub fn dup2(oldfd: impl AsFd, newfd: impl AsFd) -> Result<c_int> {
    // SAFETY: takes two ints; both are borrowed, so open, and both are open afterwards.
    let returned = unsafe { libc::dup2(raw(&oldfd), raw(&newfd)) };
    ffi::int("dup2", returned)
}

/// `ssize_t readlinkat(int dirfd, const char *path, char *buf, size_t bufsiz)`: what a symbolic link in a
/// folder says; returns how many bytes of `buf` that are, at most all of it, without a NUL.
#[doc = manual!("readlink", "2")]
pub fn readlinkat(dirfd: impl AsFd, path: &CStr, buf: &mut [u8]) -> Result<usize> {
    let (to, bufsiz) = (buf.as_mut_ptr().cast(), buf.len());
    // SAFETY: `path` ends in NUL, and `buf` is `bufsiz` writable bytes for the whole call.
    let returned = unsafe { libc::readlinkat(raw(&dirfd), path.as_ptr(), to, bufsiz) };
    ffi::size("readlinkat", returned)
}

/// `int execv(const char *path, char *const argv[])`: puts another program in this process's place,
/// which keeps its id, its environment and its descriptors. Returns only if that fails.
#[doc = manual!("exec", "3")]
pub fn execv(path: &CStr, argv: &[&CStr]) -> Error {
    let pointers = argv.iter().map(|arg| arg.as_ptr());
    let argv: Vec<*const c_char> = pointers.chain([std::ptr::null()]).collect();
    // SAFETY: `path` and every string that the list has are borrowed, and a null pointer ends it.
    unsafe { libc::execv(path.as_ptr(), argv.as_ptr()) };
    Error::last("execv")
}

/// `void _exit(int status)`: ends the process at once, without the buffers and handlers of exit().
#[doc = manual!("_exit", "2")]
pub fn _exit(status: c_int) -> ! {
    // SAFETY: takes an int and does not return.
    unsafe { libc::_exit(status) }
}

/// `unsigned alarm(unsigned seconds)`: asks for a `SIGALRM`, or with 0 for none; returns what was
/// left of an earlier one.
#[doc = manual!("alarm", "2")]
pub fn alarm(seconds: c_uint) -> c_uint {
    // SAFETY: takes an int and can't fail.
    unsafe { libc::alarm(seconds) }
}
