//! Linux's `TCP_INFO` and `SO_MEMINFO`: what the kernel says of a socket.

use std::os::fd::OwnedFd;

use socklab::linux::tcp_info::{
    SK_MEMINFO_DROPS, SO_MEMINFO, TCP_CLOSE, TCP_ESTABLISHED, TCP_INFO, TCP_LISTEN, TCP_SYN_SENT,
    sk_meminfo, tcp_info,
};
use socklab::posix::error::{EINPROGRESS, ENOTSOCK, EOPNOTSUPP};
use socklab::posix::netinet_in::IPPROTO_TCP;
use socklab::posix::sys_socket::{SOL_SOCKET, connect, getsockopt};
use socklab::posix::unistd::pipe;

use crate::support::{connected, full_listener, row, set_nonblocking, tcp, udp, until};

fn info(fd: &OwnedFd) -> tcp_info {
    getsockopt(fd, IPPROTO_TCP, TCP_INFO).expect("getsockopt")
}

fn drops(fd: &OwnedFd) -> u32 {
    let counts: sk_meminfo = getsockopt(fd, SOL_SOCKET, SO_MEMINFO).expect("getsockopt");
    counts[SK_MEMINFO_DROPS]
}

#[test]
fn states() {
    let (client, server) = connected();
    let states = [&client, &server, &tcp()].map(|fd| info(fd).tcpi_state);
    assert_eq!(states, [TCP_ESTABLISHED, TCP_ESTABLISHED, TCP_CLOSE]);
}

#[test]
fn a_listening_socket_tells_its_queue_and_what_it_dropped() {
    let (listenfd, addr, _first) = full_listener();
    let full = info(&listenfd);
    assert_eq!((full.tcpi_state, full.tcpi_unacked, full.tcpi_sacked), (TCP_LISTEN, 1, 0));
    assert_eq!(drops(&listenfd), 0);
    let second = tcp();
    set_nonblocking(&second);
    row("connect", "a full queue", connect(&second, &addr), EINPROGRESS);
    until(|| drops(&listenfd) > 0);
    assert_eq!((info(&second).tcpi_state, info(&listenfd).tcpi_unacked), (TCP_SYN_SENT, 1));
}

#[test]
fn errors() {
    let [reading, _writing] = pipe().expect("pipe");
    let of_pipe = getsockopt::<tcp_info>(&reading, IPPROTO_TCP, TCP_INFO);
    row("getsockopt", "TCP_INFO of a pipe", of_pipe, ENOTSOCK);
    let of_udp = getsockopt::<tcp_info>(udp(), IPPROTO_TCP, TCP_INFO);
    row("getsockopt", "TCP_INFO of UDP", of_udp, EOPNOTSUPP);
}
