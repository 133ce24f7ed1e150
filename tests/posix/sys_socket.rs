//! Making, naming, connecting and ending sockets.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::sys::socket::SockaddrIn;
use socklab::posix::Result;
use socklab::posix::error::{
    EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EALREADY, EBADF, ECONNABORTED,
    ECONNREFUSED, EINPROGRESS, EINVAL, EISCONN, EMFILE, ENETUNREACH, ENOTCONN, ENOTSOCK,
    EOPNOTSUPP, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT,
};
use socklab::posix::fcntl::{F_GETFD, F_GETFL, FD_CLOEXEC, O_NONBLOCK, fcntl};
use socklab::posix::netinet_in::{
    INADDR_ANY, INADDR_BROADCAST, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, as_sockaddr_in6,
};
use socklab::posix::poll::{POLLERR, POLLIN, POLLOUT};
use socklab::posix::sys_socket::{
    AF_INET, AF_INET6, AF_UNIX, SHUT_RD, SHUT_RDWR, SHUT_WR, SO_ACCEPTCONN, SO_DOMAIN, SO_ERROR,
    SO_PROTOCOL, SO_REUSEADDR, SO_TYPE, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_RAW,
    SOCK_SEQPACKET, SOCK_STREAM, SOL_SOCKET, accept, accept4, bind, connect, getpeername,
    getsockname, getsockopt, listen, recv, send, setsockopt, shutdown, sockaddr_storage, socket,
    socketpair, storage,
};
use socklab::posix::unistd::pipe;

use crate::support::{
    address, alone, become_nobody, bound, closed_tcp_port, connected, full_listener, limit_files,
    listener, loopback, loopback6, name, not_open, parts, row, set_nonblocking, skip, sysctl, tcp,
    tcp6, udp, udp_pair, unix, wait_for,
};

/// TEST-NET-3 of RFC 5737: an address that no host has.
const FOREIGN: u32 = 0xcb00_7101;

#[test]
fn socket_makes_what_was_asked_for() {
    alone(|| {
        let rows = [
            (AF_INET, SOCK_STREAM, 0, IPPROTO_TCP),
            (AF_INET, SOCK_DGRAM, 0, IPPROTO_UDP),
            (AF_INET, SOCK_STREAM, IPPROTO_TCP, IPPROTO_TCP),
            (AF_INET6, SOCK_STREAM, 0, IPPROTO_TCP),
            (AF_INET6, SOCK_DGRAM, 0, IPPROTO_UDP),
            (AF_UNIX, SOCK_STREAM, 0, 0),
            (AF_UNIX, SOCK_DGRAM, 0, 0),
            (AF_UNIX, SOCK_SEQPACKET, 0, 0),
        ];
        for (domain, r#type, protocol, expected) in rows {
            let fd = socket(domain, r#type, protocol).expect("socket");
            let option = |optname| getsockopt::<i32>(&fd, SOL_SOCKET, optname).expect("getsockopt");
            let found = (option(SO_DOMAIN), option(SO_TYPE), option(SO_PROTOCOL));
            assert_eq!(found, (domain, r#type, expected));
        }
        for (flags, cloexec, nonblock) in [
            (0, 0, 0),
            (SOCK_CLOEXEC, FD_CLOEXEC, 0),
            (SOCK_NONBLOCK, 0, O_NONBLOCK),
            (SOCK_CLOEXEC | SOCK_NONBLOCK, FD_CLOEXEC, O_NONBLOCK),
        ] {
            let fd = socket(AF_INET, SOCK_STREAM | flags, 0).expect("socket");
            assert_eq!(fcntl(&fd, F_GETFD, 0), Ok(cloexec));
            assert_eq!(fcntl(&fd, F_GETFL, 0).expect("fcntl") & O_NONBLOCK, nonblock);
        }
    });
}

#[test]
fn errors_of_socket() {
    alone(|| {
        let rows = [
            ("no such family", 999, SOCK_STREAM, 0, EAFNOSUPPORT),
            ("no such flag", AF_INET, SOCK_STREAM | 0x40, 0, EINVAL),
            ("no such type", AF_INET, 11, 0, EINVAL),
            ("a type without protocol", AF_INET, SOCK_SEQPACKET, 0, ESOCKTNOSUPPORT),
            ("UDP as a stream", AF_INET, SOCK_STREAM, IPPROTO_UDP, EPROTONOSUPPORT),
            ("TCP as datagrams", AF_INET, SOCK_DGRAM, IPPROTO_TCP, EPROTONOSUPPORT),
            ("a protocol beyond the last", AF_INET, SOCK_STREAM, 9999, EINVAL),
            ("TCP as a local socket", AF_UNIX, SOCK_STREAM, IPPROTO_TCP, EPROTONOSUPPORT),
        ];
        for (what, domain, r#type, protocol, errno) in rows {
            row("socket", what, socket(domain, r#type, protocol), errno);
        }
        let before = limit_files(0);
        row("socket", "no descriptor left", socket(AF_INET, SOCK_STREAM, 0), EMFILE);
        row("socketpair", "no descriptor left", socketpair(AF_UNIX, SOCK_STREAM, 0), EMFILE);
        limit_files(before);
        if become_nobody() {
            let raw = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
            row("socket", "raw, without privilege", raw, EPERM);
        } else {
            skip("socket EPERM", "root can't be given up here");
        }
    });
}

#[test]
fn socketpair_makes_two_ends() {
    alone(|| {
        for r#type in [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET] {
            let [one, other] = socketpair(AF_UNIX, r#type, 0).expect("socketpair");
            let mut buf = [0; 4];
            assert_eq!(send(&one, b"to", 0), Ok(2));
            assert_eq!(recv(&other, &mut buf, 0), Ok(2));
            assert_eq!(send(&other, b"fro", 0), Ok(3));
            assert_eq!(recv(&one, &mut buf, 0), Ok(3));
        }
        let rows = [
            ("TCP", AF_INET, SOCK_STREAM, 0, EOPNOTSUPP),
            ("UDP", AF_INET, SOCK_DGRAM, 0, EOPNOTSUPP),
            ("no such family", 999, SOCK_STREAM, 0, EAFNOSUPPORT),
            ("no such protocol", AF_UNIX, SOCK_STREAM, 99, EPROTONOSUPPORT),
            ("no such flag", AF_UNIX, SOCK_STREAM | 0x40, 0, EINVAL),
        ];
        for (what, domain, r#type, protocol, errno) in rows {
            row("socketpair", what, socketpair(domain, r#type, protocol), errno);
        }
    });
}

#[test]
fn bind_gives_a_name() {
    alone(|| {
        let (fd, addr) = bound(tcp());
        assert_ne!(addr.sin_port, 0, "port 0 takes a free one");
        assert_eq!(parts(&storage(&addr)).0, u32::from_ne_bytes([127, 0, 0, 1]));
        let nix: SockaddrIn = nix::sys::socket::getsockname(fd.as_raw_fd()).expect("getsockname");
        assert_eq!(nix.port(), u16::from_be(addr.sin_port));
        assert_eq!(nix.ip().octets(), [127, 0, 0, 1]);
        let other = tcp();
        let mut neighbour = addr;
        neighbour.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 2]);
        assert_eq!(bind(&other, &neighbour), Ok(()), "the same port of another address");
        let six = tcp6();
        bind(&six, &loopback6(0)).expect("bind");
        let addr = getsockname(&six).expect("getsockname");
        assert_ne!(as_sockaddr_in6(&addr).expect("an IPv6 address").sin6_port, 0);
        let any = storage(&loopback(0));
        assert_eq!(bind(udp(), &any), Ok(()), "an address out of the storage");
    });
}

#[test]
fn errors_of_bind() {
    alone(|| {
        let (fd, addr) = listener();
        let (port, any) = (u16::from_be(addr.sin_port), loopback(0));
        let mut wrong_family = any;
        wrong_family.sin_family = AF_UNIX as _;
        let wildcard = address(INADDR_ANY, port);
        row("bind", "a port that is taken", bind(tcp(), &addr), EADDRINUSE);
        row("bind", "taken, by 0.0.0.0", bind(tcp(), &wildcard), EADDRINUSE);
        row("bind", "an address of nobody", bind(tcp(), &address(FOREIGN, 0)), EADDRNOTAVAIL);
        row("bind", "second bind on one socket", bind(&fd, &any), EINVAL);
        row("bind", "after connect", bind(connected().0, &any), EINVAL);
        row("bind", "another family", bind(tcp(), &wrong_family), EAFNOSUPPORT);
        row("bind", "AF_INET6 address on AF_INET", bind(tcp(), &loopback6(0)), EAFNOSUPPORT);
        row("bind", "AF_INET address on AF_INET6", bind(tcp6(), &any), EINVAL);
        row("bind", "a pipe", bind(&pipe().expect("pipe")[0], &any), ENOTSOCK);
        row("bind", "not open", bind(not_open(), &any), EBADF);
        let (udp_fd, udp_addr) = bound(udp());
        row("bind", "a UDP port that is taken", bind(udp(), &udp_addr), EADDRINUSE);
        drop(udp_fd);
        let first_free = sysctl("net/ipv4/ip_unprivileged_port_start", 0);
        if first_free < 2 {
            skip("bind EACCES", "every port is free for all (ip_unprivileged_port_start)");
        } else if !become_nobody() {
            skip("bind EACCES", "root can't be given up here");
        } else {
            let privileged = loopback((first_free - 1) as u16);
            row("bind", "a privileged port", bind(tcp(), &privileged), EACCES);
        }
    });
}

#[test]
fn listen_makes_it_listen() {
    alone(|| {
        let fd = tcp();
        assert_eq!(getsockopt(&fd, SOL_SOCKET, SO_ACCEPTCONN), Ok(0));
        listen(&fd, 5).expect("listen");
        assert_eq!(getsockopt(&fd, SOL_SOCKET, SO_ACCEPTCONN), Ok(1));
        let addr = name(&fd);
        assert_eq!(addr.sin_addr.s_addr, INADDR_ANY, "without bind: every address");
        assert_ne!(addr.sin_port, 0, "without bind: a port of its own");
        assert_eq!(listen(&fd, 9), Ok(()), "again, for another backlog");
    });
}

#[test]
fn errors_of_listen() {
    alone(|| {
        let (one, other) = (tcp(), tcp());
        for fd in [&one, &other] {
            setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &1).expect("setsockopt");
        }
        bind(&one, &loopback(0)).expect("bind");
        bind(&other, &name(&one)).expect("two sockets bound, none listening");
        listen(&one, 5).expect("listen");
        row("listen", "another one listens there", listen(&other, 5), EADDRINUSE);
        row("listen", "UDP", listen(bound(udp()).0, 5), EOPNOTSUPP);
        row("listen", "a connected socket", listen(connected().0, 5), EINVAL);
        row("listen", "a local socket without name", listen(unix(), 5), EINVAL);
        row("listen", "a pipe", listen(&pipe().expect("pipe")[0], 5), ENOTSOCK);
        row("listen", "not open", listen(not_open(), 5), EBADF);
    });
}

#[test]
fn accept_takes_the_first_connection() {
    alone(|| {
        let (fd, addr) = listener();
        let clients = [tcp(), tcp()];
        for client in &clients {
            connect(client, &addr).expect("connect");
        }
        for client in &clients {
            let (connfd, from) = accept(&fd).expect("accept");
            assert_eq!(parts(&from), parts(&getsockname(client).expect("getsockname")));
            assert_eq!(parts(&from), parts(&getpeername(&connfd).expect("getpeername")));
            assert_eq!(parts(&getsockname(&connfd).expect("getsockname")), parts(&storage(&addr)));
        }
    });
}

#[test]
fn accept4_sets_flags() {
    alone(|| {
        let (fd, addr) = listener();
        set_nonblocking(&fd);
        for (flags, cloexec, nonblock) in
            [(0, 0, 0), (SOCK_CLOEXEC, FD_CLOEXEC, 0), (SOCK_NONBLOCK, 0, O_NONBLOCK)]
        {
            let client = tcp();
            connect(&client, &addr).expect("connect");
            wait_for(&fd, POLLIN);
            let (connfd, from) = accept4(&fd, flags).expect("accept4");
            assert_eq!(parts(&from), parts(&getsockname(&client).expect("getsockname")));
            assert_eq!(fcntl(&connfd, F_GETFD, 0), Ok(cloexec));
            assert_eq!(fcntl(&connfd, F_GETFL, 0).expect("fcntl") & O_NONBLOCK, nonblock);
        }
    });
}

#[test]
fn errors_of_accept() {
    alone(|| {
        let (fd, addr) = listener();
        set_nonblocking(&fd);
        let pipe = pipe().expect("pipe");
        type Accept<'a> = &'a dyn Fn(BorrowedFd<'_>) -> Result<()>;
        let calls: [(&str, Accept<'_>); 2] = [
            ("accept", &|fd| accept(fd).map(drop)),
            ("accept4", &|fd| accept4(fd, SOCK_CLOEXEC).map(drop)),
        ];
        for (call, accept) in calls {
            row(call, "nobody there, non-blocking", accept(fd.as_fd()), EAGAIN);
            row(call, "not listening", accept(tcp().as_fd()), EINVAL);
            row(call, "connected", accept(connected().0.as_fd()), EINVAL);
            row(call, "UDP", accept(udp().as_fd()), EOPNOTSUPP);
            row(call, "a pipe", accept(pipe[0].as_fd()), ENOTSOCK);
            row(call, "not open", accept(not_open()), EBADF);
        }
        row("accept4", "no such flag", accept4(&fd, 1), EINVAL);
        let client = tcp();
        connect(&client, &addr).expect("connect");
        wait_for(&fd, POLLIN);
        let before = limit_files(0);
        row("accept", "no descriptor left", accept(&fd), EMFILE);
        row("accept4", "no descriptor left", accept4(&fd, 0), EMFILE);
        limit_files(before);
        assert!(accept(&fd).is_ok(), "the connection has stayed in the queue");
        shutdown(&fd, SHUT_RD).expect("shutdown");
        row("accept", "shut down, so no longer listening", accept(&fd), EINVAL);
    });
}

#[test]
fn connect_connects() {
    alone(|| {
        let (fd, addr) = listener();
        let client = tcp();
        set_nonblocking(&client);
        row("connect", "non-blocking", connect(&client, &addr), EINPROGRESS);
        wait_for(&client, POLLOUT);
        assert_eq!(getsockopt(&client, SOL_SOCKET, SO_ERROR), Ok(0));
        assert_eq!(connect(&client, &addr), Ok(()), "the second call reports the end of it");
        row("connect", "a third time", connect(&client, &addr), EISCONN);
        assert_eq!(parts(&getpeername(&client).expect("getpeername")), parts(&storage(&addr)));
        drop(fd);

        let (one, other) = udp_pair();
        let expected = parts(&getsockname(&other).expect("getsockname"));
        assert_eq!(parts(&getpeername(&one).expect("getpeername")), expected);
        assert_eq!(connect(&one, &sockaddr_storage()), Ok(()), "AF_UNSPEC: no peer any more");
        row("getpeername", "after AF_UNSPEC", getpeername(&one), ENOTCONN);
    });
}

#[test]
fn errors_of_connect() {
    alone(|| {
        let (_closed, closed) = closed_tcp_port();
        row("connect", "a closed port", connect(tcp(), &closed), ECONNREFUSED);
        let fd = tcp();
        set_nonblocking(&fd);
        row("connect", "a closed port, non-blocking", connect(&fd, &closed), EINPROGRESS);
        wait_for(&fd, POLLERR);
        assert_eq!(getsockopt(&fd, SOL_SOCKET, SO_ERROR), Ok(ECONNREFUSED));
        assert_eq!(getsockopt(&fd, SOL_SOCKET, SO_ERROR), Ok(0), "reported once");
        row("connect", "again, after its error was read", connect(&fd, &closed), ECONNABORTED);

        let (_full, full, _first) = full_listener();
        let fd = tcp();
        set_nonblocking(&fd);
        row("connect", "into a full queue, non-blocking", connect(&fd, &full), EINPROGRESS);
        row("connect", "while it goes on", connect(&fd, &full), EALREADY);

        let (listenfd, addr) = listener();
        let unreachable = address(INADDR_BROADCAST, 9);
        let broadcast = address(0x7fff_ffff, 9);
        row("connect", "connected", connect(connected().0, &addr), EISCONN);
        row("connect", "a listening socket", connect(&listenfd, &addr), EISCONN);
        row("connect", "TCP to everybody", connect(tcp(), &unreachable), ENETUNREACH);
        row("connect", "UDP to everybody", connect(udp(), &broadcast), EACCES);
        row("connect", "AF_INET6 on AF_INET", connect(tcp(), &loopback6(9)), EAFNOSUPPORT);
        row("connect", "AF_INET6 on UDP", connect(udp(), &loopback6(9)), EAFNOSUPPORT);
        row("connect", "AF_INET on a local socket", connect(unix(), &addr), EINVAL);
        row("connect", "a pipe", connect(&pipe().expect("pipe")[0], &addr), ENOTSOCK);
        row("connect", "not open", connect(not_open(), &addr), EBADF);
    });
}

#[test]
fn shutdown_ends_a_direction() {
    alone(|| {
        let (client, server) = connected();
        shutdown(&client, SHUT_WR).expect("shutdown");
        let mut buf = [0; 4];
        assert_eq!(recv(&server, &mut buf, 0), Ok(0), "the peer sees the end of file");
        assert_eq!(send(&server, b"late", 0), Ok(4), "the other direction is open");
        assert_eq!(recv(&client, &mut buf, 0), Ok(4));
        shutdown(&client, SHUT_RD).expect("shutdown");
        assert_eq!(recv(&client, &mut buf, 0), Ok(0), "reading is over at once");
        row("shutdown", "no such direction", shutdown(connected().0, 3), EINVAL);
        row("shutdown", "a negative direction", shutdown(connected().0, -1), EINVAL);
        row("shutdown", "not connected", shutdown(tcp(), SHUT_RDWR), ENOTCONN);
        row("shutdown", "UDP, not connected", shutdown(udp(), SHUT_WR), ENOTCONN);
        row("shutdown", "a pipe", shutdown(&pipe().expect("pipe")[0], SHUT_WR), ENOTSOCK);
        row("shutdown", "not open", shutdown(not_open(), SHUT_WR), EBADF);
    });
}

#[test]
fn errors_of_the_names() {
    alone(|| {
        let pipe = pipe().expect("pipe");
        row("getpeername", "TCP, not connected", getpeername(tcp()), ENOTCONN);
        row("getpeername", "UDP, not connected", getpeername(udp()), ENOTCONN);
        row("getpeername", "listening", getpeername(listener().0), ENOTCONN);
        row("getpeername", "a pipe", getpeername(&pipe[0]), ENOTSOCK);
        row("getpeername", "not open", getpeername(not_open()), EBADF);
        row("getsockname", "a pipe", getsockname(&pipe[0]), ENOTSOCK);
        row("getsockname", "not open", getsockname(not_open()), EBADF);
        let fresh = parts(&getsockname(tcp()).expect("getsockname"));
        assert_eq!(fresh, (INADDR_ANY, 0), "before bind: no name");
        let local = getsockname(unix()).expect("getsockname");
        assert_eq!(i32::from(local.ss_family), AF_UNIX);
    });
}
