//! `<sys/uio.h>`: the memory of another process.

use std::ffi::c_void;

use crate::posix::Result;
use crate::posix::ffi;
use crate::posix::unistd::pid_t;

/// `ssize_t process_vm_readv(pid_t pid, const struct iovec *local_iov, unsigned long liovcnt, const
/// struct iovec *remote_iov, unsigned long riovcnt, unsigned long flags)`: copies what another process
/// has at an address, with one piece on either side. Who may trace it may read it (`EPERM`).
/// [process_vm_readv(2)](https://man7.org/linux/man-pages/man2/process_vm_readv.2.html)
pub fn process_vm_readv(pid: pid_t, local: &mut [u8], remote: u64) -> Result<usize> {
    let len = local.len();
    let to = libc::iovec { iov_base: local.as_mut_ptr().cast(), iov_len: len };
    // An address of theirs: never followed here.
    let from = libc::iovec { iov_base: remote as usize as *mut c_void, iov_len: len };
    // SAFETY: `to` is `len` exclusively borrowed writable bytes; `from` the kernel checks.
    let returned = unsafe { libc::process_vm_readv(pid, &raw const to, 1, &raw const from, 1, 0) };
    ffi::size("process_vm_readv", returned)
}
