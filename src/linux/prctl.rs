//! `<sys/prctl.h>`: what a process asks of the kernel for itself.

use std::ffi::{c_int, c_ulong};

pub use libc::PR_SET_PDEATHSIG;

use crate::posix::error::{EINVAL, Error, Result};
use crate::posix::ffi;

/// `int prctl(int op, unsigned long arg)`: with `PR_SET_PDEATHSIG`, the signal that this process gets
/// when the thread that forked it ends. Refuses, with `EINVAL`, any other operation.
/// [prctl(2)](https://man7.org/linux/man-pages/man2/prctl.2.html)
pub fn prctl(op: c_int, arg: c_int) -> Result<()> {
    let (PR_SET_PDEATHSIG, Ok(arg)) = (op, c_ulong::try_from(arg)) else {
        return Err(Error::new("prctl", EINVAL));
    };
    // SAFETY: this operation takes a number and touches no memory of ours.
    let returned = unsafe { libc::prctl(op, arg) };
    ffi::unit("prctl", returned)
}
