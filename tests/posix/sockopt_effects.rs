//! Socket options: what they change.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

use socklab::posix::error::{EADDRINUSE, EAGAIN, ECONNRESET, EINPROGRESS, ENOTCONN, EPIPE};
use socklab::posix::netinet_in::{INADDR_ANY, sockaddr_in};
use socklab::posix::poll::{POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, poll, pollfd};
use socklab::posix::sys_socket::{
    MSG_DONTWAIT, SHUT_WR, SO_LINGER, SO_RCVBUF, SO_RCVLOWAT, SO_RCVTIMEO, SO_REUSEADDR,
    SO_REUSEPORT, SO_SNDBUF, SOL_SOCKET, SOMAXCONN, accept, bind, connect, getpeername, linger,
    listen, recv, send, sendto, setsockopt, shutdown, timeval,
};
use socklab::posix::unistd::close;

use crate::support::{
    CLOSE, FIN_WAIT1, FIN_WAIT2, TIME_WAIT, address, alone, become_nobody, bound, connected,
    connected_to, fill, full_listener, listener, name, queued, row, set_nonblocking, skip,
    states_between, sysctl, tcp, tcp_info, tcp_state, udp, until, until_thread_blocked, wait_for,
    wait_for_bytes,
};

fn set_linger(fd: &OwnedFd, l_linger: i32) {
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger { l_onoff: 1, l_linger }).expect("setsockopt");
}

/// All that can be received until the end of file.
fn drain(fd: &OwnedFd) -> usize {
    let mut buf = vec![0; 1 << 20];
    let mut total = 0;
    loop {
        match recv(fd, &mut buf, 0).expect("recv") {
            0 => return total,
            count => total += count,
        }
    }
}

#[test]
fn close_by_default_is_a_farewell() {
    alone(|| {
        let (client, server) = connected();
        let (client_addr, server_addr) = (name(&client), name(&server));
        close(server).expect("close");
        assert_eq!(recv(&client, &mut [0; 1], 0), Ok(0), "the peer reads the end of file");
        until(|| states_between(&server_addr, &client_addr) == [FIN_WAIT2]);
        close(client).expect("close");
        until(|| states_between(&server_addr, &client_addr) == [TIME_WAIT]);
    });
}

#[test]
fn close_by_default_sends_what_is_queued() {
    alone(|| {
        let (client, server) = connected();
        let (client_addr, server_addr) = (name(&client), name(&server));
        let queued = fill(&server);
        close(server).expect("close");
        assert_eq!(states_between(&server_addr, &client_addr), [FIN_WAIT1]);
        assert_eq!(drain(&client), queued, "after close() has returned");
    });
}

#[test]
fn linger_0_is_a_reset() {
    alone(|| {
        let (client, server) = connected();
        let (client_addr, server_addr) = (name(&client), name(&server));
        assert_eq!(send(&server, b"last", 0), Ok(4));
        set_linger(&server, 0);
        close(server).expect("close");
        wait_for(&client, POLLERR);
        let mut buf = [0; 8];
        assert_eq!(recv(&client, &mut buf, 0), Ok(4), "what was delivered can be read");
        row("recv", "then", recv(&client, &mut buf, 0), ECONNRESET);
        assert_eq!(recv(&client, &mut buf, 0), Ok(0), "the error was reported");
        row("send", "then", send(&client, b"x", 0), EPIPE);
        close(client).expect("close");
        assert!(states_between(&server_addr, &client_addr).is_empty(), "no TIME_WAIT here");
        assert!(states_between(&client_addr, &server_addr).is_empty(), "nor there");

        let (client, server) = connected();
        set_linger(&server, 0);
        shutdown(&server, SHUT_WR).expect("shutdown");
        assert_eq!(recv(&client, &mut buf, 0), Ok(0), "shutdown first: the end of file");
        close(server).expect("close");
        wait_for(&client, POLLHUP);
    });
}

#[test]
fn linger_waits_until_all_is_acknowledged() {
    alone(|| {
        let (client, server) = connected();
        set_nonblocking(&server);
        let queued = fill(&server);
        set_linger(&server, 3600);
        let tid = AtomicI32::new(0);
        std::thread::scope(|scope| {
            let closer = scope.spawn(|| {
                tid.store(nix::unistd::gettid().as_raw(), SeqCst);
                close(server)
            });
            until(|| tid.load(SeqCst) != 0);
            until_thread_blocked(tid.load(SeqCst));
            assert_eq!(drain(&client), queued);
            assert_eq!(closer.join().expect("join"), Ok(()), "blocked, though non-blocking");
        });
    });
}

#[test]
fn linger_that_runs_out_loses_nothing() {
    alone(|| {
        let (client, server) = connected();
        set_nonblocking(&server);
        let queued = fill(&server);
        set_linger(&server, 1);
        let start = std::time::Instant::now();
        assert_eq!(close(server), Ok(()), "not EWOULDBLOCK");
        assert!(start.elapsed().as_millis() >= 900, "after a second");
        assert_eq!(drain(&client), queued, "what was queued is still sent");
    });
}

#[test]
fn reuse_of_an_address_in_use_by_a_connection() {
    alone(|| {
        for time_wait in [true, false] {
            for (old, new) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                let (listenfd, addr) = bound(tcp());
                setsockopt(&listenfd, SOL_SOCKET, SO_REUSEADDR, &old).expect("setsockopt");
                listen(&listenfd, 5).expect("listen");
                let (client, server) = connected_to(&listenfd);
                let client_addr = name(&client);
                let _established = if time_wait {
                    close(server).expect("close");
                    close(client).expect("close");
                    until(|| states_between(&addr, &client_addr) == [TIME_WAIT]);
                    None
                } else {
                    Some((client, server))
                };
                close(listenfd).expect("close");
                let fd = tcp();
                setsockopt(&fd, SOL_SOCKET, SO_REUSEADDR, &new).expect("setsockopt");
                let what = format!("old {old}, new {new}, TIME_WAIT {time_wait}");
                match (old, new) {
                    (1, 1) => {
                        assert_eq!(bind(&fd, &addr), Ok(()), "{what}");
                        assert_eq!(listen(&fd, 5), Ok(()), "{what}");
                    }
                    _ => row("bind", &what, bind(&fd, &addr), EADDRINUSE),
                }
            }
        }
    });
}

fn with_option(fd: OwnedFd, optname: i32) -> OwnedFd {
    setsockopt(&fd, SOL_SOCKET, optname, &1).expect("setsockopt");
    fd
}

#[test]
fn reuse_of_an_address_in_use_by_a_server() {
    alone(|| {
        let (one, addr) = bound(with_option(tcp(), SO_REUSEADDR));
        let other = with_option(tcp(), SO_REUSEADDR);
        assert_eq!(bind(&other, &addr), Ok(()), "none of the two listens");
        listen(&one, 5).expect("listen");
        row("listen", "the other one listens", listen(&other, 5), EADDRINUSE);
        let third = with_option(tcp(), SO_REUSEADDR);
        row("bind", "SO_REUSEADDR, live listener", bind(&third, &addr), EADDRINUSE);
        let wildcard = address(INADDR_ANY, u16::from_be(addr.sin_port));
        row("bind", "SO_REUSEADDR, 0.0.0.0", bind(&third, &wildcard), EADDRINUSE);

        let (one, addr) = bound(with_option(udp(), SO_REUSEADDR));
        let other = with_option(udp(), SO_REUSEADDR);
        assert_eq!(bind(&other, &addr), Ok(()), "UDP");
        let sender = udp();
        for _ in 0..6 {
            assert_eq!(sendto(&sender, b"x", 0, &addr), Ok(1));
            assert_eq!(recv(&other, &mut [0; 4], 0), Ok(1), "the last one gets it");
        }
        row("recv", "the first one gets nothing", recv(&one, &mut [0; 4], MSG_DONTWAIT), EAGAIN);
    });
}

#[test]
fn reuseport_shares_between_listeners_of_one_user() {
    alone(|| {
        let (one, addr) = bound(with_option(tcp(), SO_REUSEPORT));
        let other = with_option(tcp(), SO_REUSEPORT);
        assert_eq!(bind(&other, &addr), Ok(()));
        assert_eq!((listen(&one, 99), listen(&other, 99)), (Ok(()), Ok(())));
        let mut clients = Vec::new();
        while queued(&one) == 0 || queued(&other) == 0 {
            let client = tcp();
            connect(&client, &addr).expect("connect");
            clients.push(client);
        }
        if !nix::unistd::geteuid().is_root() || !become_nobody() {
            return skip("SO_REUSEPORT of another user", "that takes root");
        }
        let third = with_option(tcp(), SO_REUSEPORT);
        row("bind", "SO_REUSEPORT of another user", bind(&third, &addr), EADDRINUSE);
    });
}

/// Connects without waiting for it.
fn connecting(addr: &sockaddr_in) -> OwnedFd {
    let fd = tcp();
    set_nonblocking(&fd);
    row("connect", "non-blocking", connect(&fd, addr), EINPROGRESS);
    fd
}

#[test]
fn the_queue_holds_one_more_than_the_backlog() {
    alone(|| {
        for backlog in [0, 5] {
            let (listenfd, addr) = bound(tcp());
            listen(&listenfd, backlog).expect("listen");
            let mut clients = Vec::new();
            for count in 1..=backlog + 1 {
                let client = connecting(&addr);
                wait_for(&client, POLLOUT);
                until(|| i32::from(queued(&listenfd)) == count);
                clients.push(client);
            }
            let left_out = connecting(&addr);
            // tcpi_retransmits: the SYN was sent again, since nobody had answered it.
            until(|| tcp_info(&left_out)[2] > 0);
            assert_eq!(i32::from(queued(&listenfd)), backlog + 1);
        }
    });
}

#[test]
fn the_backlog_is_cut_to_somaxconn() {
    alone(|| {
        let somaxconn = sysctl("net/core/somaxconn", 0);
        for (backlog, expected) in [
            (7, 7.min(somaxconn)),
            (100_000, 100_000.min(somaxconn)),
            (-1, somaxconn),
            (SOMAXCONN, SOMAXCONN.min(somaxconn)),
        ] {
            let (listenfd, _) = bound(tcp());
            listen(&listenfd, backlog).expect("listen");
            // tcpi_sacked: the backlog of a listening socket.
            let info = tcp_info(&listenfd);
            let found = i32::from_ne_bytes(info[28..32].try_into().expect("four bytes"));
            assert_eq!(found, expected, "listen({backlog})");
        }
    });
}

#[test]
fn a_place_in_the_queue_is_for_the_next() {
    alone(|| {
        let (listenfd, addr, first) = full_listener();
        let (_server, _) = accept(&listenfd).expect("accept");
        let second = tcp();
        assert_eq!(connect(&second, &addr), Ok(()));
        drop(first);
    });
}

fn ready(fd: &OwnedFd, events: i16) -> i16 {
    let mut fds = [pollfd::new(fd, events)];
    poll(&mut fds, 0).expect("poll");
    fds[0].revents()
}

#[test]
fn the_low_water_mark_of_tcp() {
    alone(|| {
        let (client, server) = connected();
        let mark = |value: i32| setsockopt(&server, SOL_SOCKET, SO_RCVLOWAT, &value);
        mark(10).expect("setsockopt");
        assert_eq!(send(&client, b"12345", 0), Ok(5));
        wait_for_bytes(&server, 5);
        assert_eq!(ready(&server, POLLIN), 0, "five bytes of ten");
        mark(5).expect("setsockopt");
        assert_eq!(ready(&server, POLLIN), POLLIN, "a lower mark counts at once");
        mark(6).expect("setsockopt");
        assert_eq!(ready(&server, POLLIN), 0, "a higher one too");
        mark(10).expect("setsockopt");
        assert_eq!(send(&client, b"67890", 0), Ok(5));
        wait_for(&server, POLLIN);
        let mut buf = [0; 16];
        assert_eq!(recv(&server, &mut buf, 0), Ok(10));

        assert_eq!(send(&client, b"12345", 0), Ok(5));
        wait_for_bytes(&server, 5);
        assert_eq!(recv(&server, &mut buf, MSG_DONTWAIT), Ok(5), "who does not wait gets them");
        let time = timeval { tv_sec: 0, tv_usec: 1000 };
        setsockopt(&server, SOL_SOCKET, SO_RCVTIMEO, &time).expect("setsockopt");
        assert_eq!(send(&client, b"12345", 0), Ok(5));
        wait_for_bytes(&server, 5);
        assert_eq!(recv(&server, &mut buf, 0), Ok(5), "after the timeout there are still five");
        assert_eq!(send(&client, b"12345", 0), Ok(5));
        wait_for_bytes(&server, 5);
        close(client).expect("close");
        wait_for(&server, POLLIN | POLLRDHUP);
    });
}

#[test]
fn the_low_water_mark_of_udp_is_ignored() {
    alone(|| {
        let (fd, addr) = bound(udp());
        setsockopt(&fd, SOL_SOCKET, SO_RCVLOWAT, &10).expect("setsockopt");
        assert_eq!(sendto(udp(), b"12345", 0, &addr), Ok(5));
        wait_for(&fd, POLLIN);
    });
}

#[test]
fn writable_is_not_that_a_byte_fits() {
    alone(|| {
        let (listenfd, addr) = bound(tcp());
        setsockopt(&listenfd, SOL_SOCKET, SO_RCVBUF, &1).expect("setsockopt");
        listen(&listenfd, 5).expect("listen");
        let client = tcp();
        setsockopt(&client, SOL_SOCKET, SO_SNDBUF, &200_000).expect("setsockopt");
        connect(&client, &addr).expect("connect");
        let mut accepted_though_not_writable = 0;
        loop {
            let writable = ready(&client, POLLOUT) == POLLOUT;
            match send(&client, &[b'x'; 1000], MSG_DONTWAIT) {
                Ok(sent) if !writable => accepted_though_not_writable += sent,
                Ok(_) => {}
                Err(error) => break assert_eq!(error.errno(), EAGAIN),
            }
        }
        assert!(accepted_though_not_writable > 50_000, "{accepted_though_not_writable}");
        assert_eq!(ready(&client, POLLOUT), 0);
    });
}

#[test]
fn a_client_that_has_gone_is_accepted_all_the_same() {
    alone(|| {
        let (listenfd, addr) = listener();
        let client = tcp();
        connect(&client, &addr).expect("connect");
        let client_addr = name(&client);
        until(|| queued(&listenfd) == 1);
        set_linger(&client, 0);
        close(client).expect("close");
        until(|| states_between(&addr, &client_addr).is_empty());
        let (server, _) = accept(&listenfd).expect("no ECONNABORTED");
        assert_eq!(
            ready(&server, POLLIN | POLLOUT | POLLRDHUP),
            POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP
        );
        row("getpeername", "it has gone", getpeername(&server), ENOTCONN);
        row("recv", "it has gone", recv(&server, &mut [0; 4], 0), ECONNRESET);
        assert_eq!(tcp_state(&server), CLOSE);
    });
}
