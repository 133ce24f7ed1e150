//! `<signal.h>`: signals, what they do and which are held back.

use std::ffi::c_int;
use std::mem::MaybeUninit;

pub use libc::{
    SA_NOCLDSTOP, SA_NOCLDWAIT, SA_NODEFER, SA_RESETHAND, SA_RESTART, SIG_BLOCK, SIG_SETMASK,
    SIG_UNBLOCK, SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGPIPE, SIGQUIT, SIGSTOP,
    SIGTERM, SIGUSR1, SIGUSR2, sigset_t,
};

use super::error::{EINVAL, Error, Result};
use super::ffi::{self, manual};
use super::time::timespec;
use super::unistd::pid_t;

/// What a signal does: [`SIG_DFL`], [`SIG_IGN`], or a function that was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct sighandler_t(libc::sighandler_t);

/// The signal's default action.
pub const SIG_DFL: sighandler_t = sighandler_t(libc::SIG_DFL);
/// The signal is ignored.
pub const SIG_IGN: sighandler_t = sighandler_t(libc::SIG_IGN);

/// `sighandler_t signal(int signum, sighandler_t handler)`: sets what a signal does and returns what
/// it did before. Refuses, with `EINVAL`, a function, which is [`sigaction()`]'s to set.
#[doc = manual!("signal", "2")]
pub fn signal(signum: c_int, handler: sighandler_t) -> Result<sighandler_t> {
    if handler != SIG_DFL && handler != SIG_IGN {
        return Err(Error::new("signal", EINVAL));
    }
    // SAFETY: neither of the two dispositions runs code of ours.
    let returned = unsafe { libc::signal(signum, handler.0) };
    if returned == libc::SIG_ERR {
        return Err(Error::last("signal"));
    }
    Ok(sighandler_t(returned))
}

/// `struct sigaction`: what a signal does, which signals wait meanwhile, and its `SA_` flags.
#[derive(Clone, Copy)]
pub struct sigaction {
    /// The handler or disposition.
    pub sa_handler: sighandler_t,
    /// The signals that are held back while the handler runs.
    pub sa_mask: sigset_t,
    /// `SA_RESTART` and so on.
    pub sa_flags: c_int,
}

/// `(sighandler_t)function`: a function as a handler, to be installed by [`sigaction()`].
pub fn handler(function: extern "C" fn(c_int)) -> sighandler_t {
    sighandler_t(function as *const () as libc::sighandler_t)
}

/// `int sigaction(int signum, const struct sigaction *act, struct sigaction *oldact)`: sets what a
/// signal does, or with `None` leaves it; returns what it did before.
#[doc = manual!("sigaction", "2")]
///
/// # Safety
///
/// A function in `act` is called at any moment, in any thread, between any two instructions. It may
/// use only async-signal-safe functions and atomics, and leaves `errno` as it was.
pub unsafe fn sigaction(signum: c_int, act: Option<&sigaction>) -> Result<sigaction> {
    let act = act.map(|act| libc::sigaction {
        sa_sigaction: act.sa_handler.0,
        sa_mask: act.sa_mask,
        sa_flags: act.sa_flags,
        sa_restorer: None,
    });
    let from = act.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let mut oldact = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: `from` is null or a whole struct, `oldact` has room for one; the handler is the
    // caller's contract.
    let returned = unsafe { libc::sigaction(signum, from, oldact.as_mut_ptr()) };
    ffi::unit("sigaction", returned)?;
    // SAFETY: zeroed, since the C library writes only as much of the mask as the kernel knows.
    let oldact = unsafe { oldact.assume_init() };
    Ok(sigaction {
        sa_handler: sighandler_t(oldact.sa_sigaction),
        sa_mask: oldact.sa_mask,
        sa_flags: oldact.sa_flags,
    })
}

/// `int sigemptyset(sigset_t *set)`: a set without signals.
#[doc = manual!("sigemptyset", "3")]
pub fn sigemptyset() -> sigset_t {
    let mut set = MaybeUninit::<sigset_t>::zeroed();
    // SAFETY: `set` has room for the set, and the call can't fail.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: zeroed, since the C library writes only as much of it as the kernel knows.
    unsafe { set.assume_init() }
}

/// `int sigaddset(sigset_t *set, int signum)`: puts a signal into the set.
#[doc = manual!("sigaddset", "3")]
pub fn sigaddset(set: &mut sigset_t, signum: c_int) -> Result<()> {
    // SAFETY: `set` is an initialised set; a signal that there is not is refused by the call.
    let returned = unsafe { libc::sigaddset(set, signum) };
    ffi::unit("sigaddset", returned)
}

/// `int sigdelset(sigset_t *set, int signum)`: takes a signal out of the set.
#[doc = manual!("sigdelset", "3")]
pub fn sigdelset(set: &mut sigset_t, signum: c_int) -> Result<()> {
    // SAFETY: `set` is an initialised set; a signal that there is not is refused by the call.
    let returned = unsafe { libc::sigdelset(set, signum) };
    ffi::unit("sigdelset", returned)
}

/// `int sigismember(const sigset_t *set, int signum)`: 1 if the signal is in the set, otherwise 0.
#[doc = manual!("sigismember", "3")]
pub fn sigismember(set: &sigset_t, signum: c_int) -> Result<c_int> {
    // SAFETY: `set` is an initialised set; a signal that there is not is refused by the call.
    let returned = unsafe { libc::sigismember(set, signum) };
    ffi::int("sigismember", returned)
}

/// `int sigprocmask(int how, const sigset_t *set, sigset_t *oldset)`: changes which signals are held
/// back from this thread, or with `None` leaves them; returns those that were.
#[doc = manual!("sigprocmask", "2")]
pub fn sigprocmask(how: c_int, set: Option<&sigset_t>) -> Result<sigset_t> {
    let from = set.map_or(std::ptr::null(), std::ptr::from_ref);
    let mut oldset = sigemptyset();
    // SAFETY: `from` is null or an initialised set, `oldset` a writable one.
    let returned = unsafe { libc::sigprocmask(how, from, &raw mut oldset) };
    ffi::unit("sigprocmask", returned)?;
    Ok(oldset)
}

/// `int sigwait(const sigset_t *set, int *sig)`: waits until one of the signals is pending, takes it
/// and returns it. They are to be held back, in all threads, or their actions are taken instead.
#[doc = manual!("sigwait", "3")]
pub fn sigwait(set: &sigset_t) -> Result<c_int> {
    let mut sig = 0;
    // SAFETY: `set` is an initialised set, `sig` a writable int.
    let returned = unsafe { libc::sigwait(set, &raw mut sig) };
    ffi::number("sigwait", returned)?;
    Ok(sig)
}

/// `int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)`: the same
/// for a limited time, then `EAGAIN`.
#[doc = manual!("sigtimedwait", "2")]
pub fn sigtimedwait(set: &sigset_t, timeout: &timespec) -> Result<c_int> {
    // SAFETY: `set` is an initialised set, `timeout` a whole struct; a null `info` is not written.
    let returned = unsafe { libc::sigtimedwait(set, std::ptr::null_mut(), timeout) };
    ffi::int("sigtimedwait", returned)
}

/// `int kill(pid_t pid, int sig)`: sends a signal to a process or, for 0, -1 and negative ids, to
/// many; signal 0 only asks whether it could.
#[doc = manual!("kill", "2")]
pub fn kill(pid: pid_t, sig: c_int) -> Result<()> {
    // SAFETY: takes two ints and touches no memory of ours.
    let returned = unsafe { libc::kill(pid, sig) };
    ffi::unit("kill", returned)
}
