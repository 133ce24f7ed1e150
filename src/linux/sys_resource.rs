//! `<sys/resource.h>`: what another process may use.

use std::ffi::c_int;
use std::ptr::null;

use crate::posix::Result;
use crate::posix::ffi;
use crate::posix::sys_resource::rlimit;

/// `int prlimit(pid_t pid, int resource, const struct rlimit *new_limit, struct rlimit *old_limit)`: sets a
/// limit of a process that runs, if there is a new one, and tells which it had. 0 is the calling process.
/// [prlimit(2)](https://man7.org/linux/man-pages/man2/prlimit.2.html)
pub fn prlimit(pid: c_int, resource: c_int, new_limit: Option<&rlimit>) -> Result<rlimit> {
    let mut old_limit = rlimit { rlim_cur: 0, rlim_max: 0 };
    let new_limit = new_limit.map_or(null(), |limit| &raw const *limit);
    // SAFETY: `new_limit` is null or a whole struct, `old_limit` a writable one, for the whole call.
    let returned = unsafe { libc::prlimit(pid, resource as _, new_limit, &raw mut old_limit) };
    ffi::unit("prlimit", returned)?;
    Ok(old_limit)
}
