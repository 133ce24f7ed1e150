//! `<poll.h>`: waiting for many descriptors at once, without a limit on their numbers.

use std::ffi::{c_int, c_short};
use std::os::fd::AsFd;

pub use libc::{POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, POLLRDHUP, nfds_t};

use super::error::Result;
use super::ffi::{self, manual, raw};

/// `struct pollfd`: a descriptor's number, as a `fd_set` has it, with the events that are asked for
/// and those that were found.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub struct pollfd(libc::pollfd);

impl pollfd {
    /// `{ .fd = fd, .events = events }`
    pub fn new(fd: impl AsFd, events: c_short) -> Self {
        Self(libc::pollfd { fd: raw(&fd), events, revents: 0 })
    }

    /// `.events`: what is asked for.
    pub const fn events(&self) -> c_short {
        self.0.events
    }

    /// `.revents`: what was found.
    pub const fn revents(&self) -> c_short {
        self.0.revents
    }
}

/// `int poll(struct pollfd *fds, nfds_t nfds, int timeout)`: waits, at most `timeout` milliseconds
/// (-1 for ever), until a descriptor is ready; returns how many have `revents`.
#[doc = manual!("poll", "2")]
#[inline(always)]
pub fn poll(fds: &mut [pollfd], timeout: c_int) -> Result<c_int> {
    let nfds = fds.len() as nfds_t;
    // SAFETY: `fds` is `nfds` exclusively borrowed structs; pollfd is transparent over C's.
    let returned = unsafe { libc::poll(fds.as_mut_ptr().cast(), nfds, timeout) };
    ffi::int("poll", returned)
}
