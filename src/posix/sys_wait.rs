//! `<sys/wait.h>`: what became of children.

use std::ffi::c_int;

pub use libc::{WCONTINUED, WNOHANG, WUNTRACED};

use super::error::Result;
use super::ffi::{self, manual};
use super::unistd::pid_t;

/// `pid_t waitpid(pid_t pid, int *wstatus, int options)`: waits for a child; returns its id (0 with
/// `WNOHANG` when none has changed) and its status.
#[doc = manual!("waitpid", "2")]
pub fn waitpid(pid: pid_t, options: c_int) -> Result<(pid_t, c_int)> {
    let mut wstatus = 0;
    // SAFETY: `wstatus` is a writable int for the whole call.
    let returned = unsafe { libc::waitpid(pid, &raw mut wstatus, options) };
    Ok((ffi::int("waitpid", returned)?, wstatus))
}

/// `WIFEXITED(wstatus)`: it ended by itself.
pub const fn WIFEXITED(wstatus: c_int) -> bool {
    libc::WIFEXITED(wstatus)
}

/// `WEXITSTATUS(wstatus)`: with which status.
pub const fn WEXITSTATUS(wstatus: c_int) -> c_int {
    libc::WEXITSTATUS(wstatus)
}

/// `WIFSIGNALED(wstatus)`: a signal ended it.
pub const fn WIFSIGNALED(wstatus: c_int) -> bool {
    libc::WIFSIGNALED(wstatus)
}

/// `WTERMSIG(wstatus)`: which signal.
pub const fn WTERMSIG(wstatus: c_int) -> c_int {
    libc::WTERMSIG(wstatus)
}

/// `WCOREDUMP(wstatus)`: with a core file.
pub const fn WCOREDUMP(wstatus: c_int) -> bool {
    libc::WCOREDUMP(wstatus)
}

/// `WIFSTOPPED(wstatus)`: a signal stopped it.
pub const fn WIFSTOPPED(wstatus: c_int) -> bool {
    libc::WIFSTOPPED(wstatus)
}

/// `WSTOPSIG(wstatus)`: which signal.
pub const fn WSTOPSIG(wstatus: c_int) -> c_int {
    libc::WSTOPSIG(wstatus)
}

/// `WIFCONTINUED(wstatus)`: `SIGCONT` made it go on.
pub const fn WIFCONTINUED(wstatus: c_int) -> bool {
    libc::WIFCONTINUED(wstatus)
}
