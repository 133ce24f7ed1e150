//! Signals, and the calls that they interrupt.

use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use nix::unistd::geteuid;
use socklab::posix::Result;
use socklab::posix::error::{EAGAIN, EINTR, EINVAL, EPERM, ESRCH, Errno, errno, set_errno};
use socklab::posix::poll::{POLLIN, poll, pollfd};
use socklab::posix::signal::{
    SA_RESETHAND, SA_RESTART, SIG_BLOCK, SIG_DFL, SIG_IGN, SIG_SETMASK, SIG_UNBLOCK, SIGCHLD,
    SIGKILL, SIGPIPE, SIGSTOP, SIGUSR1, SIGUSR2, handler, kill, sigaction, sigaddset, sigdelset,
    sigemptyset, sigismember, signal, sigprocmask, sigtimedwait, sigwait,
};
use socklab::posix::sys_mman::{MAP_SHARED, Zeroed, mmap};
use socklab::posix::sys_select::{FD_SET, FD_ZERO, pselect, select};
use socklab::posix::sys_socket::{
    SO_RCVTIMEO, SOL_SOCKET, accept, connect, recv, recvfrom, recvmsg, send, setsockopt, timeval,
};
use socklab::posix::sys_wait::{WIFSIGNALED, WTERMSIG, waitpid};
use socklab::posix::time::{nanosleep, timespec};
use socklab::posix::unistd::{getpid, pid_t, pipe, read, write};

use crate::support::{
    alone, become_nobody, errno_of, fill, forked, full_listener, listener, name, row, skip, status,
    tcp, udp, unix_pair, until, until_blocked,
};

struct Counter(AtomicU32);
// SAFETY: an integer.
unsafe impl Zeroed for Counter {}

/// How many signals were handled, in memory that a forked child shares.
static HANDLED: OnceLock<&'static Counter> = OnceLock::new();

extern "C" fn count(_: i32) {
    let before = errno();
    if let Some(counter) = HANDLED.get() {
        counter.0.fetch_add(1, SeqCst);
    }
    set_errno(before);
}

fn handled() -> u32 {
    HANDLED.get_or_init(|| mmap::<Counter>(MAP_SHARED).expect("mmap")).0.load(SeqCst)
}

fn install(signum: i32, sa_flags: i32) -> Result<sigaction> {
    handled();
    let act = sigaction { sa_handler: handler(count), sa_mask: sigemptyset(), sa_flags };
    // SAFETY: the handler uses an atomic alone, and restores errno.
    unsafe { sigaction(signum, Some(&act)) }
}

/// A child that blocks in `call`, its handler installed with `sa_flags`; it ends with the call's
/// errno, or 0.
fn blocked(sa_flags: i32, call: &dyn Fn() -> Result<()>) -> pid_t {
    handled();
    let child = forked(|| {
        install(SIGUSR1, sa_flags).expect("sigaction");
        errno_of(call())
    });
    until_blocked(child);
    child
}

#[test]
fn blocking_calls_are_interrupted() {
    alone(|| {
        let ([idle, _peer], [full, _full_peer], [empty, _writing]) =
            (unix_pair(), unix_pair(), pipe().expect("pipe"));
        fill(&full);
        let ((listenfd, _), (full_listenfd, _, _first)) = (listener(), full_listener());
        let (fd, nfds) = (udp(), idle.as_raw_fd() + 1);
        let set = || {
            let mut set = FD_ZERO();
            FD_SET(&idle, &mut set).map(|()| set)
        };
        let long = timeval { tv_sec: 3600, tv_usec: 0 };
        let limited = udp();
        setsockopt(&limited, SOL_SOCKET, SO_RCVTIMEO, &long).expect("setsockopt");
        type Row<'a> = (&'a str, bool, &'a dyn Fn() -> Result<()>);
        // The second column: whether SA_RESTART lets it go on.
        let rows: [Row<'_>; 17] = [
            ("recv", true, &|| recv(&idle, &mut [0; 1], 0).map(drop)),
            ("recv, UDP", true, &|| recv(&fd, &mut [0; 1], 0).map(drop)),
            ("recv, SO_RCVTIMEO", false, &|| recv(&limited, &mut [0; 1], 0).map(drop)),
            ("recvfrom", true, &|| recvfrom(&fd, &mut [0; 1], 0).map(drop)),
            ("recvmsg", true, &|| recvmsg(&fd, &mut [], &mut [], 0).map(drop)),
            ("read", true, &|| read(&empty, &mut [0; 1]).map(drop)),
            ("send", true, &|| send(&full, b"x", 0).map(drop)),
            ("write", true, &|| write(&full, b"x").map(drop)),
            ("accept", true, &|| accept(&listenfd).map(drop)),
            ("connect", true, &|| connect(tcp(), &name(&full_listenfd))),
            ("poll", false, &|| poll(&mut [pollfd::new(&idle, POLLIN)], -1).map(drop)),
            ("poll, nothing", false, &|| poll(&mut [], 3_600_000).map(drop)),
            ("select", false, &|| select(nfds, Some(&mut set()?), None, None, None).map(drop)),
            ("select, time", false, &|| select(0, None, None, None, Some(&mut { long })).map(drop)),
            ("pselect", false, &|| pselect(0, None, None, None, None, None).map(drop)),
            ("nanosleep", false, &|| nanosleep(&timespec { tv_sec: 3600, tv_nsec: 0 })),
            ("waitpid", true, &|| {
                let child = forked(|| errno_of(read(&empty, &mut [0; 1])));
                waitpid(child, 0).map(drop)
            }),
        ];
        for (what, restarts, call) in rows {
            let child = blocked(0, call);
            kill(child, SIGUSR1).expect("kill");
            assert_eq!(Errno(status(child)), Errno(EINTR), "{what}");

            let child = blocked(SA_RESTART, call);
            let before = handled();
            kill(child, SIGUSR1).expect("kill");
            until(|| handled() > before);
            if restarts {
                until_blocked(child);
                kill(child, SIGKILL).expect("kill");
                let (_, wstatus) = waitpid(child, 0).expect("waitpid");
                assert!(WIFSIGNALED(wstatus), "{what}, SA_RESTART: {wstatus:#x}");
            } else {
                assert_eq!(Errno(status(child)), Errno(EINTR), "{what}, SA_RESTART");
            }
        }
    });
}

#[test]
fn a_restarted_call_ends_as_if_nothing_had_been() {
    alone(|| {
        let [one, other] = unix_pair();
        let child = blocked(SA_RESTART, &|| recv(&one, &mut [0; 1], 0).map(drop));
        let before = handled();
        kill(child, SIGUSR1).expect("kill");
        until(|| handled() > before);
        until_blocked(child);
        assert_eq!(send(&other, b"x", 0), Ok(1));
        assert_eq!(status(child), 0);
    });
}

#[test]
fn signal_sets_a_disposition() {
    alone(|| {
        assert_eq!(signal(SIGPIPE, SIG_DFL), Ok(SIG_IGN), "Rust ignores SIGPIPE");
        assert_eq!(signal(SIGPIPE, SIG_IGN), Ok(SIG_DFL));
        assert_eq!(signal(SIGUSR1, SIG_IGN), Ok(SIG_DFL));
        kill(getpid(), SIGUSR1).expect("ignored");
        install(SIGUSR1, 0).expect("sigaction");
        assert_eq!(signal(SIGUSR1, SIG_DFL), Ok(handler(count)), "a function that was there");
        row("signal", "SIGKILL", signal(SIGKILL, SIG_IGN), EINVAL);
        row("signal", "SIGSTOP", signal(SIGSTOP, SIG_IGN), EINVAL);
        row("signal", "signal 0", signal(0, SIG_IGN), EINVAL);
        row("signal", "signal 99", signal(99, SIG_IGN), EINVAL);
        row("signal", "a function", signal(SIGUSR1, handler(count)), EINVAL);
    });
}

#[test]
fn sigaction_reads_back_what_was_set() {
    alone(|| {
        // SAFETY: None installs nothing.
        let read = |signum| unsafe { sigaction(signum, None) };
        let before = read(SIGUSR1).expect("sigaction");
        assert_eq!((before.sa_handler, before.sa_flags), (SIG_DFL, 0));
        let mut sa_mask = sigemptyset();
        sigaddset(&mut sa_mask, SIGUSR2).expect("sigaddset");
        let act = sigaction { sa_handler: handler(count), sa_mask, sa_flags: SA_RESTART };
        // SAFETY: the handler uses an atomic alone, and restores errno.
        unsafe { sigaction(SIGUSR1, Some(&act)) }.expect("sigaction");
        let now = read(SIGUSR1).expect("sigaction");
        assert_eq!(now.sa_handler, handler(count));
        assert_eq!(now.sa_flags & SA_RESTART, SA_RESTART);
        let members = [SIGUSR1, SIGUSR2].map(|signum| sigismember(&now.sa_mask, signum));
        assert_eq!(members, [Ok(0), Ok(1)]);
        // SAFETY: the default action runs no code of ours.
        let act = |signum| unsafe { sigaction(signum, Some(&before)) };
        row("sigaction", "SIGKILL", act(SIGKILL), EINVAL);
        row("sigaction", "SIGSTOP", act(SIGSTOP), EINVAL);
        row("sigaction", "signal 0", act(0), EINVAL);
        row("sigaction", "signal 99", act(99), EINVAL);
        row("sigaction", "signal 99, to read", read(99), EINVAL);
        assert!(read(SIGKILL).is_ok(), "SIGKILL can be read");
    });
}

#[test]
fn handlers_run_once_or_always() {
    alone(|| {
        install(SIGUSR1, 0).expect("sigaction");
        kill(getpid(), SIGUSR1).expect("kill");
        kill(getpid(), 0).expect("no signal at all");
        until(|| handled() == 1);
        kill(getpid(), SIGUSR1).expect("kill");
        until(|| handled() == 2);
        install(SIGUSR1, SA_RESETHAND).expect("sigaction");
        kill(getpid(), SIGUSR1).expect("kill");
        until(|| handled() == 3);
        // SAFETY: None installs nothing.
        let now = unsafe { sigaction(SIGUSR1, None) }.expect("sigaction");
        assert_eq!(now.sa_handler, SIG_DFL, "SA_RESETHAND");
    });
}

#[test]
fn sets_of_signals() {
    let mut set = sigemptyset();
    for signum in 1..=31 {
        assert_eq!(sigismember(&set, signum), Ok(0));
        sigaddset(&mut set, signum).expect("sigaddset");
        assert_eq!(sigismember(&set, signum), Ok(1));
    }
    sigdelset(&mut set, SIGCHLD).expect("sigdelset");
    sigdelset(&mut set, SIGCHLD).expect("twice is once");
    assert_eq!((sigismember(&set, SIGCHLD), sigismember(&set, SIGKILL)), (Ok(0), Ok(1)));
    for signum in [0, -1, 65, 99] {
        let what = format!("signal {signum}");
        row("sigaddset", &what, sigaddset(&mut set, signum), EINVAL);
        row("sigdelset", &what, sigdelset(&mut set, signum), EINVAL);
        row("sigismember", &what, sigismember(&set, signum), EINVAL);
    }
}

#[test]
fn blocked_signals_wait() {
    alone(|| {
        let mut set = sigemptyset();
        sigaddset(&mut set, SIGUSR1).expect("sigaddset");
        let members = |set: &socklab::posix::signal::sigset_t| sigismember(set, SIGUSR1);
        let before = sigprocmask(SIG_BLOCK, Some(&set)).expect("sigprocmask");
        assert_eq!(members(&before), Ok(0));
        let now = sigprocmask(SIG_BLOCK, None).expect("sigprocmask");
        assert_eq!(members(&now), Ok(1), "None only asks");
        sigprocmask(SIG_UNBLOCK, Some(&set)).expect("sigprocmask");
        let now = sigprocmask(SIG_SETMASK, Some(&set)).expect("sigprocmask");
        assert_eq!(members(&now), Ok(0));
        row("sigprocmask", "no such way", sigprocmask(99, Some(&set)), EINVAL);
        assert!(sigprocmask(99, None).is_ok(), "with None the way does not matter");
        let child = forked(|| {
            install(SIGUSR1, 0).expect("sigaction");
            kill(getpid(), SIGUSR1).expect("kill");
            let waiting = handled();
            sigprocmask(SIG_SETMASK, Some(&before)).expect("sigprocmask");
            (waiting * 10 + handled()) as i32
        });
        assert_eq!(status(child), 1, "a forked child has the mask; the signal came at its end");
    });
}

#[test]
fn kill_sends() {
    alone(|| {
        let [one, _other] = unix_pair();
        let child = forked(|| recv(&one, &mut [0; 1], 0).map_or(1, |_| 0));
        assert_eq!(kill(child, 0), Ok(()), "it is there");
        kill(child, SIGUSR2).expect("kill");
        let (_, wstatus) = waitpid(child, 0).expect("waitpid");
        assert!(WIFSIGNALED(wstatus) && WTERMSIG(wstatus) == SIGUSR2);
        row("kill", "it was reaped", kill(child, 0), ESRCH);
        row("kill", "no such process", kill(i32::MAX, 0), ESRCH);
        row("kill", "no such process group", kill(-i32::MAX, 0), ESRCH);
        row("kill", "signal 99", kill(getpid(), 99), EINVAL);
        row("kill", "signal -1", kill(getpid(), -1), EINVAL);
        let owner = |path| std::fs::metadata(path).map(|process| process.uid()).ok();
        if become_nobody() && owner("/proc/1").is_some_and(|uid| uid != geteuid().as_raw()) {
            row("kill", "another user's process", kill(1, 0), EPERM);
        } else {
            skip("kill EPERM", "process 1 is ours, or is hidden");
        }
    });
}

#[test]
fn held_back_signals_are_waited_for() {
    // In a process with one thread: another would take them.
    alone(|| assert_eq!(status(forked(wait_for_signals)), 0));
}

fn wait_for_signals() -> i32 {
    let mut set = sigemptyset();
    for signum in [SIGUSR1, SIGUSR2, SIGCHLD] {
        sigaddset(&mut set, signum).expect("sigaddset");
    }
    sigprocmask(SIG_BLOCK, Some(&set)).expect("sigprocmask");
    let nothing = timespec { tv_sec: 0, tv_nsec: 0 };
    row("sigtimedwait", "nothing", sigtimedwait(&set, &nothing), EAGAIN);
    // Pending twice is pending once; the lowest number comes first.
    for signum in [SIGUSR2, SIGUSR1, SIGUSR1] {
        kill(getpid(), signum).expect("kill");
    }
    assert_eq!(sigwait(&set), Ok(SIGUSR1));
    assert_eq!(sigtimedwait(&set, &nothing), Ok(SIGUSR2));
    // A child's end is told although its default is to be ignored.
    let child = forked(|| 0);
    assert_eq!(sigwait(&set), Ok(SIGCHLD));
    assert_eq!(status(child), 0);
    let wrong = timespec { tv_sec: 0, tv_nsec: -1 };
    row("sigtimedwait", "a negative time", sigtimedwait(&set, &wrong), EINVAL);
    0
}
