//! Linux's signalfd.

use nix::libc;
use socklab::linux::signalfd::{
    SFD_CLOEXEC, SFD_NONBLOCK, as_signalfd_siginfo, signalfd, signalfd_siginfo,
};
use socklab::posix::error::{EAGAIN, EINVAL};
use socklab::posix::signal::{SIG_BLOCK, SIGTERM, SIGUSR1, sigaddset, sigemptyset, sigprocmask};
use socklab::posix::unistd::{getpid, read};

use crate::support::{alone, row};

#[test]
fn signals_that_are_held_back_are_read() {
    alone(|| {
        let mut set = sigemptyset();
        sigaddset(&mut set, SIGTERM).expect("sigaddset");
        sigaddset(&mut set, SIGUSR1).expect("sigaddset");
        let sigfd = signalfd(&set, SFD_NONBLOCK | SFD_CLOEXEC).expect("signalfd");
        let mut info = [0; size_of::<signalfd_siginfo>()];
        row("read", "no signal", read(&sigfd, &mut info), EAGAIN);
        row("read", "no room for one", read(&sigfd, &mut info[1..]), EINVAL);
        sigprocmask(SIG_BLOCK, Some(&set)).expect("sigprocmask");
        // SIGTERM twice: one that is pending is not counted.
        for signum in [SIGTERM, SIGUSR1, SIGTERM] {
            // SAFETY: takes an int; the signal is held back from this thread, which gets it.
            assert_eq!(unsafe { libc::raise(signum) }, 0);
        }
        let mut found = Vec::new();
        while let Ok(length) = read(&sigfd, &mut info) {
            let info = as_signalfd_siginfo(&info[..length]).expect("a whole one");
            assert_eq!(info.ssi_pid, getpid() as u32);
            found.push(info.ssi_signo as i32);
        }
        found.sort_unstable();
        assert_eq!(found, [SIGUSR1, SIGTERM]);
    });
}

#[test]
fn refusals() {
    assert!(as_signalfd_siginfo(&[0; 127]).is_none());
    row("signalfd", "a flag that there is not", signalfd(&sigemptyset(), 1), EINVAL);
}
