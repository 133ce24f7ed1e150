//! What every server must do alike: say that it listens, stop when it is asked to, and know which
//! errors to survive. Its counterpart in C is `c-compat/common.c`.
//!
//! A request to stop (SIGINT, SIGTERM) becomes an end of file on every socket that a server may be
//! blocked in: the handler shuts the listening and the connected socket down for reading. A call
//! that is blocked there returns, and so does one that is only about to block, so there is no moment
//! at which the signal is lost; and what is being computed can still be sent. On Linux accept() on
//! such a socket fails with EINVAL, and select() calls it readable.

#![expect(unsafe_code, reason = "a signal handler, and descriptors that it knows by number")]

use std::ffi::c_int;
use std::fmt::Display;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};

use super::options::address;
use crate::linux::prctl::{PR_SET_PDEATHSIG, prctl};
use crate::linux::signalfd::signalfd;
use crate::posix::error::{
    EAGAIN, ECONNABORTED, ECONNREFUSED, EHOSTDOWN, EHOSTUNREACH, EINTR, EMFILE, ENETDOWN,
    ENETUNREACH, ENFILE, ENOBUFS, ENOMEM, ENONET, ENOPROTOOPT, ENOSR, EOPNOTSUPP, EPERM, EPROTO,
    EPROTONOSUPPORT, ESOCKTNOSUPPORT, ETIMEDOUT, errno, set_errno,
};
use crate::posix::poll::poll;
use crate::posix::pthread::PTHREAD_STACK_MIN;
use crate::posix::semaphore::{sem_post, sem_t};
use crate::posix::signal::{
    SA_RESTART, SIG_BLOCK, SIG_DFL, SIG_IGN, SIG_UNBLOCK, SIGCHLD, SIGINT, SIGKILL, SIGPIPE,
    SIGTERM, SIGUSR1, handler, kill, sigaction, sigaddset, sigemptyset, signal, sigprocmask,
    sigset_t, sigtimedwait, sigwait,
};
use crate::posix::sys_socket::{SHUT_RD, getsockname, shutdown};
use crate::posix::sys_wait::{WNOHANG, waitpid};
use crate::posix::time::{time, timespec};
use crate::posix::unistd::{_exit, close, getpid, getppid, pid_t, write};
use crate::posix::{Error, Result};
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

/// Goes on after an error of accept(), recvfrom() or select() that a server outlives, and returns
/// whether it is one that only time can end; any other error is returned.
/// [accept(2)](https://man7.org/linux/man-pages/man2/accept.2.html), "Error handling"
pub fn survive(error: Error) -> Result<bool> {
    match error.errno() {
        // A signal, or a client that is gone already.
        EINTR | EAGAIN | ECONNABORTED | ECONNREFUSED | EPROTO => Ok(false),
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

static LISTENFDS: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());

/// A pool's further listening socket, which a request to stop ends as well, once there are workers
/// who may wait at it.
pub fn also_listening(listenfd: &OwnedFd) {
    LISTENFDS.lock().unwrap_or_else(PoisonError::into_inner).push(listenfd.as_raw_fd());
}

struct Child {
    pid: pid_t,
    /// In a pool, which of the workers it is, from 0 on.
    place: usize,
}

static CHILDREN: Mutex<Vec<Child>> = Mutex::new(Vec::new());
/// The places of a pool's workers that have ended.
static VACATED: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// Remembers a child. Those that have ended are forgotten whenever twice as many are remembered as
/// were last found alive, so that the list stays short.
pub fn child_started(childpid: pid_t) {
    let mut children = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
    if children.len() == children.capacity() {
        children.retain(|child| is_our_child(child.pid));
        let room = children.len().max(64);
        children.reserve_exact(room);
    }
    let vacated = VACATED.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let place = vacated.unwrap_or(children.len());
    children.push(Child { pid: childpid, place });
}

/// With SIGCHLD ignored, a child that has ended is nobody's child.
fn is_our_child(child: pid_t) -> bool {
    waitpid(child, WNOHANG).is_ok_and(|(changed, _status)| changed == 0)
}

/// Asks every remembered child to stop and waits until none of them is left.
pub fn end_children() -> Result<()> {
    // From here on a child that ends keeps its id until it is waited for, so that no signal can
    // hit a stranger.
    signal(SIGCHLD, SIG_DFL)?;
    let children = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
    for child in children.iter() {
        if is_our_child(child.pid) {
            // Ours and not waited for, so it can only succeed.
            let _ = kill(child.pid, SIGTERM);
        }
    }
    for child in children.iter() {
        // Fails with EINTR when a signal comes, and with ECHILD when there is nobody to wait for.
        while waitpid(child.pid, 0).is_err_and(|error| error.errno() == EINTR) {}
    }
    Ok(())
}

const WAITED_FOR: [c_int; 3] = [SIGINT, SIGTERM, SIGCHLD];

/// From here on the signals that a pool's first process or thread waits for are held back, in the
/// threads that it makes too.
pub fn hold_signals() -> Result<()> {
    // Ignored, a child that ends would send no signal.
    signal(SIGCHLD, SIG_DFL)?;
    sigprocmask(SIG_BLOCK, Some(&signals(&WAITED_FOR)?))?;
    Ok(())
}

/// Waits for one of the signals that are held back. A request to stop is obeyed as the handler
/// would: the listening socket is shut down, in all that share it.
fn next_signal() -> Result<()> {
    if sigwait(&signals(&WAITED_FOR)?)? != SIGCHLD {
        stop_all();
    }
    Ok(())
}

fn stop_all() {
    STOPPING.store(true, SeqCst);
    // First the children learn it, so that they know why accept() fails.
    for child in CHILDREN.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        // Ours and not waited for, so it can only succeed.
        let _ = kill(child.pid, SIGTERM);
    }
    end_of_file(LISTENFD.swap(-1, SeqCst));
    for fd in LISTENFDS.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        end_of_file(fd);
    }
}

/// Waits until the server is asked to stop.
pub fn wait_for_stop() -> Result<()> {
    while !stopping() {
        next_signal()?;
    }
    Ok(())
}

/// Waits until a pool of so many children lacks one, at first at once, and later when one has ended;
/// then after a pause, in case they all end at once. Returns false when the server is to stop.
pub fn lacks_worker(workers: usize) -> Result<bool> {
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    while !stopping() {
        if forget_ended(workers) == workers {
            next_signal()?;
        } else if STARTED.fetch_add(1, SeqCst) < workers {
            return Ok(true);
        } else {
            let pause = timespec { tv_sec: 0, tv_nsec: i64::from(PAUSE) * 1_000_000 };
            match sigtimedwait(&signals(&STOPS)?, &pause) {
                Ok(_signum) => stop_all(),
                Err(_) => return Ok(true),
            }
        }
    }
    Ok(false)
}

/// Forgets the workers that have ended, but not their places, and returns how many are left.
fn forget_ended(workers: usize) -> usize {
    let mut children = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
    // Room for all, so that child_started() forgets nobody.
    let lacking = workers - children.len();
    children.reserve_exact(lacking);
    while let Ok((childpid @ 1.., _status)) = waitpid(-1, WNOHANG) {
        if let Some(i) = children.iter().position(|child| child.pid == childpid) {
            let place = children.swap_remove(i).place;
            VACATED.lock().unwrap_or_else(PoisonError::into_inner).push(place);
        }
    }
    children.len()
}

/// The place, from 0 on, of the worker that is lacking: the next one, or that of one that has ended.
pub fn vacancy() -> usize {
    let children = CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
    let vacated = VACATED.lock().unwrap_or_else(PoisonError::into_inner);
    vacated.last().copied().unwrap_or(children.len())
}

/// This process is a pool's child: it ends when its parent does, and a signal ends its wait for the
/// next client, since the listening socket is not its own to shut down.
pub fn worker() -> Result<()> {
    prctl(PR_SET_PDEATHSIG, SIGKILL)?;
    if getppid() != SERVER.load(SeqCst) {
        _exit(0);
    }
    handle_stops(0)?;
    sigprocmask(SIG_UNBLOCK, Some(&signals(&WAITED_FOR)?))?;
    Ok(())
}

/// The stack of a thread that serves, in bytes: enough for the deepest recursion with a signal
/// handler on top of it, and so small that the C library does not hand pages of it back, with a call
/// of its own, whenever a thread ends.
pub const STACK_SIZE: usize =
    if PTHREAD_STACK_MIN > 20 * 1024 { PTHREAD_STACK_MIN } else { 20 * 1024 };

/// An error that ends the server, in a thread that has nobody to return it to.
pub fn die(error: Error) -> ! {
    let _ = write(std::io::stderr().as_fd(), format!("{error}\n").as_bytes());
    _exit(1)
}

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
