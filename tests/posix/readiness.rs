//! Which sockets are ready for what: select's three sets and poll's events, side by side.

use std::os::fd::{AsRawFd, OwnedFd};

use socklab::posix::error::{ECONNREFUSED, EPIPE};
use socklab::posix::poll::{POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDHUP, poll, pollfd};
use socklab::posix::sys_select::{FD_ISSET, FD_SET, FD_ZERO, select, timeval};
use socklab::posix::sys_socket::{
    MSG_OOB, SHUT_RD, SHUT_RDWR, SHUT_WR, SO_ERROR, SO_LINGER, SOL_SOCKET, accept, connect,
    getsockopt, linger, recv, send, setsockopt, shutdown,
};
use socklab::posix::unistd::{close, pipe};

use crate::support::{
    alone, closed_tcp_port, closed_udp_port, connected, fill, listener, name, set_nonblocking,
    states_between, tcp, udp, until, wait_for, wait_for_bytes,
};

/// select's answer, as `rwx` in ones and zeros, and poll's.
fn readiness(fd: &OwnedFd) -> (String, i16) {
    let mut sets = [FD_ZERO(); 3];
    for set in &mut sets {
        FD_SET(fd, set).expect("FD_SET");
    }
    let [r, w, x] = &mut sets;
    let mut timeout = timeval { tv_sec: 0, tv_usec: 0 };
    let nfds = fd.as_raw_fd() + 1;
    let count = select(nfds, Some(r), Some(w), Some(x), Some(&mut timeout)).expect("select");
    let text: String = sets.iter().map(|set| if FD_ISSET(fd, set) { '1' } else { '0' }).collect();
    assert_eq!(count as usize, text.matches('1').count(), "select counts the bits");
    let mut fds = [pollfd::new(fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP)];
    let count = poll(&mut fds, 0).expect("poll");
    assert_eq!(count, i32::from(fds[0].revents() != 0), "poll counts the descriptors");
    (text, fds[0].revents())
}

#[track_caller]
fn is(what: &str, fd: &OwnedFd, rwx: &str, events: i16) {
    let (found, revents) = readiness(fd);
    assert_eq!(found, rwx, "{what}: select");
    assert_eq!(revents, events, "{what}: poll found {revents:#x} instead of {events:#x}");
}

fn reset(fd: OwnedFd) {
    setsockopt(&fd, SOL_SOCKET, SO_LINGER, &linger { l_onoff: 1, l_linger: 0 }).expect("linger");
    close(fd).expect("close");
}

const ALL: i16 = POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP;

#[test]
fn before_there_is_a_peer() {
    alone(|| {
        is("fresh TCP socket", &tcp(), "110", POLLOUT | POLLHUP);
        is("fresh UDP socket", &udp(), "010", POLLOUT);
        let (listenfd, addr) = listener();
        is("listening, nobody there", &listenfd, "000", 0);
        let client = tcp();
        connect(&client, &addr).expect("connect");
        wait_for(&listenfd, POLLIN);
        is("listening, one there", &listenfd, "100", POLLIN);
        let client_addr = name(&client);
        reset(client);
        until(|| states_between(&addr, &client_addr).is_empty());
        is("listening, one there that has gone", &listenfd, "100", POLLIN);
        let (server, _) = accept(&listenfd).expect("accept");
        is("accepted, but it has gone", &server, "110", ALL);
    });
}

#[test]
fn connected_sockets() {
    alone(|| {
        let mut buf = [0; 16];
        let (client, server) = connected();
        is("connected, no data", &server, "010", POLLOUT);
        assert_eq!(send(&client, b"abc", 0), Ok(3));
        wait_for(&server, POLLIN);
        is("data", &server, "110", POLLIN | POLLOUT);
        assert_eq!(recv(&server, &mut buf, 0), Ok(3));
        is("data has been read", &server, "010", POLLOUT);
        // What arrives at first makes room again.
        until(|| {
            fill(&client);
            readiness(&client) == ("000".to_owned(), 0)
        });

        for half_close in [true, false] {
            let (client, server) = connected();
            if half_close {
                shutdown(&server, SHUT_WR).expect("shutdown");
            } else {
                close(server).expect("close");
            }
            wait_for(&client, POLLRDHUP);
            is("the peer has sent its FIN", &client, "110", POLLIN | POLLOUT | POLLRDHUP);
            assert_eq!(recv(&client, &mut buf, 0), Ok(0));
            is("and it was read", &client, "110", POLLIN | POLLOUT | POLLRDHUP);
        }

        let (client, server) = connected();
        shutdown(&client, SHUT_WR).expect("shutdown");
        is("own shutdown(WR)", &client, "010", POLLOUT);
        assert_eq!(send(&client, b"x", 0).map_err(|error| error.errno()), Err(EPIPE));
        shutdown(&server, SHUT_WR).expect("shutdown");
        wait_for(&client, POLLHUP);
        is("both directions shut", &client, "110", POLLIN | POLLOUT | POLLHUP | POLLRDHUP);

        let (client, server) = connected();
        shutdown(&server, SHUT_RD).expect("shutdown");
        is("own shutdown(RD)", &server, "110", POLLIN | POLLOUT | POLLRDHUP);
        assert_eq!(send(&client, b"late", 0), Ok(4));
        wait_for_bytes(&server, 4);
        assert_eq!(recv(&server, &mut buf, 0), Ok(4), "data that comes later can be read");
        shutdown(&server, SHUT_RDWR).expect("shutdown");
        is("own shutdown(RDWR)", &server, "110", POLLIN | POLLOUT | POLLHUP | POLLRDHUP);

        let (client, server) = connected();
        reset(client);
        wait_for(&server, POLLERR);
        is("reset", &server, "110", ALL);
    });
}

#[test]
fn the_third_set_is_for_urgent_data() {
    alone(|| {
        let mut buf = [0; 16];
        let (client, server) = connected();
        assert_eq!(send(&client, b"!", MSG_OOB), Ok(1));
        wait_for(&server, POLLPRI);
        is("an urgent byte alone", &server, "011", POLLPRI | POLLOUT);
        assert_eq!(recv(&server, &mut buf, MSG_OOB), Ok(1));
        is("it was read", &server, "010", POLLOUT);
        assert_eq!(send(&client, b"ab", 0), Ok(2));
        assert_eq!(send(&client, b"!", MSG_OOB), Ok(1));
        wait_for(&server, POLLPRI | POLLIN);
        is("behind ordinary bytes", &server, "111", POLLPRI | POLLIN | POLLOUT);
    });
}

#[test]
fn refused() {
    alone(|| {
        let (_closed, closed) = closed_tcp_port();
        let fd = tcp();
        set_nonblocking(&fd);
        assert!(connect(&fd, &closed).is_err());
        wait_for(&fd, POLLERR);
        is("TCP: refused", &fd, "110", ALL);
        assert_eq!(getsockopt(&fd, SOL_SOCKET, SO_ERROR), Ok(ECONNREFUSED));

        let (_closed, closed) = closed_udp_port();
        let fd = udp();
        connect(&fd, &closed).expect("connect");
        assert_eq!(send(&fd, b"x", 0), Ok(1));
        wait_for(&fd, POLLERR);
        is("UDP: refused, no third set", &fd, "110", POLLOUT | POLLERR);
        assert_eq!(getsockopt(&fd, SOL_SOCKET, SO_ERROR), Ok(ECONNREFUSED));
        is("UDP: the error was read", &fd, "010", POLLOUT);
    });
}

#[test]
fn pipes() {
    alone(|| {
        let [reading, writing] = pipe().expect("pipe");
        is("empty, reading end", &reading, "000", 0);
        is("empty, writing end", &writing, "010", POLLOUT);
        close(writing).expect("close");
        is("no writer", &reading, "100", POLLHUP);
        let [reading, writing] = pipe().expect("pipe");
        close(reading).expect("close");
        is("no reader", &writing, "110", POLLOUT | POLLERR);
    });
}
