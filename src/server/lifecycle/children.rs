//! A server's child processes: one for each client, or a pool of them in which whoever ends is replaced.

#![forbid(unsafe_code)]

use std::ffi::c_int;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};

use super::{LISTENFD, PAUSE, SERVER, STOPS, end_of_file, handle_stops, signals, stopping};
use crate::linux::prctl::{PR_SET_PDEATHSIG, prctl};
use crate::posix::Result;
use crate::posix::error::EINTR;
use crate::posix::signal::{
    SIG_BLOCK, SIG_DFL, SIG_UNBLOCK, SIGCHLD, SIGCONT, SIGINT, SIGKILL, SIGTERM, kill, signal,
    sigprocmask, sigtimedwait, sigwait,
};
use crate::posix::sys_wait::{WIFSTOPPED, WNOHANG, WUNTRACED, waitpid};
use crate::posix::time::timespec;
use crate::posix::unistd::{_exit, getppid, pid_t};
use crate::service::STOPPING;

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
    loop {
        match waitpid(-1, WUNTRACED) {
            // Whoever has been stopped (SIGSTOP) goes on, to hear that it is to end.
            Ok((childpid, status)) if WIFSTOPPED(status) => {
                let _ = kill(childpid, SIGCONT);
            }
            Ok(_) => {}
            // A signal has come.
            Err(error) if error.errno() == EINTR => {}
            // Nobody is left.
            Err(_) => return Ok(()),
        }
    }
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

/// Waits until a pool of so many children lacks one: at first all of them, at once; later those that have
/// ended, after a pause, in case they all end at once. Returns false when the server is to stop.
pub fn lacks_worker(workers: usize) -> Result<bool> {
    static HAS_BEGUN: AtomicBool = AtomicBool::new(false);
    // How many are made before the next pause.
    static GRANTED: AtomicUsize = AtomicUsize::new(0);
    if !HAS_BEGUN.swap(true, SeqCst) {
        GRANTED.store(workers, SeqCst);
    }
    while !stopping() {
        let lacking = workers - forget_ended(workers);
        if lacking == 0 {
            GRANTED.store(0, SeqCst);
            next_signal()?;
        } else if GRANTED.load(SeqCst) > 0 {
            GRANTED.fetch_sub(1, SeqCst);
            return Ok(true);
        } else {
            let pause = timespec { tv_sec: 0, tv_nsec: i64::from(PAUSE) * 1_000_000 };
            match sigtimedwait(&signals(&STOPS)?, &pause) {
                Ok(_signum) => stop_all(),
                Err(_) => GRANTED.store(lacking, SeqCst),
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
