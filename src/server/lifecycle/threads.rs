//! The connected sockets of threads: a request to stop ends the reading of all of them.

#![forbid(unsafe_code)]

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Condvar, Mutex, PoisonError};

use super::{end_of_file, stopping};
use crate::posix::pthread::PTHREAD_STACK_MIN;
use crate::posix::unistd::close;

/// The stack of a thread that serves, in bytes: enough for the deepest recursion with a signal
/// handler on top of it, and so small that the C library does not hand pages of it back, with a call
/// of its own, whenever a thread ends.
pub const STACK_SIZE: usize =
    if PTHREAD_STACK_MIN > 20 * 1024 { PTHREAD_STACK_MIN } else { 20 * 1024 };

static CONNECTED: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());
static NONE_CONNECTED: Condvar = Condvar::new();

/// Remembers a connected socket that a thread is about to serve.
// Inlined, as is the next: a thread does little else.
#[inline(always)]
pub fn connected(connfd: &OwnedFd) {
    CONNECTED.lock().unwrap_or_else(PoisonError::into_inner).push(connfd.as_raw_fd());
    if stopping() {
        end_of_file(connfd.as_raw_fd());
    }
}

/// Closes a remembered socket and forgets it.
#[inline(always)]
pub fn close_connected(connfd: OwnedFd) {
    let mut connected = CONNECTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(i) = connected.iter().position(|&fd| fd == connfd.as_raw_fd()) {
        connected.swap_remove(i);
    }
    // Closed under the lock, so that the number in the list is never another socket's.
    let _ = close(connfd);
    if connected.is_empty() && stopping() {
        NONE_CONNECTED.notify_all();
    }
}

/// Ends the reading of every remembered socket and waits until all of them are closed.
pub fn end_connected() {
    let mut connected = CONNECTED.lock().unwrap_or_else(PoisonError::into_inner);
    for &fd in connected.iter() {
        end_of_file(fd);
    }
    while !connected.is_empty() {
        connected = NONE_CONNECTED.wait(connected).unwrap_or_else(PoisonError::into_inner);
    }
}
