//! `<sys/prctl.h>`: what a process asks of the kernel for itself.

use std::ffi::{c_int, c_ulong};

pub use libc::{PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG};

use crate::posix::error::{EINVAL, Error, Result};
use crate::posix::ffi;

/// `int prctl(int op, unsigned long arg)`: with `PR_SET_PDEATHSIG`, the signal that this process gets
/// when the thread that forked it ends; with `PR_SET_NO_NEW_PRIVS` and 1, no program that it executes
/// gives it a privilege. Refuses, with `EINVAL`, any other operation.
/// [prctl(2)](https://man7.org/linux/man-pages/man2/prctl.2.html)
pub fn prctl(op: c_int, arg: c_int) -> Result<()> {
    let (PR_SET_PDEATHSIG | PR_SET_NO_NEW_PRIVS, Ok(arg)) = (op, c_ulong::try_from(arg)) else {
        return Err(Error::new("prctl", EINVAL));
    };
    // The kernel looks at all of them and wants those that it has no use for to be 0.
    const UNUSED: c_ulong = 0;
    // SAFETY: these operations take numbers and touch no memory of ours.
    let returned = unsafe { libc::prctl(op, arg, UNUSED, UNUSED, UNUSED) };
    ffi::unit("prctl", returned)
}
