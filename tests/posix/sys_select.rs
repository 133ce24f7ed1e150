//! select and pselect.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use socklab::posix::error::{EAGAIN, EBADF, EINTR, EINVAL};
use socklab::posix::poll::{POLLIN, poll, pollfd};
use socklab::posix::signal::{
    SIG_BLOCK, SIGUSR1, handler, kill, sigaction, sigaddset, sigemptyset, sigprocmask,
};
use socklab::posix::sys_select::{
    FD_CLR, FD_ISSET, FD_SET, FD_SETSIZE, FD_ZERO, pselect, select, timespec, timeval,
};
use socklab::posix::sys_socket::{MSG_DONTWAIT, recv, send};
use socklab::posix::unistd::getpid;

use crate::support::{alone, errno_of, forked, limit_files, not_open, row, status, unix_pair};

/// A number within the sets that is not open in this process, which has opened few.
fn closed_number(number: i32) -> BorrowedFd<'static> {
    // SAFETY: not -1; select only looks the number up.
    unsafe { BorrowedFd::borrow_raw(number) }
}

#[test]
fn sets() {
    alone(|| {
        let [one, other] = unix_pair();
        let mut set = FD_ZERO();
        assert!(!FD_ISSET(&one, &set) && !FD_ISSET(&other, &set));
        FD_SET(&one, &mut set).expect("FD_SET");
        FD_SET(&one, &mut set).expect("twice is once");
        assert!(FD_ISSET(&one, &set) && !FD_ISSET(&other, &set));
        let copy = set;
        FD_CLR(&one, &mut set);
        FD_CLR(&other, &mut set);
        assert!(!FD_ISSET(&one, &set) && FD_ISSET(&one, &copy), "a set is a value");
    });
}

#[test]
fn descriptors_beyond_the_sets() {
    alone(|| {
        let enough = limit_files(2000);
        let [one, _other] = unix_pair();
        let mut copies = Vec::new();
        let high = loop {
            match one.try_clone() {
                Ok(copy) if copy.as_raw_fd() >= FD_SETSIZE as i32 => break copy,
                Ok(copy) => copies.push(copy),
                Err(error) => panic!("a limit of {enough} descriptors: {error}"),
            }
        };
        assert_eq!(high.as_raw_fd(), 1024);
        let mut set = FD_ZERO();
        row("FD_SET", "descriptor 1024", FD_SET(&high, &mut set), EINVAL);
        row("FD_SET", "descriptor INT_MAX", FD_SET(not_open(), &mut set), EINVAL);
        FD_CLR(&high, &mut set);
        assert!(!FD_ISSET(&high, &set));
        let last = copies.last().expect("many copies");
        assert_eq!(last.as_raw_fd(), 1023);
        FD_SET(last, &mut set).expect("the last one that fits");
        assert!(FD_ISSET(last, &set));
        let mut now = timeval { tv_sec: 0, tv_usec: 0 };
        assert_eq!(select(1024, None, Some(&mut set), None, Some(&mut now)), Ok(1));
        assert!(FD_ISSET(last, &set));
        let mut fds = [pollfd::new(&high, POLLIN)];
        assert_eq!(poll(&mut fds, 0), Ok(0), "poll has no such border");
    });
}

#[test]
fn select_leaves_the_ready_ones() {
    alone(|| {
        let ([one, other], [idle, _peer]) = (unix_pair(), unix_pair());
        assert_eq!(send(&one, b"x", 0), Ok(1));
        let mut readfds = FD_ZERO();
        FD_SET(&other, &mut readfds).expect("FD_SET");
        FD_SET(&idle, &mut readfds).expect("FD_SET");
        let nfds = other.as_raw_fd().max(idle.as_raw_fd()) + 1;
        assert_eq!(select(nfds, Some(&mut readfds), None, None, None), Ok(1));
        assert!(FD_ISSET(&other, &readfds) && !FD_ISSET(&idle, &readfds));

        FD_SET(&idle, &mut readfds).expect("FD_SET");
        let only_below = other.as_raw_fd().min(idle.as_raw_fd());
        let mut now = timeval { tv_sec: 0, tv_usec: 0 };
        let count = select(only_below, Some(&mut readfds), None, None, Some(&mut now));
        assert_eq!(count, Ok(0), "descriptors from nfds on are not looked at");
    });
}

#[test]
fn timeouts() {
    alone(|| {
        let [one, _other] = unix_pair();
        let nfds = one.as_raw_fd() + 1;
        let mut set = FD_ZERO();
        FD_SET(&one, &mut set).expect("FD_SET");
        let mut timeout = timeval { tv_sec: 0, tv_usec: 2000 };
        assert_eq!(select(nfds, Some(&mut set), None, None, Some(&mut timeout)), Ok(0));
        assert!(!FD_ISSET(&one, &set), "nothing is left in the set");
        assert_eq!((timeout.tv_sec, timeout.tv_usec), (0, 0), "nor of the time");
        let mut timeout = timeval { tv_sec: 3600, tv_usec: 0 };
        FD_SET(&one, &mut set).expect("FD_SET");
        assert_eq!(select(nfds, None, Some(&mut set), None, Some(&mut timeout)), Ok(1));
        assert!(timeout.tv_sec >= 3500, "Linux leaves what was not used");
        let timeout = timespec { tv_sec: 0, tv_nsec: 2_000_000 };
        assert_eq!(pselect(nfds, None, None, None, Some(&timeout), None), Ok(0));
    });
}

#[test]
fn errors() {
    alone(|| {
        let [one, _other] = unix_pair();
        let mut now = timeval { tv_sec: 0, tv_usec: 0 };
        let beyond = FD_SETSIZE as i32 + 1;
        row("select", "nfds -1", select(-1, None, None, None, Some(&mut now)), EINVAL);
        row("select", "nfds 1025", select(beyond, None, None, None, Some(&mut now)), EINVAL);
        row("select", "nfds INT_MAX", select(i32::MAX, None, None, None, None), EINVAL);
        row("pselect", "nfds -1", pselect(-1, None, None, None, None, None), EINVAL);
        row("pselect", "nfds 1025", pselect(beyond, None, None, None, None, None), EINVAL);
        let mut negative = timeval { tv_sec: -1, tv_usec: 0 };
        row("select", "before now", select(0, None, None, None, Some(&mut negative)), EINVAL);
        let bad = timespec { tv_sec: 0, tv_nsec: 1_000_000_000 };
        let result = pselect(0, None, None, None, Some(&bad), None);
        row("pselect", "a whole second of nanoseconds", result, EINVAL);
        let sets = |number| {
            let mut set = FD_ZERO();
            FD_SET(&one, &mut set).expect("FD_SET");
            FD_SET(closed_number(number), &mut set).expect("FD_SET");
            [set; 3]
        };
        let mut set = sets(40);
        for set in &mut set {
            row("select", "not open", select(41, Some(set), None, None, Some(&mut now)), EBADF);
            row("select", "not open", select(41, None, Some(set), None, Some(&mut now)), EBADF);
            row("select", "not open", select(41, None, None, Some(set), None), EBADF);
            row("pselect", "not open", pselect(41, Some(set), None, None, None, None), EBADF);
        }
        // The kernel looks only at numbers for which the process's table has room. After fork() that is 64, or as many as
        // are open; after exec() it is what the program before has needed.
        let child = forked(|| {
            let [mut set, ..] = sets(1023);
            assert_eq!(select(1024, None, Some(&mut set), None, Some(&mut now)), Ok(1));
            assert!(FD_ISSET(&one, &set), "what lies beyond is left out without an error");
            0
        });
        assert_eq!(status(child), 0);
    });
}

#[test]
fn pselect_lets_signals_in_while_it_waits() {
    alone(|| {
        extern "C" fn nothing(_: i32) {}
        let child = forked(|| {
            let mut blocked = sigemptyset();
            sigaddset(&mut blocked, SIGUSR1).expect("sigaddset");
            let before = sigprocmask(SIG_BLOCK, Some(&blocked)).expect("sigprocmask");
            let act =
                sigaction { sa_handler: handler(nothing), sa_mask: sigemptyset(), sa_flags: 0 };
            // SAFETY: the handler does nothing.
            unsafe { sigaction(SIGUSR1, Some(&act)) }.expect("sigaction");
            kill(getpid(), SIGUSR1).expect("kill");
            let now = timespec { tv_sec: 0, tv_nsec: 0 };
            let held_back = pselect(0, None, None, None, Some(&now), None);
            assert_eq!(held_back, Ok(0), "the signal is held back");
            errno_of(pselect(0, None, None, None, None, Some(&before)))
        });
        assert_eq!(status(child), EINTR, "and arrives as soon as the mask lets it");
    });
}

#[test]
fn select_agrees_with_nix() {
    alone(|| {
        let [one, other] = unix_pair();
        row("recv", "nothing yet", recv(&one, &mut [0; 1], MSG_DONTWAIT), EAGAIN);
        assert_eq!(send(&other, b"x", 0), Ok(1));
        let mut nix_set = nix::sys::select::FdSet::new();
        nix_set.insert(one.as_fd());
        let nix = nix::sys::select::select(None, &mut nix_set, None, None, None);
        let mut set = FD_ZERO();
        FD_SET(&one, &mut set).expect("FD_SET");
        let ours = select(one.as_raw_fd() + 1, Some(&mut set), None, None, None);
        assert_eq!(ours.ok(), nix.ok());
        assert_eq!(FD_ISSET(&one, &set), nix_set.contains(one.as_fd()));
    });
}
