//! Socket options: what can be set, and what is read back.

use std::ffi::c_int;
use std::os::fd::OwnedFd;

use nix::sys::socket::{getsockopt as nix_getsockopt, sockopt};
use socklab::linux::packet_info::{IP_PKTINFO, IP_RECVTTL};
use socklab::posix::error::{
    EACCES, EBADF, EDOM, EINVAL, ENOPROTOOPT, ENOTSOCK, EOPNOTSUPP, EPERM,
};
use socklab::posix::fcntl::{F_GETFL, O_NONBLOCK, fcntl};
use socklab::posix::netinet_in::{
    IP_MULTICAST_TTL, IP_TOS, IP_TTL, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPV6_UNICAST_HOPS,
};
use socklab::posix::netinet_tcp::{
    TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_NODELAY, TCP_USER_TIMEOUT,
};
use socklab::posix::poll::POLLIN;
use socklab::posix::sys_socket::{
    SO_ACCEPTCONN, SO_BROADCAST, SO_DEBUG, SO_DOMAIN, SO_ERROR, SO_KEEPALIVE, SO_LINGER,
    SO_OOBINLINE, SO_PROTOCOL, SO_RCVBUF, SO_RCVLOWAT, SO_RCVTIMEO, SO_REUSEADDR, SO_REUSEPORT,
    SO_SNDBUF, SO_SNDLOWAT, SO_SNDTIMEO, SO_TYPE, SOL_SOCKET, accept, connect, getsockopt, linger,
    setsockopt, timeval,
};
use socklab::posix::unistd::pipe;

use crate::support::{
    alone, become_nobody, connected, connected_to, listener, name, not_open, row, set_nonblocking,
    skip, sysctl, tcp, tcp6, udp, unix, wait_for,
};

type Make = fn() -> OwnedFd;
type Level = (c_int, c_int);

const KEEPALIVE: Level = (SOL_SOCKET, SO_KEEPALIVE);
const RCVBUF: Level = (SOL_SOCKET, SO_RCVBUF);
const SNDBUF: Level = (SOL_SOCKET, SO_SNDBUF);
const RCVLOWAT: Level = (SOL_SOCKET, SO_RCVLOWAT);
const SNDLOWAT: Level = (SOL_SOCKET, SO_SNDLOWAT);
const REUSEADDR: Level = (SOL_SOCKET, SO_REUSEADDR);
const TTL: Level = (IPPROTO_IP, IP_TTL);
const MULTICAST_TTL: Level = (IPPROTO_IP, IP_MULTICAST_TTL);
const HOPS: Level = (IPPROTO_IPV6, IPV6_UNICAST_HOPS);
const IDLE: Level = (IPPROTO_TCP, TCP_KEEPIDLE);
const INTVL: Level = (IPPROTO_TCP, TCP_KEEPINTVL);
const CNT: Level = (IPPROTO_TCP, TCP_KEEPCNT);
const PKTINFO: Level = (IPPROTO_IP, IP_PKTINFO);
/// The number of BSD's `IP_RECVIF`, which on Linux is `IP_RECVORIGDSTADDR`.
const RECVIF: Level = (IPPROTO_IP, 20);

fn get(fd: &OwnedFd, (level, optname): Level) -> c_int {
    getsockopt(fd, level, optname).expect("getsockopt")
}

fn set(fd: &OwnedFd, (level, optname): Level, value: c_int) -> socklab::posix::Result<()> {
    setsockopt(fd, level, optname, &value)
}

#[test]
fn defaults() {
    alone(|| {
        let rcv = |index| sysctl("net/ipv4/tcp_rmem", index);
        let snd = |index| sysctl("net/ipv4/tcp_wmem", index);
        let rows: [(&str, Make, Level, c_int); 21] = [
            ("SO_KEEPALIVE", tcp, KEEPALIVE, 0),
            ("SO_RCVBUF, TCP", tcp, RCVBUF, rcv(1)),
            ("SO_SNDBUF, TCP", tcp, SNDBUF, snd(1)),
            ("SO_RCVBUF, UDP", udp, RCVBUF, sysctl("net/core/rmem_default", 0)),
            ("SO_SNDBUF, UDP", udp, SNDBUF, sysctl("net/core/wmem_default", 0)),
            ("SO_RCVBUF, local", unix, RCVBUF, sysctl("net/core/rmem_default", 0)),
            ("SO_SNDBUF, local", unix, SNDBUF, sysctl("net/core/wmem_default", 0)),
            ("SO_RCVLOWAT, TCP", tcp, RCVLOWAT, 1),
            ("SO_RCVLOWAT, UDP", udp, RCVLOWAT, 1),
            ("SO_SNDLOWAT, TCP", tcp, SNDLOWAT, 1),
            ("SO_SNDLOWAT, UDP", udp, SNDLOWAT, 1),
            ("SO_SNDLOWAT, local", unix, SNDLOWAT, 1),
            ("SO_REUSEADDR", tcp, REUSEADDR, 0),
            ("IP_TTL", tcp, TTL, sysctl("net/ipv4/ip_default_ttl", 0)),
            ("IP_MULTICAST_TTL", udp, MULTICAST_TTL, 1),
            ("TCP_KEEPIDLE", tcp, IDLE, sysctl("net/ipv4/tcp_keepalive_time", 0)),
            ("TCP_KEEPINTVL", tcp, INTVL, sysctl("net/ipv4/tcp_keepalive_intvl", 0)),
            ("TCP_KEEPCNT", tcp, CNT, sysctl("net/ipv4/tcp_keepalive_probes", 0)),
            ("TCP_NODELAY", tcp, (IPPROTO_TCP, TCP_NODELAY), 0),
            ("SO_ACCEPTCONN", tcp, (SOL_SOCKET, SO_ACCEPTCONN), 0),
            ("IP_PKTINFO", udp, PKTINFO, 0),
        ];
        for (what, make, option, expected) in rows {
            assert_eq!(get(&make(), option), expected, "{what}");
        }
        let fd = tcp();
        let off: linger = getsockopt(&fd, SOL_SOCKET, SO_LINGER).expect("getsockopt");
        assert_eq!((off.l_onoff, off.l_linger), (0, 0), "SO_LINGER");
        for optname in [SO_RCVTIMEO, SO_SNDTIMEO] {
            let never: timeval = getsockopt(&fd, SOL_SOCKET, optname).expect("getsockopt");
            assert_eq!((never.tv_sec, never.tv_usec), (0, 0), "timeouts: 0 is for ever");
        }
    });
}

#[test]
fn set_and_get() {
    alone(|| {
        let (rmax, wmax) = (sysctl("net/core/rmem_max", 0), sysctl("net/core/wmem_max", 0));
        let ttl = sysctl("net/ipv4/ip_default_ttl", 0);
        let invalid = Err(EINVAL);
        type Row<'a> = (&'a str, Make, Level, c_int, Result<c_int, c_int>);
        let rows: [Row<'_>; 66] = [
            ("SO_KEEPALIVE 1", tcp, KEEPALIVE, 1, Ok(1)),
            ("SO_KEEPALIVE 42", tcp, KEEPALIVE, 42, Ok(1)),
            ("SO_KEEPALIVE 0", tcp, KEEPALIVE, 0, Ok(0)),
            ("SO_KEEPALIVE on UDP", udp, KEEPALIVE, 1, Ok(1)),
            ("SO_REUSEADDR 7", tcp, REUSEADDR, 7, Ok(1)),
            ("SO_REUSEPORT 1", tcp, (SOL_SOCKET, SO_REUSEPORT), 1, Ok(1)),
            ("SO_BROADCAST -1", udp, (SOL_SOCKET, SO_BROADCAST), -1, Ok(1)),
            ("SO_OOBINLINE 1", tcp, (SOL_SOCKET, SO_OOBINLINE), 1, Ok(1)),
            ("SO_RCVBUF is doubled", tcp, RCVBUF, 50_000, Ok(100_000)),
            ("SO_RCVBUF is doubled, UDP", udp, RCVBUF, 50_000, Ok(100_000)),
            ("SO_RCVBUF is doubled, local", unix, RCVBUF, 50_000, Ok(100_000)),
            ("SO_RCVBUF 0 is the minimum", tcp, RCVBUF, 0, Ok(2304)),
            ("SO_RCVBUF 1 is the minimum", udp, RCVBUF, 1, Ok(2304)),
            ("SO_RCVBUF 1152 is it too", tcp, RCVBUF, 1152, Ok(2304)),
            ("SO_RCVBUF 1153 is above it", tcp, RCVBUF, 1153, Ok(2306)),
            ("SO_RCVBUF rmem_max", tcp, RCVBUF, rmax, Ok(2 * rmax)),
            ("SO_RCVBUF beyond rmem_max", tcp, RCVBUF, rmax + 1, Ok(2 * rmax)),
            ("SO_RCVBUF -1 is the maximum", tcp, RCVBUF, -1, Ok(2 * rmax)),
            ("SO_SNDBUF is doubled", tcp, SNDBUF, 50_000, Ok(100_000)),
            ("SO_SNDBUF is doubled, UDP", udp, SNDBUF, 50_000, Ok(100_000)),
            ("SO_SNDBUF is doubled, local", unix, SNDBUF, 50_000, Ok(100_000)),
            ("SO_SNDBUF 0 is the minimum", tcp, SNDBUF, 0, Ok(4608)),
            ("SO_SNDBUF 2304 is it too", udp, SNDBUF, 2304, Ok(4608)),
            ("SO_SNDBUF 2305 is above it", udp, SNDBUF, 2305, Ok(4610)),
            ("SO_SNDBUF wmem_max", tcp, SNDBUF, wmax, Ok(2 * wmax)),
            ("SO_SNDBUF beyond wmem_max", tcp, SNDBUF, wmax + 1, Ok(2 * wmax)),
            ("SO_SNDBUF -1 is the maximum", tcp, SNDBUF, -1, Ok(2 * wmax)),
            ("SO_RCVLOWAT 10, TCP", tcp, RCVLOWAT, 10, Ok(10)),
            ("SO_RCVLOWAT 10, UDP", udp, RCVLOWAT, 10, Ok(10)),
            ("SO_RCVLOWAT 0 is 1", tcp, RCVLOWAT, 0, Ok(1)),
            ("SO_RCVLOWAT 0 is 1, UDP", udp, RCVLOWAT, 0, Ok(1)),
            ("SO_RCVLOWAT -5 is without end, UDP", udp, RCVLOWAT, -5, Ok(c_int::MAX)),
            ("SO_RCVLOWAT -5 is without end, local", unix, RCVLOWAT, -5, Ok(c_int::MAX)),
            ("SO_SNDLOWAT 1, TCP", tcp, SNDLOWAT, 1, Err(ENOPROTOOPT)),
            ("SO_SNDLOWAT 10, TCP", tcp, SNDLOWAT, 10, Err(ENOPROTOOPT)),
            ("SO_SNDLOWAT 10, UDP", udp, SNDLOWAT, 10, Err(ENOPROTOOPT)),
            ("SO_SNDLOWAT 10, local", unix, SNDLOWAT, 10, Err(ENOPROTOOPT)),
            ("IP_TTL 1", tcp, TTL, 1, Ok(1)),
            ("IP_TTL 255", udp, TTL, 255, Ok(255)),
            ("IP_TTL -1 is the default", tcp, TTL, -1, Ok(ttl)),
            ("IP_TTL 0", tcp, TTL, 0, invalid),
            ("IP_TTL -2", tcp, TTL, -2, invalid),
            ("IP_TTL 256", udp, TTL, 256, invalid),
            ("IP_TTL on AF_INET6", tcp6, TTL, 7, Ok(7)),
            ("IP_MULTICAST_TTL 0", udp, MULTICAST_TTL, 0, Ok(0)),
            ("IP_MULTICAST_TTL 256", udp, MULTICAST_TTL, 256, invalid),
            ("IPV6_UNICAST_HOPS 0", tcp6, HOPS, 0, Ok(0)),
            ("IPV6_UNICAST_HOPS 255", tcp6, HOPS, 255, Ok(255)),
            ("IPV6_UNICAST_HOPS 256", tcp6, HOPS, 256, invalid),
            ("TCP_KEEPIDLE 1", tcp, IDLE, 1, Ok(1)),
            ("TCP_KEEPIDLE 32767", tcp, IDLE, 32_767, Ok(32_767)),
            ("TCP_KEEPIDLE 0", tcp, IDLE, 0, invalid),
            ("TCP_KEEPIDLE 32768", tcp, IDLE, 32_768, invalid),
            ("TCP_KEEPINTVL 1", tcp, INTVL, 1, Ok(1)),
            ("TCP_KEEPINTVL 32767", tcp, INTVL, 32_767, Ok(32_767)),
            ("TCP_KEEPINTVL 0", tcp, INTVL, 0, invalid),
            ("TCP_KEEPINTVL 32768", tcp, INTVL, 32_768, invalid),
            ("TCP_KEEPCNT 1", tcp, CNT, 1, Ok(1)),
            ("TCP_KEEPCNT 127", tcp, CNT, 127, Ok(127)),
            ("TCP_KEEPCNT 0", tcp, CNT, 0, invalid),
            ("TCP_KEEPCNT 128", tcp, CNT, 128, invalid),
            ("TCP_USER_TIMEOUT 2000", tcp, (IPPROTO_TCP, TCP_USER_TIMEOUT), 2000, Ok(2000)),
            ("IP_PKTINFO on UDP", udp, PKTINFO, 1, Ok(1)),
            ("IP_PKTINFO on TCP", tcp, PKTINFO, 1, Ok(1)),
            ("IP_RECVTTL", udp, (IPPROTO_IP, IP_RECVTTL), 1, Ok(1)),
            ("BSD's IP_RECVIF is another option", udp, RECVIF, 1, Ok(1)),
        ];
        for (what, make, option, value, expected) in rows {
            let fd = make();
            match expected {
                Ok(read) => {
                    assert_eq!(set(&fd, option, value), Ok(()), "{what}");
                    assert_eq!(get(&fd, option), read, "{what}");
                }
                Err(errno) => row("setsockopt", what, set(&fd, option, value), errno),
            }
        }
    });
}

#[test]
fn low_water_mark_is_capped_by_a_buffer_set_by_hand() {
    alone(|| {
        for value in [60_000, -5] {
            let fd = tcp();
            set(&fd, RCVBUF, 50_000).expect("setsockopt");
            set(&fd, RCVLOWAT, value).expect("setsockopt");
            assert_eq!(get(&fd, RCVLOWAT), 50_000, "half of SO_RCVBUF, which is 100,000");
        }
    });
}

#[test]
fn hop_limits_are_separate() {
    alone(|| {
        let fd = tcp6();
        let before = get(&fd, HOPS);
        set(&fd, TTL, 7).expect("setsockopt");
        assert_eq!(get(&fd, HOPS), before, "IP_TTL does not touch the hop limit");
    });
}

#[test]
fn read_only() {
    alone(|| {
        for optname in [SO_TYPE, SO_ERROR, SO_ACCEPTCONN, SO_PROTOCOL, SO_DOMAIN] {
            let what = format!("read-only option {optname}");
            row("setsockopt", &what, set(&tcp(), (SOL_SOCKET, optname), 1), ENOPROTOOPT);
        }
    });
}

#[test]
fn sizes_of_values() {
    alone(|| {
        let fd = tcp();
        let ttl = |value: &[u8; 1]| setsockopt(&fd, IPPROTO_IP, IP_TTL, value);
        assert_eq!(ttl(&[9]), Ok(()), "IP_TTL takes one byte");
        assert_eq!(get(&fd, TTL), 9);
        assert_eq!(setsockopt(&fd, IPPROTO_IP, IP_TTL, &9u8), Ok(()));
        assert_eq!(getsockopt::<u8>(&fd, IPPROTO_IP, IP_TTL), Ok(9), "and gives one");
        let empty = setsockopt(&fd, IPPROTO_IP, IP_TTL, &[0u8; 0]);
        row("setsockopt", "IP_TTL of no bytes", empty, EINVAL);
        let short = setsockopt(&fd, SOL_SOCKET, SO_KEEPALIVE, &[1u8]);
        row("setsockopt", "SO_KEEPALIVE of one byte", short, EINVAL);
        row("setsockopt", "SO_LINGER of 4 bytes", set(&fd, (SOL_SOCKET, SO_LINGER), 1), EINVAL);
        let short = set(&fd, (SOL_SOCKET, SO_RCVTIMEO), 1);
        row("setsockopt", "SO_RCVTIMEO of 4 bytes", short, EINVAL);
        let short = setsockopt(&fd, IPPROTO_TCP, TCP_NODELAY, &[1u8]);
        row("setsockopt", "TCP_NODELAY of one byte", short, EINVAL);
        let [value, rest] = getsockopt::<[u8; 8]>(&fd, SOL_SOCKET, SO_TYPE)
            .map(|bytes| [bytes[0], bytes[4]])
            .expect("getsockopt");
        assert_eq!((value, rest), (1, 0), "an int in eight bytes: the rest stays zero");
        let cut = getsockopt::<[u8; 2]>(&fd, SOL_SOCKET, SO_TYPE);
        assert_eq!(cut, Ok([1, 0]), "an int in two bytes: cut");
    });
}

#[test]
fn values_of_linger_and_timeouts() {
    alone(|| {
        let fd = tcp();
        // Switched off, the time that is given is not taken over.
        for (l_onoff, l_linger, read) in [(1, 5, (1, 5)), (0, 9, (0, 5)), (1, 0, (1, 0))] {
            let value = linger { l_onoff, l_linger };
            setsockopt(&fd, SOL_SOCKET, SO_LINGER, &value).expect("setsockopt");
            let value: linger = getsockopt(&fd, SOL_SOCKET, SO_LINGER).expect("getsockopt");
            assert_eq!((value.l_onoff, value.l_linger), read);
        }
        let negative = setsockopt(&fd, SOL_SOCKET, SO_LINGER, &linger { l_onoff: 1, l_linger: -1 });
        assert_eq!(negative, Ok(()), "a negative time is accepted");
        for optname in [SO_RCVTIMEO, SO_SNDTIMEO] {
            let set = |tv_sec, tv_usec| {
                setsockopt(&fd, SOL_SOCKET, optname, &timeval { tv_sec, tv_usec })
            };
            assert_eq!(set(2, 500_000), Ok(()));
            let read: timeval = getsockopt(&fd, SOL_SOCKET, optname).expect("getsockopt");
            assert_eq!((read.tv_sec, read.tv_usec), (2, 500_000));
            row("setsockopt", "a whole second of microseconds", set(0, 1_000_000), EDOM);
            row("setsockopt", "negative microseconds", set(0, -1), EDOM);
        }
    });
}

#[test]
fn errors_of_the_calls() {
    alone(|| {
        let (pipe, fd) = (pipe().expect("pipe"), tcp());
        let unknown = (SOL_SOCKET, 9999);
        let get = |level, optname| getsockopt::<c_int>(&fd, level, optname);
        row("getsockopt", "no such option", get(SOL_SOCKET, 9999), ENOPROTOOPT);
        row("getsockopt", "no such option of IP", get(IPPROTO_IP, 9999), ENOPROTOOPT);
        row("getsockopt", "no such option of TCP", get(IPPROTO_TCP, 9999), ENOPROTOOPT);
        row("getsockopt", "no such level", get(9999, 1), EOPNOTSUPP);
        row("setsockopt", "no such option", set(&fd, unknown, 1), ENOPROTOOPT);
        row("setsockopt", "no such level", set(&fd, (9999, 1), 1), ENOPROTOOPT);
        row("setsockopt", "TCP's option on UDP", set(&udp(), IDLE, 1), ENOPROTOOPT);
        row("setsockopt", "IP's option on a local socket", set(&unix(), TTL, 1), EOPNOTSUPP);
        let option = getsockopt::<c_int>(unix(), IPPROTO_IP, IP_TTL);
        row("getsockopt", "IP's option on a local socket", option, EOPNOTSUPP);
        row("getsockopt", "a pipe", getsockopt::<c_int>(&pipe[0], SOL_SOCKET, SO_TYPE), ENOTSOCK);
        row("setsockopt", "a pipe", set(&pipe[0], KEEPALIVE, 1), ENOTSOCK);
        row("getsockopt", "not open", getsockopt::<c_int>(not_open(), SOL_SOCKET, SO_TYPE), EBADF);
        let closed = setsockopt(not_open(), SOL_SOCKET, SO_KEEPALIVE, &1);
        row("setsockopt", "not open", closed, EBADF);
        const SO_GET_FILTER: c_int = 26;
        row("getsockopt", "a length not in bytes", get(SOL_SOCKET, SO_GET_FILTER), EINVAL);
    });
}

#[test]
fn what_takes_privilege() {
    alone(|| {
        let beyond = sysctl("net/core/rmem_max", 0) + 1000;
        let force = |fd: &OwnedFd| {
            nix::sys::socket::setsockopt(fd, sockopt::RcvBufForce, &(beyond as usize))
                .map_err(|error| error as c_int)
        };
        let fd = tcp();
        match force(&fd) {
            Ok(()) => assert_eq!(get(&fd, RCVBUF), 2 * beyond, "with CAP_NET_ADMIN"),
            Err(errno) => assert_eq!(errno, EPERM),
        }
        if !become_nobody() {
            return skip("SO_DEBUG, SO_RCVBUFFORCE", "root can't be given up here");
        }
        row("setsockopt", "SO_DEBUG", set(&fd, (SOL_SOCKET, SO_DEBUG), 1), EACCES);
        assert_eq!(force(&fd), Err(EPERM), "SO_RCVBUFFORCE");
    });
}

#[test]
fn accepted_sockets_inherit() {
    alone(|| {
        let rows = [
            ("SO_KEEPALIVE", KEEPALIVE, 1, 1),
            ("SO_RCVBUF", RCVBUF, 50_000, 100_000),
            ("SO_SNDBUF", SNDBUF, 50_000, 100_000),
            ("SO_RCVLOWAT", RCVLOWAT, 10, 10),
            ("SO_REUSEADDR", REUSEADDR, 1, 1),
            ("SO_REUSEPORT", (SOL_SOCKET, SO_REUSEPORT), 1, 1),
            ("SO_OOBINLINE", (SOL_SOCKET, SO_OOBINLINE), 1, 1),
            ("IP_TTL", TTL, 7, 7),
            ("IP_TOS", (IPPROTO_IP, IP_TOS), 16, 16),
            ("TCP_NODELAY", (IPPROTO_TCP, TCP_NODELAY), 1, 1),
            ("TCP_KEEPIDLE", IDLE, 9, 9),
            ("TCP_USER_TIMEOUT", (IPPROTO_TCP, TCP_USER_TIMEOUT), 2000, 2000),
        ];
        for (what, option, value, expected) in rows {
            let (listenfd, _) = listener();
            set(&listenfd, option, value).expect("setsockopt");
            let (_client, server) = connected_to(&listenfd);
            assert_eq!(get(&server, option), expected, "{what}");
        }
        let (listenfd, _) = listener();
        let value = linger { l_onoff: 1, l_linger: 3 };
        setsockopt(&listenfd, SOL_SOCKET, SO_LINGER, &value).expect("setsockopt");
        let value = timeval { tv_sec: 60, tv_usec: 0 };
        setsockopt(&listenfd, SOL_SOCKET, SO_RCVTIMEO, &value).expect("setsockopt");
        const SO_PRIORITY: Level = (SOL_SOCKET, 12);
        set(&listenfd, SO_PRIORITY, 3).expect("setsockopt");
        let (client, server) = connected_to(&listenfd);
        let value: linger = getsockopt(&server, SOL_SOCKET, SO_LINGER).expect("getsockopt");
        assert_eq!((value.l_onoff, value.l_linger), (1, 3), "SO_LINGER");
        let value: timeval = getsockopt(&server, SOL_SOCKET, SO_RCVTIMEO).expect("getsockopt");
        assert_eq!(value.tv_sec, 60, "SO_RCVTIMEO");
        assert_eq!(get(&server, SO_PRIORITY), 0, "SO_PRIORITY is not inherited");
        assert_eq!(get(&server, (SOL_SOCKET, SO_ACCEPTCONN)), 0, "nor is SO_ACCEPTCONN");
        drop(client);
        set_nonblocking(&listenfd);
        let client = tcp();
        connect(&client, &name(&listenfd)).expect("connect");
        wait_for(&listenfd, POLLIN);
        let (server, _) = accept(&listenfd).expect("accept");
        let flags = fcntl(&server, F_GETFL, 0).expect("fcntl");
        assert_eq!(flags & O_NONBLOCK, 0, "O_NONBLOCK is not inherited");
    });
}

#[test]
fn nix_reads_the_same() {
    alone(|| {
        let (client, _server) = connected();
        set(&client, RCVBUF, 70_000).expect("setsockopt");
        let ours = [RCVBUF, SNDBUF, TTL, IDLE, CNT].map(|option| get(&client, option) as usize);
        let nix = [
            nix_getsockopt(&client, sockopt::RcvBuf).expect("nix"),
            nix_getsockopt(&client, sockopt::SndBuf).expect("nix"),
            nix_getsockopt(&client, sockopt::Ipv4Ttl).expect("nix") as usize,
            nix_getsockopt(&client, sockopt::TcpKeepIdle).expect("nix") as usize,
            nix_getsockopt(&client, sockopt::TcpKeepCount).expect("nix") as usize,
        ];
        assert_eq!(ours, nix);
    });
}
