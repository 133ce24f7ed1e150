//! poll.

use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout};
use socklab::posix::error::EINVAL;
use socklab::posix::poll::{POLLHUP, POLLIN, POLLNVAL, POLLOUT, poll, pollfd};
use socklab::posix::sys_socket::send;
use socklab::posix::unistd::close;

use crate::support::{alone, limit_files, not_open, row, unix_pair};

#[test]
fn poll_reports_each_descriptor() {
    alone(|| {
        let ([one, other], [idle, _peer]) = (unix_pair(), unix_pair());
        assert_eq!(send(&one, b"x", 0), Ok(1));
        let closed = not_open();
        let mut fds = [
            pollfd::new(&other, POLLIN | POLLOUT),
            pollfd::new(&idle, POLLIN),
            pollfd::new(&idle, POLLOUT),
            pollfd::new(closed, POLLIN),
            pollfd::new(&idle, 0),
        ];
        assert_eq!(poll(&mut fds, -1), Ok(3));
        let found = fds.each_ref().map(pollfd::revents);
        assert_eq!(found, [POLLIN | POLLOUT, 0, POLLOUT, POLLNVAL, 0]);
        let asked = fds.each_ref().map(pollfd::events);
        assert_eq!(asked, [POLLIN | POLLOUT, POLLIN, POLLOUT, POLLIN, 0]);
        drop(one);
        close(_peer).expect("close");
        assert_eq!(poll(&mut fds[4..], -1), Ok(1));
        assert_eq!(fds[4].revents(), POLLHUP, "reported without being asked for");
        assert_eq!(fds[4].events(), 0);
    });
}

#[test]
fn timeouts() {
    alone(|| {
        let [one, _other] = unix_pair();
        let mut fds = [pollfd::new(&one, POLLIN)];
        let start = std::time::Instant::now();
        assert_eq!(poll(&mut fds, 0), Ok(0));
        assert_eq!(poll(&mut fds, 2), Ok(0));
        assert!(start.elapsed().as_millis() >= 2, "no earlier");
        assert_eq!(poll(&mut [], 0), Ok(0), "nothing to watch");
    });
}

#[test]
fn more_than_may_be_open() {
    alone(|| {
        let [one, _other] = unix_pair();
        let before = limit_files(2);
        let mut fds = [(); 3].map(|()| pollfd::new(&one, POLLOUT));
        row("poll", "more than RLIMIT_NOFILE", poll(&mut fds, 0), EINVAL);
        limit_files(before);
        assert_eq!(poll(&mut fds, 0), Ok(3), "one descriptor may be listed often");
    });
}

#[test]
fn poll_agrees_with_nix() {
    alone(|| {
        let [one, other] = unix_pair();
        assert_eq!(send(&other, b"x", 0), Ok(1));
        let mut nix_fds = [PollFd::new(one.as_fd(), PollFlags::POLLIN | PollFlags::POLLOUT)];
        let nix = nix::poll::poll(&mut nix_fds, PollTimeout::NONE);
        let mut fds = [pollfd::new(&one, POLLIN | POLLOUT)];
        assert_eq!(poll(&mut fds, -1).ok(), nix.ok());
        let nix = nix_fds[0].revents().map(|events| events.bits());
        assert_eq!(Some(fds[0].revents()), nix);
    });
}
