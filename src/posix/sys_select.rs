//! `<sys/select.h>`: waiting for many descriptors at once.

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

pub use libc::{FD_SETSIZE, fd_set, timespec, timeval};

use super::error::{EINVAL, Error, Result};
use super::ffi::{self, manual, raw};
use super::signal::sigset_t;

/// `void FD_ZERO(fd_set *set)`: a set without descriptors.
#[doc = manual!("select", "2")]
pub fn FD_ZERO() -> fd_set {
    let mut set = MaybeUninit::<fd_set>::uninit();
    // SAFETY: FD_ZERO writes all of the set.
    unsafe { libc::FD_ZERO(set.as_mut_ptr()) };
    // SAFETY: just written.
    unsafe { set.assume_init() }
}

/// `void FD_SET(int fd, fd_set *set)`: puts a descriptor into the set. Refuses, with `EINVAL`, one
/// from `FD_SETSIZE` on, for which C writes past the end of the set.
#[doc = manual!("select", "2")]
pub fn FD_SET(fd: impl AsFd, set: &mut fd_set) -> Result<()> {
    let fd = raw(&fd);
    if !fits(fd) {
        return Err(Error::new("FD_SET", EINVAL));
    }
    // SAFETY: the number lies within the set.
    unsafe { libc::FD_SET(fd, set) };
    Ok(())
}

/// `void FD_CLR(int fd, fd_set *set)`: takes a descriptor out of the set. One from `FD_SETSIZE` on
/// was never in it.
#[doc = manual!("select", "2")]
pub fn FD_CLR(fd: impl AsFd, set: &mut fd_set) {
    let fd = raw(&fd);
    if fits(fd) {
        // SAFETY: the number lies within the set.
        unsafe { libc::FD_CLR(fd, set) };
    }
}

/// `int FD_ISSET(int fd, const fd_set *set)`: whether a descriptor is in the set. One from
/// `FD_SETSIZE` on is not.
#[doc = manual!("select", "2")]
pub fn FD_ISSET(fd: impl AsFd, set: &fd_set) -> bool {
    let fd = raw(&fd);
    // SAFETY: the number lies within the set.
    fits(fd) && unsafe { libc::FD_ISSET(fd, set) }
}

fn fits(fd: c_int) -> bool {
    usize::try_from(fd).is_ok_and(|fd| fd < FD_SETSIZE)
}

/// `int select(int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds, struct timeval
/// *timeout)`: waits until a descriptor of the sets is ready; the sets then hold the ready ones and
/// `timeout`, on Linux, what is left of it. Refuses, with `EINVAL`, an `nfds` beyond `FD_SETSIZE`,
/// for which the kernel writes past the end of the sets.
#[doc = manual!("select", "2")]
#[inline(always)]
pub fn select(
    nfds: c_int,
    readfds: Option<&mut fd_set>,
    writefds: Option<&mut fd_set>,
    exceptfds: Option<&mut fd_set>,
    timeout: Option<&mut timeval>,
) -> Result<c_int> {
    if nfds > FD_SETSIZE as c_int {
        return Err(Error::new("select", EINVAL));
    }
    let (r, w, x) = (pointer(readfds), pointer(writefds), pointer(exceptfds));
    // SAFETY: each set is null or an exclusively borrowed set of FD_SETSIZE bits, of which `nfds`
    // are read and written; `timeout` is null or exclusively borrowed.
    let returned = unsafe { libc::select(nfds, r, w, x, pointer(timeout)) };
    ffi::int("select", returned)
}

/// `int pselect(int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds, const struct
/// timespec *timeout, const sigset_t *sigmask)`: [`select`] with the signal mask changed for as
/// long as it waits. Refuses an `nfds` as `select` does.
#[doc = manual!("pselect", "2")]
pub fn pselect(
    nfds: c_int,
    readfds: Option<&mut fd_set>,
    writefds: Option<&mut fd_set>,
    exceptfds: Option<&mut fd_set>,
    timeout: Option<&timespec>,
    sigmask: Option<&sigset_t>,
) -> Result<c_int> {
    if nfds > FD_SETSIZE as c_int {
        return Err(Error::new("pselect", EINVAL));
    }
    let (r, w, x) = (pointer(readfds), pointer(writefds), pointer(exceptfds));
    let timeout = timeout.map_or(std::ptr::null(), std::ptr::from_ref);
    let sigmask = sigmask.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: each set is null or an exclusively borrowed set of FD_SETSIZE bits, of which `nfds`
    // are read and written; the other two are null or borrowed and only read.
    let returned = unsafe { libc::pselect(nfds, r, w, x, timeout, sigmask) };
    ffi::int("pselect", returned)
}

fn pointer<T>(value: Option<&mut T>) -> *mut T {
    value.map_or(std::ptr::null_mut(), std::ptr::from_mut)
}
