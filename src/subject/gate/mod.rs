//! A gate that a subject's system calls go through, set up between fork and exec: those that are listed
//! wait for an answer. They are made, and counted; or, when that was asked for, they fail.
//!
//! The way is seccomp's user notification: without privilege, exact over all processes and threads of a
//! subject, and without a stop. What it can't see: what a ring of io_uring does; the calls of a program
//! for another architecture (i386 on x86-64); and a call that was already being waited in when counting
//! began. What a gate changes: a program that is set-user-ID gets nothing by that, one that wants such a
//! gate of its own is refused it (`EBUSY`), and a task that waits for an answer sleeps (in /proc, `wchan`
//! is `seccomp_do_user_notification`) before it sleeps in the call itself.
//!
//! The listener is handed over by the child itself, in a message, and not fetched by the parent out of
//! the child (`pidfd_getfd`): that would take the right to trace it, which Yama or another user id
//! denies, and a child that is stopped until it has been done. That the message is not asked about,
//! even where sendmsg() is listed, is the filter's own business: it knows it by a word that is drawn
//! anew for each gate.

#![forbid(unsafe_code)]

mod call;
mod supervisor;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::{c_int, c_long};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::linux::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, eventfd};
use crate::linux::prctl::{PR_SET_NO_NEW_PRIVS, prctl};
use crate::linux::seccomp_notify::*;
use crate::net::Deadline;
use crate::posix::error::{EAGAIN, EINVAL, EOPNOTSUPP, Error, Result};
use crate::posix::poll::{POLLIN, pollfd};
use crate::posix::sys_socket::{AF_UNIX, SOCK_CLOEXEC, SOCK_SEQPACKET, socketpair};
use crate::posix::unistd::{read, write};

use crate::subject::{wait_for, watch::Task};
pub use call::{CLOSE, Call, Fault, Log, Only, Open, RECEIVE, SEND, Sysno};
use supervisor::Supervisor;

/// So many calls are remembered.
const REMEMBERED: usize = 1 << 16;

/// The kernel's largest error number.
const MAX_ERRNO: c_int = 4095;

#[derive(Default)]
struct State {
    installed: bool,
    /// Why there is no gate.
    refused: Option<Error>,
    over: bool,
    counting: bool,
    fault: Option<Fault>,
    /// How many calls were the fault's since it was armed.
    matched: u64,
    fired: u64,
    counts: BTreeMap<(u32, Sysno), u64>,
    log: VecDeque<Call>,
    logged: u64,
}

impl State {
    /// What this call is to fail with, or 0.
    fn verdict(&self, call: &Call) -> c_int {
        match &self.fault {
            Some(fault) if fault.is_for(call) => {
                let nth = self.matched + 1;
                let is_hit = nth >= fault.nth && nth - fault.nth < fault.times;
                if is_hit { fault.errno } else { 0 }
            }
            _ => 0,
        }
    }

    /// The call has got its answer.
    fn answered(&mut self, call: Call) {
        if self.fault.as_ref().is_some_and(|fault| fault.is_for(&call)) {
            self.matched += 1;
        }
        self.fired += u64::from(call.errno != 0);
        *self.counts.entry((call.tid, call.sysno)).or_default() += 1;
        if self.log.len() == REMEMBERED {
            self.log.pop_front();
        }
        self.log.push_back(call);
        self.logged += 1;
    }
}

struct Shared {
    state: Mutex<State>,
    calls: Vec<Sysno>,
    /// Readable once the listener is here, or will never be.
    settled: OwnedFd,
    /// Readable once the fault has fired, or nobody is left who could make it fire.
    fired: OwnedFd,
    /// The thread that answers.
    supervisor: OnceLock<Task>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a counter readable. It can't fail before 2^64 of them.
fn signal(event: &OwnedFd) {
    let _ = write(event, &1_u64.to_ne_bytes());
}

/// The child's side of a gate.
pub struct Gate {
    program: Vec<sock_filter>,
    pass: u64,
    door: OwnedFd,
    supervisor: Task,
}

impl Gate {
    /// A gate for these calls, and what they are watched by. Whoever answers is ready at once and is so
    /// until the last process behind the gate is gone: no call ever waits for the [`Tap`]'s owner. Only
    /// when this whole process ends earlier, the listed calls fail with `ENOSYS` from then on.
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP` on an architecture that is not known here; those of `seccomp` where the kernel has no
    /// user notification, of `socketpair`, `eventfd` and `pthread_create`.
    pub fn new(calls: &[Sysno]) -> Result<(Self, Tap)> {
        if AUDIT_ARCH == 0 {
            return Err(Error::new("seccomp", EOPNOTSUPP));
        }
        seccomp_get_notif_sizes()?;
        let [inside, outside] = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)?;
        let event = || eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        let (settled, fired, nothing) = (event()?, event()?, event()?);
        let (state, calls) = (Mutex::default(), calls.to_vec());
        let numbers: Vec<c_long> = calls.iter().map(|call| call.0).collect();
        let pass = RandomState::new().hash_one(0);
        let program = notify_program(&numbers, pass);
        let shared = Arc::new(Shared { state, calls, settled, fired, supervisor: OnceLock::new() });
        let listeners = Vec::new();
        let (shared_too, door) = (shared.clone(), Some(outside));
        let ports = RefCell::default();
        let supervisor = Supervisor { shared: shared_too, door, listeners, nothing, ports };
        std::thread::Builder::new().name("gate".into()).spawn(move || supervisor.run()).map_err(
            |error| Error::new("pthread_create", error.raw_os_error().unwrap_or(EAGAIN)),
        )?;
        let supervisor = *shared.supervisor.wait();
        Ok((Self { program, pass, door: inside, supervisor }, Tap { shared }))
    }

    /// Who answers, and holds everybody up who is behind the gate as long as he has no CPU.
    pub const fn supervisor(&self) -> Task {
        self.supervisor
    }

    /// Puts this thread behind the gate, and all that it makes or executes: the last thing to do before
    /// exec. Allocates nothing and takes no lock, as it must be between fork and exec.
    ///
    /// # Errors
    ///
    /// Those of `prctl`, `seccomp` and `sendmsg`; [`Tap::until_installed`] says which.
    pub fn install(&self) -> io::Result<()> {
        let listener = self.listener();
        let said = listener.as_ref().map_or_else(Error::errno, |_| 0).to_ne_bytes();
        let handed = listener.as_ref().ok().map(AsFd::as_fd);
        let told = sendmsg_past(&self.door, &said, handed, self.pass);
        // A process behind the gate that had the listener would wait for ever, were the supervisor gone.
        let closed = listener.and_then(|listener| close_past(listener, self.pass));
        let failed = |error: Error| io::Error::from_raw_os_error(error.errno());
        closed.and(told).map(drop).map_err(failed)
    }

    fn listener(&self) -> Result<OwnedFd> {
        prctl(PR_SET_NO_NEW_PRIVS, 1)?;
        // A call that has been received is not taken back because of a signal, where the kernel can do so.
        match seccomp_new_listener(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &self.program) {
            Err(error) if error.errno() == EINVAL => seccomp_new_listener(0, &self.program),
            listener => listener,
        }
    }
}

/// The outside of a gate: what goes through is seen here, and stopped. Nothing is counted and nothing
/// fails before [`start_counting`](Self::start_counting) or [`arm`](Self::arm): the loader's calls are
/// nobody's fault. After its end everything goes through.
pub struct Tap {
    shared: Arc<Shared>,
}

impl Tap {
    /// Waits until a subject is behind the gate; false once the deadline is over, or when nobody is left
    /// who could go there.
    ///
    /// # Errors
    ///
    /// What the subject's own setting up failed with: `EBUSY` if the examiner is behind such a gate
    /// itself. `EINVAL` of `ioctl` where the kernel is too old to let a call through. Those of `poll`.
    pub fn until_installed(&self, deadline: Deadline) -> Result<bool> {
        wait_for(&mut vec![pollfd::new(&self.shared.settled, POLLIN)], deadline)?;
        let state = self.shared.state();
        state.refused.map_or(Ok(state.installed), Err)
    }

    /// Counts from here on, from zero.
    pub fn start_counting(&self) {
        let mut state = self.shared.state();
        state.counting = true;
        state.counts.clear();
    }

    /// No longer counts. What was counted stays.
    pub fn stop_counting(&self) {
        self.shared.state().counting = false;
    }

    /// How many calls each thread has made, failed ones included, while they were counted or a fault
    /// was armed.
    pub fn counts(&self) -> BTreeMap<(u32, Sysno), u64> {
        self.shared.state().counts.clone()
    }

    /// How many of these calls all threads have made together.
    pub fn total(&self, calls: &[Sysno]) -> u64 {
        let state = self.shared.state();
        let these = state.counts.iter().filter(|((_, sysno), _)| calls.contains(sysno));
        these.map(|(_, count)| count).sum()
    }

    /// The calls that were counted, from number `since` on. The last 65536 are remembered.
    pub fn log(&self, since: u64) -> Log {
        let state = self.shared.state();
        let oldest = state.logged - state.log.len() as u64;
        let first = since.clamp(oldest, state.logged);
        let calls = state.log.iter().skip((first - oldest) as usize).copied().collect();
        Log { first, calls }
    }

    /// Arms a fault in place of the one before. When this returns, no call is still to be failed by that.
    ///
    /// # Errors
    ///
    /// `EINVAL` for a call that is not listed at the gate, no call, an error that there is not, or a fault
    /// that is never to fire.
    pub fn arm(&self, fault: Fault) -> Result<()> {
        let is_listed = fault.calls.iter().all(|call| self.shared.calls.contains(call));
        let is_some = !fault.calls.is_empty() && fault.nth > 0 && fault.times > 0;
        if !is_listed || !is_some || !(1..=MAX_ERRNO).contains(&fault.errno) {
            return Err(Error::new("arm", EINVAL));
        }
        self.set(Some(fault));
        Ok(())
    }

    /// From here on everything goes through. [`fired`](Self::fired) stays as it is.
    pub fn disarm(&self) {
        self.shared.state().fault = None;
    }

    fn set(&self, fault: Option<Fault>) {
        let mut state = self.shared.state();
        (state.fault, state.matched, state.fired) = (fault, 0, 0);
        // Not readable is what it is to be.
        let _ = read(&self.shared.fired, &mut [0; 8]);
        if state.over {
            signal(&self.shared.fired);
        }
    }

    /// How many calls have failed since the last fault was armed.
    pub fn fired(&self) -> u64 {
        self.shared.state().fired
    }

    /// Waits until a call has failed; false once the deadline is over, or when nobody is left who could
    /// make one.
    ///
    /// # Errors
    ///
    /// Those of `poll`.
    pub fn until_fired(&self, deadline: Deadline) -> Result<bool> {
        wait_for(&mut vec![pollfd::new(self.event(), POLLIN)], deadline)?;
        Ok(self.fired() > 0)
    }

    /// For a `poll` of one's own: readable (`POLLIN`) as soon as [`until_fired`](Self::until_fired) would
    /// return, until the next fault is armed. Not to be read.
    pub fn event(&self) -> BorrowedFd<'_> {
        self.shared.fired.as_fd()
    }

    /// Whether nobody is left behind the gate.
    pub fn is_over(&self) -> bool {
        self.shared.state().over
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        // The supervisor stays, or the subject would be left with calls that do not exist.
        self.stop_counting();
        self.disarm();
    }
}
