//! Which errors to survive, to pause on, to die of, and how to say so.

#![forbid(unsafe_code)]

use std::ffi::c_int;
use std::fmt::Display;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use crate::posix::error::{
    EAGAIN, EBUSY, ECONNABORTED, ECONNREFUSED, EHOSTDOWN, EHOSTUNREACH, EINTR, EMFILE, ENETDOWN,
    ENETUNREACH, ENFILE, ENOBUFS, ENOMEM, ENONET, ENOPROTOOPT, ENOSR, EOPNOTSUPP, EPERM, EPROTO,
    EPROTONOSUPPORT, ESOCKTNOSUPPORT, ETIMEDOUT,
};
use crate::posix::poll::poll;
use crate::posix::time::time;
use crate::posix::unistd::{_exit, write};
use crate::posix::{Error, Result};

/// Goes on after an error of accept(), recvfrom() or select() that a server outlives, and returns
/// whether it is one that only time can end; any other error is returned.
/// [accept(2)](https://man7.org/linux/man-pages/man2/accept.2.html), "Error handling"
pub fn survive(error: Error) -> Result<bool> {
    match error.errno() {
        // A signal, a client that is gone already, or completions (io_uring) that are to be taken first.
        EINTR | EAGAIN | EBUSY | ECONNABORTED | ECONNREFUSED | EPROTO => Ok(false),
        // A shortage, a firewall, or an error of the network on the new socket: it may last.
        EMFILE | ENFILE | ENOBUFS | ENOMEM | EPERM | ENOSR | ENOPROTOOPT | EPROTONOSUPPORT
        | ESOCKTNOSUPPORT | EOPNOTSUPP | ENETDOWN | ENETUNREACH | EHOSTDOWN | EHOSTUNREACH
        | ENONET | ETIMEDOUT => {
            report(error);
            Ok(true)
        }
        _ => Err(error),
    }
}

/// How long a server that is short of something leaves its clients waiting, in milliseconds.
pub const PAUSE: c_int = 100;

/// Waits for a shortage to end, instead of asking again and again.
pub fn pause() {
    // Without descriptors poll() only waits; a signal ends it early.
    let _ = poll(&mut [], PAUSE);
}

/// One line on standard error, at most one in a second: clients can cause these errors.
pub fn report(what: impl Display) {
    static LAST: AtomicI64 = AtomicI64::new(0);
    let now = time();
    if LAST.swap(now, SeqCst) != now {
        let line = format!("{what}\n");
        // There is nowhere to report that reporting failed.
        let _ = write(std::io::stderr().as_fd(), line.as_bytes());
    }
}

/// An error that ends the server, in a thread that has nobody to return it to.
pub fn die(error: Error) -> ! {
    let _ = write(std::io::stderr().as_fd(), format!("{error}\n").as_bytes());
    _exit(1)
}
