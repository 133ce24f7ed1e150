//! `<sys/epoll.h>`: waiting for many descriptors at once, which the kernel remembers.

use std::ffi::c_int;
use std::os::fd::{AsFd, OwnedFd};

pub use libc::{
    EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLERR, EPOLLET, EPOLLEXCLUSIVE,
    EPOLLHUP, EPOLLIN, EPOLLONESHOT, EPOLLOUT, EPOLLPRI, EPOLLRDHUP,
};

use crate::posix::Result;
use crate::posix::ffi::{self, raw};

/// `struct epoll_event`: the events that are asked for or were found, and a number of the caller's.
#[expect(non_camel_case_types, reason = "C's name for C's type")]
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct epoll_event(libc::epoll_event);

impl epoll_event {
    /// `{ .events = events, .data.u64 = data }`
    pub const fn new(events: c_int, data: u64) -> Self {
        Self(libc::epoll_event { events: events as u32, u64: data })
    }

    /// `.events`: what is asked for, or was found.
    pub const fn events(&self) -> c_int {
        self.0.events as c_int
    }

    /// `.data.u64`: what was given with the descriptor.
    pub const fn data(&self) -> u64 {
        self.0.u64
    }
}

/// `int epoll_create1(int flags)`: makes an epoll instance.
/// [epoll_create1(2)](https://man7.org/linux/man-pages/man2/epoll_create1.2.html)
pub fn epoll_create1(flags: c_int) -> Result<OwnedFd> {
    // SAFETY: takes an int and touches no memory of ours.
    let returned = unsafe { libc::epoll_create1(flags) };
    // SAFETY: epoll_create1() has just made this descriptor for us.
    unsafe { ffi::fd("epoll_create1", returned) }
}

/// `int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)`: adds, changes or removes a
/// descriptor. Closing the descriptor removes it too, unless what it is open on has another one.
/// [epoll_ctl(2)](https://man7.org/linux/man-pages/man2/epoll_ctl.2.html)
pub fn epoll_ctl(
    epfd: impl AsFd,
    op: c_int,
    fd: impl AsFd,
    event: Option<&epoll_event>,
) -> Result<()> {
    let event = event.map_or(std::ptr::null(), |event| &raw const event.0).cast_mut();
    // SAFETY: `event` is null or a whole struct, which the kernel only reads.
    let returned = unsafe { libc::epoll_ctl(raw(&epfd), op, raw(&fd), event) };
    ffi::unit("epoll_ctl", returned)
}

/// `int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout)`: waits, at
/// most `timeout` milliseconds (-1 for ever), and returns how many of `events` were filled.
/// [epoll_wait(2)](https://man7.org/linux/man-pages/man2/epoll_wait.2.html)
#[inline(always)]
pub fn epoll_wait(epfd: impl AsFd, events: &mut [epoll_event], timeout: c_int) -> Result<c_int> {
    let maxevents = c_int::try_from(events.len()).unwrap_or(c_int::MAX);
    // SAFETY: `events` is at least `maxevents` exclusively borrowed structs; epoll_event is
    // transparent over C's.
    let returned =
        unsafe { libc::epoll_wait(raw(&epfd), events.as_mut_ptr().cast(), maxevents, timeout) };
    ffi::int("epoll_wait", returned)
}
