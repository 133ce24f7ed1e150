//! What every server must do alike: say that it listens, stop when it is asked to, and know which
//! errors to survive. Its counterpart in C is `c-compat/common/`.
//!
//! A request to stop (SIGINT, SIGTERM) becomes an end of file on every socket that a server may be
//! blocked in: the handler shuts the listening and the connected socket down for reading. A call
//! that is blocked there returns, and so does one that is only about to block, so there is no moment
//! at which the signal is lost; and what is being computed can still be sent. On Linux accept() on
//! such a socket fails with EINVAL, and select() calls it readable.

#![expect(unsafe_code, reason = "a signal handler, and descriptors that it knows by number")]

mod children;
mod errors;
mod threads;

use std::ffi::c_int;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

pub use self::children::*;
pub use self::errors::*;
pub use self::threads::*;
use super::options::address;
use crate::linux::signalfd::signalfd;
use crate::posix::Result;
use crate::posix::error::{errno, set_errno};
use crate::posix::semaphore::{sem_post, sem_t};
use crate::posix::signal::{
    SA_RESTART, SIG_BLOCK, SIG_IGN, SIG_UNBLOCK, SIGINT, SIGPIPE, SIGTERM, SIGUSR1, handler,
    sigaction, sigaddset, sigemptyset, signal, sigprocmask, sigset_t,
};
use crate::posix::sys_socket::{SHUT_RD, getsockname, shutdown};
use crate::posix::unistd::{getpid, write};
use crate::service::STOPPING;

static SERVER: AtomicI32 = AtomicI32::new(-1);
static LISTENFD: AtomicI32 = AtomicI32::new(-1);
static CONNFD: AtomicI32 = AtomicI32::new(-1);
static AWAITED: OnceLock<&sem_t> = OnceLock::new();

extern "C" fn stop(_signum: c_int) {
    let saved = errno();
    STOPPING.store(true, SeqCst);
    // A child shares the parent's listening socket, which is not the child's to shut down.
    if getpid() == SERVER.load(SeqCst) {
        end_of_file(LISTENFD.swap(-1, SeqCst));
    }
    end_of_file(CONNFD.swap(-1, SeqCst));
    if let Some(sem) = AWAITED.get() {
        // It can only fail when it is as large as can be, and then nobody waits.
        let _ = sem_post(sem);
    }
    set_errno(saved);
}

fn end_of_file(fd: RawFd) {
    if fd != -1 {
        // SAFETY: a socket that the server has open; were it closed just now, the call would only
        // fail.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        // Fails on a UDP socket, which is not connected, and ends its reading all the same.
        let _ = shutdown(fd, SHUT_RD);
    }
}

/// From here on SIGINT and SIGTERM stop the server, and a lost client is no SIGPIPE. Prints the
/// line that says where it listens.
pub fn ready(name: &str, listenfd: &OwnedFd) -> Result<()> {
    LISTENFD.store(listenfd.as_raw_fd(), SeqCst);
    heed_stops()?;
    announce(&readiness(name, listenfd)?)
}

/// The line that says where a server listens.
pub fn readiness(name: &str, listenfd: &OwnedFd) -> Result<String> {
    Ok(format!("{name}: listening on {}\n", address(&getsockname(listenfd)?)))
}

/// Prints that line.
pub fn announce(line: &str) -> Result<()> {
    write(std::io::stdout().as_fd(), line.as_bytes())?;
    Ok(())
}

/// The same without a listening socket of its own, so without the line.
pub fn heed_stops() -> Result<()> {
    SERVER.store(getpid(), SeqCst);
    signal(SIGPIPE, SIG_IGN)?;
    handle_stops(SA_RESTART)?;
    // Whoever started the server may have held them back.
    sigprocmask(SIG_UNBLOCK, Some(&signals(&STOPS)?))?;
    Ok(())
}

/// Holds back the requests to stop, and returns the mask that lets them in.
pub fn hold_stops() -> Result<sigset_t> {
    sigprocmask(SIG_BLOCK, Some(&signals(&STOPS)?))
}

const STOPS: [c_int; 2] = [SIGINT, SIGTERM];

fn handle_stops(sa_flags: c_int) -> Result<()> {
    // One at a time, so that a small stack has room for it.
    let act = sigaction { sa_handler: handler(stop), sa_mask: signals(&STOPS)?, sa_flags };
    for signum in STOPS {
        // SAFETY: `stop` uses atomics and getpid(), shutdown() and sem_post(), which are
        // async-signal-safe, and keeps errno.
        unsafe { sigaction(signum, Some(&act)) }?;
    }
    Ok(())
}

/// For a server that can wait for signals as for anything else: from here on SIGINT, SIGTERM and SIGUSR1
/// are read from a descriptor, and a lost client is no SIGPIPE.
pub fn signal_descriptor() -> Result<OwnedFd> {
    signal(SIGPIPE, SIG_IGN)?;
    let set = signals(&[SIGINT, SIGTERM, SIGUSR1])?;
    sigprocmask(SIG_BLOCK, Some(&set))?;
    signalfd(&set, 0)
}

fn signals(signums: &[c_int]) -> Result<sigset_t> {
    let mut set = sigemptyset();
    for &signum in signums {
        sigaddset(&mut set, signum)?;
    }
    Ok(set)
}

/// Whether the server has been asked to stop.
pub fn stopping() -> bool {
    STOPPING.load(SeqCst)
}

/// From here on a request to stop also ends the reading of this connected socket.
pub fn serving(connfd: &OwnedFd) {
    CONNFD.store(connfd.as_raw_fd(), SeqCst);
    if stopping() {
        end_of_file(connfd.as_raw_fd());
    }
}

/// From here on a request to stop also gives this semaphore one, in case somebody waits for it.
pub fn wakes(sem: &'static sem_t) {
    AWAITED.get_or_init(|| sem);
}

/// The connected socket is about to be closed.
pub fn served() {
    CONNFD.store(-1, SeqCst);
}
