//! Linux's epoll.

use std::os::fd::{AsFd, BorrowedFd};

use socklab::linux::epoll::{
    EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLET, EPOLLEXCLUSIVE, EPOLLHUP,
    EPOLLIN, EPOLLOUT, EPOLLRDHUP, epoll_create1, epoll_ctl, epoll_event, epoll_wait,
};
use socklab::posix::error::{EBADF, EINVAL, ELOOP, ENOENT, EPERM};
use socklab::posix::sys_socket::{SHUT_RD, recv, send, shutdown};
use socklab::posix::unistd::close;

use crate::support::{alone, listener, not_open, row, unix_pair};

/// What is ready now: the events and the number that was kept with each.
fn ready(epfd: impl AsFd) -> Vec<(i32, u64)> {
    let mut events = [epoll_event::new(0, 0); 8];
    let nready = epoll_wait(epfd, &mut events, 0).expect("epoll_wait");
    events[..nready as usize].iter().map(|found| (found.events(), found.data())).collect()
}

#[test]
fn level_triggered_and_edge_triggered() {
    alone(|| {
        let (level, edge) = (epoll_create1(0).expect("epoll"), epoll_create1(0).expect("epoll"));
        let [one, other] = unix_pair();
        epoll_ctl(&level, EPOLL_CTL_ADD, &one, Some(&epoll_event::new(EPOLLIN, u64::MAX)))
            .expect("ADD");
        epoll_ctl(&edge, EPOLL_CTL_ADD, &one, Some(&epoll_event::new(EPOLLIN | EPOLLET, 7)))
            .expect("ADD");
        assert_eq!((ready(&level), ready(&edge)), (vec![], vec![]));
        assert_eq!(send(&other, b"ab", 0), Ok(2));
        assert_eq!(recv(&one, &mut [0; 1], 0), Ok(1));
        // A byte is left: the level stays, the edge is told once.
        assert_eq!(ready(&level), [(EPOLLIN, u64::MAX)]);
        assert_eq!(ready(&level), [(EPOLLIN, u64::MAX)]);
        assert_eq!(ready(&edge), [(EPOLLIN, 7)]);
        assert_eq!(ready(&edge), []);
        assert_eq!(send(&other, b"c", 0), Ok(1));
        assert_eq!(ready(&edge), [(EPOLLIN, 7)]);
    });
}

#[test]
fn changed_and_removed() {
    alone(|| {
        let epfd = epoll_create1(EPOLL_CLOEXEC).expect("epoll");
        let ([one, other], [third, _fourth]) = (unix_pair(), unix_pair());
        epoll_ctl(&epfd, EPOLL_CTL_ADD, &one, Some(&epoll_event::new(EPOLLIN, 1))).expect("ADD");
        epoll_ctl(&epfd, EPOLL_CTL_ADD, &third, Some(&epoll_event::new(EPOLLOUT, 3))).expect("ADD");
        assert_eq!(ready(&epfd), [(EPOLLOUT, 3)]);
        epoll_ctl(&epfd, EPOLL_CTL_MOD, &one, Some(&epoll_event::new(EPOLLOUT, 2))).expect("MOD");
        epoll_ctl(&epfd, EPOLL_CTL_DEL, &third, None).expect("DEL");
        assert_eq!(ready(&epfd), [(EPOLLOUT, 2)]);
        close(other).expect("close");
        // These two are told without being asked for.
        epoll_ctl(&epfd, EPOLL_CTL_MOD, &one, Some(&epoll_event::new(0, 4))).expect("MOD");
        assert_eq!(ready(&epfd), [(EPOLLHUP, 4)]);
        epoll_ctl(&epfd, EPOLL_CTL_MOD, &one, Some(&epoll_event::new(EPOLLIN | EPOLLRDHUP, 5)))
            .expect("MOD");
        assert_eq!(ready(&epfd), [(EPOLLIN | EPOLLRDHUP | EPOLLHUP, 5)]);
        close(one).expect("close");
        assert_eq!(ready(&epfd), [], "closing removes");
    });
}

/// How a server's loop learns that its listening socket was shut down.
#[test]
fn a_listening_socket_that_is_shut_down() {
    alone(|| {
        let epfd = epoll_create1(0).expect("epoll");
        let (listenfd, _) = listener();
        epoll_ctl(&epfd, EPOLL_CTL_ADD, &listenfd, Some(&epoll_event::new(EPOLLIN, 1)))
            .expect("ADD");
        assert_eq!(ready(&epfd), []);
        shutdown(&listenfd, SHUT_RD).expect("shutdown");
        assert_eq!(ready(&epfd), [(EPOLLHUP, 1)]);
    });
}

#[test]
fn refusals() {
    alone(|| {
        let epfd = epoll_create1(0).expect("epoll");
        let ([one, _other], closed) = (unix_pair(), not_open());
        let file = std::fs::File::open("/proc/self/exe").expect("this program");
        let ctl = |op, fd: BorrowedFd<'_>| epoll_ctl(&epfd, op, fd, Some(&epoll_event::new(0, 0)));
        row("epoll_create1", "a flag that there is not", epoll_create1(1), EINVAL);
        row("epoll_ctl", "not open", ctl(EPOLL_CTL_ADD, closed.as_fd()), EBADF);
        row("epoll_ctl", "a regular file", ctl(EPOLL_CTL_ADD, file.as_fd()), EPERM);
        row("epoll_ctl", "itself", ctl(EPOLL_CTL_ADD, epfd.as_fd()), EINVAL);
        row("epoll_ctl", "not added, MOD", ctl(EPOLL_CTL_MOD, one.as_fd()), ENOENT);
        row("epoll_ctl", "not added, DEL", ctl(EPOLL_CTL_DEL, one.as_fd()), ENOENT);
        row("epoll_ctl", "an operation that there is not", ctl(0, one.as_fd()), EINVAL);
        let added = epoll_ctl(&one, EPOLL_CTL_ADD, &epfd, Some(&epoll_event::new(0, 0)));
        row("epoll_ctl", "not an epoll instance", added, EINVAL);
        let other = epoll_create1(0).expect("epoll");
        epoll_ctl(&epfd, EPOLL_CTL_ADD, &other, Some(&epoll_event::new(0, 0))).expect("ADD");
        let circle = epoll_ctl(&other, EPOLL_CTL_ADD, &epfd, Some(&epoll_event::new(0, 0)));
        row("epoll_ctl", "a circle", circle, ELOOP);
        let exclusive = epoll_event::new(EPOLLIN | EPOLLEXCLUSIVE, 0);
        epoll_ctl(&epfd, EPOLL_CTL_ADD, &one, Some(&exclusive)).expect("ADD");
        let changed = epoll_ctl(&epfd, EPOLL_CTL_MOD, &one, Some(&exclusive));
        row("epoll_ctl", "MOD of EPOLLEXCLUSIVE", changed, EINVAL);
        row("epoll_wait", "no room", epoll_wait(&epfd, &mut [], 0), EINVAL);
        row("epoll_wait", "a socket", epoll_wait(&one, &mut [epoll_event::new(0, 0)], 0), EINVAL);
    });
}
