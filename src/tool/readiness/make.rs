//! What makes the situations.

use std::os::fd::OwnedFd;

use super::never;
use crate::net::to_c;
use crate::posix::Result;
use crate::posix::error::EINPROGRESS;
use crate::posix::poll::*;
use crate::posix::sys_socket::*;
use crate::posix::unistd::close;
use crate::tool::loopback::*;

/// A socket in a situation.
pub(super) struct Made {
    pub(super) sockfd: OwnedFd,
    /// A read of nothing is then not the end of file.
    pub(super) datagrams: bool,
    /// The other sockets that the situation lives by.
    _others: Vec<OwnedFd>,
}

impl Made {
    fn of(sockfd: OwnedFd, others: impl IntoIterator<Item = OwnedFd>) -> Result<Self> {
        Ok(Self { sockfd, datagrams: false, _others: others.into_iter().collect() })
    }

    fn of_udp(sockfd: OwnedFd, others: impl IntoIterator<Item = OwnedFd>) -> Result<Self> {
        Ok(Self { datagrams: true, ..Self::of(sockfd, others)? })
    }
}

/// The wait has ended with what was waited for.
fn happened(it_did: bool) -> Result<()> {
    if it_did { Ok(()) } else { Err(never("poll")) }
}

pub(super) fn fresh_tcp() -> Result<Made> {
    Made::of(tcp()?, [])
}

pub(super) fn fresh_udp() -> Result<Made> {
    Made::of_udp(udp()?, [])
}

pub(super) fn five_bytes() -> Result<Made> {
    let (client, server) = connected()?;
    send(&client, b"12345", 0)?;
    happened(wait_for_bytes(&server, 5)?)?;
    Made::of(server, [client])
}

pub(super) fn nothing() -> Result<Made> {
    let (client, server) = connected()?;
    Made::of(server, [client])
}

pub(super) fn below_the_mark() -> Result<Made> {
    let (client, server) = connected()?;
    set(&server, SO_RCVLOWAT, 10)?;
    send(&client, b"12345", 0)?;
    happened(wait_for_bytes(&server, 5)?)?;
    Made::of(server, [client])
}

pub(super) fn datagram(bytes: &[u8]) -> Result<Made> {
    let (receiver, addr) = bound(udp()?)?;
    sendto(udp()?, bytes, 0, &to_c(&addr))?;
    happened(wait_for(&receiver, POLLIN)?)?;
    Made::of_udp(receiver, [])
}

pub(super) fn peer_closed() -> Result<Made> {
    let (client, server) = connected()?;
    close(server)?;
    happened(wait_for(&client, POLLRDHUP)?)?;
    Made::of(client, [])
}

pub(super) fn peer_shut() -> Result<Made> {
    let (client, server) = connected()?;
    shutdown(&server, SHUT_WR)?;
    happened(wait_for(&client, POLLRDHUP)?)?;
    Made::of(client, [server])
}

pub(super) fn both_shut() -> Result<Made> {
    let (client, server) = connected()?;
    shutdown(&client, SHUT_WR)?;
    shutdown(&server, SHUT_WR)?;
    happened(wait_for(&client, POLLHUP)?)?;
    Made::of(client, [server])
}

pub(super) fn own_reading_shut() -> Result<Made> {
    let (client, server) = connected()?;
    shutdown(&server, SHUT_RD)?;
    Made::of(server, [client])
}

pub(super) fn own_reading_shut_and_bytes() -> Result<Made> {
    let (client, server) = connected()?;
    shutdown(&server, SHUT_RD)?;
    send(&client, b"12345", 0)?;
    happened(wait_for_bytes(&server, 5)?)?;
    Made::of(server, [client])
}

pub(super) fn nobody_waits() -> Result<Made> {
    Made::of(listener()?.0, [])
}

pub(super) fn client_waits() -> Result<Made> {
    let (listenfd, addr) = listener()?;
    let client = tcp()?;
    connect(&client, &to_c(&addr))?;
    happened(wait_for(&listenfd, POLLIN)?)?;
    Made::of(listenfd, [client])
}

pub(super) fn client_gone(accepted: bool) -> Result<Made> {
    let (listenfd, addr) = listener()?;
    let client = tcp()?;
    connect(&client, &to_c(&addr))?;
    happened(wait_for(&listenfd, POLLIN)?)?;
    let far = name(&client)?;
    reset(client)?;
    happened(until(|| Ok(state_between(addr, far) == "none"))?)?;
    if !accepted {
        return Made::of(listenfd, []);
    }
    let (server, _) = accept4(&listenfd, SOCK_CLOEXEC)?;
    Made::of(server, [listenfd])
}

pub(super) fn peer_reset(before: &[u8]) -> Result<Made> {
    let (client, server) = connected()?;
    if !before.is_empty() {
        send(&client, before, 0)?;
        happened(wait_for_bytes(&server, before.len())?)?;
    }
    reset(client)?;
    happened(wait_for(&server, POLLERR)?)?;
    Made::of(server, [])
}

/// A client whose send buffer is of this size, and a peer that does not read.
fn to_who_does_not_read() -> Result<(OwnedFd, OwnedFd)> {
    let (listenfd, addr) = bound(tcp()?)?;
    set(&listenfd, SO_RCVBUF, 1)?;
    listen(&listenfd, 5)?;
    let client = tcp()?;
    set(&client, SO_SNDBUF, 200_000)?;
    connect(&client, &to_c(&addr))?;
    let (server, _) = accept4(&listenfd, SOCK_CLOEXEC)?;
    Ok((client, server))
}

pub(super) fn nearly_full() -> Result<Made> {
    let (client, server) = to_who_does_not_read()?;
    let enough = until(|| {
        // In this order: what was acknowledged before has made its room before.
        let acknowledged = nothing_under_way(&client)?;
        let mut fds = [pollfd::new(&client, POLLOUT)];
        if poll(&mut fds, 0)? == 1 {
            send(&client, &[b'x'; 1000], MSG_DONTWAIT | MSG_NOSIGNAL)?;
            return Ok(false);
        }
        Ok(acknowledged)
    })?;
    happened(enough)?;
    Made::of(client, [server])
}

pub(super) fn full() -> Result<Made> {
    let (client, server) = to_who_does_not_read()?;
    fill_up(&client)?;
    Made::of(client, [server])
}

pub(super) fn own_writing_shut() -> Result<Made> {
    let (client, server) = connected()?;
    shutdown(&client, SHUT_WR)?;
    Made::of(client, [server])
}

/// Begins to connect, without waiting for it.
fn begin(addr: &sockaddr_storage) -> Result<OwnedFd> {
    let client = tcp()?;
    set_nonblocking(&client)?;
    match connect(&client, addr) {
        Err(error) if error.errno() != EINPROGRESS => Err(error),
        _ => Ok(client),
    }
}

pub(super) fn connecting() -> Result<Made> {
    // Its queue holds one, and drops the SYN of the next.
    let (listenfd, addr) = bound(tcp()?)?;
    listen(&listenfd, 0)?;
    let first = tcp()?;
    connect(&first, &to_c(&addr))?;
    happened(wait_for(&listenfd, POLLIN)?)?;
    Made::of(begin(&to_c(&addr))?, [listenfd, first])
}

pub(super) fn connect_done() -> Result<Made> {
    let (listenfd, addr) = listener()?;
    let client = begin(&to_c(&addr))?;
    happened(wait_for(&client, POLLOUT)?)?;
    Made::of(client, [listenfd])
}

pub(super) fn connect_refused() -> Result<Made> {
    // The port is closed as long as this socket has it.
    let (closed, addr) = bound(tcp()?)?;
    let client = begin(&to_c(&addr))?;
    happened(wait_for(&client, POLLERR)?)?;
    Made::of(client, [closed])
}

pub(super) fn udp_refused() -> Result<Made> {
    // Closed to us: the socket that has the port is connected to another, to itself.
    let (closed, addr) = bound(udp()?)?;
    connect(&closed, &to_c(&addr))?;
    let sockfd = udp()?;
    connect(&sockfd, &to_c(&addr))?;
    send(&sockfd, b"x", 0)?;
    happened(wait_for(&sockfd, POLLERR)?)?;
    Made::of_udp(sockfd, [closed])
}

pub(super) fn urgent(before: &[u8]) -> Result<Made> {
    let (client, server) = connected()?;
    if !before.is_empty() {
        send(&client, before, 0)?;
    }
    send(&client, b"!", MSG_OOB)?;
    let events = if before.is_empty() { POLLPRI } else { POLLPRI | POLLIN };
    happened(wait_for(&server, events)?)?;
    Made::of(server, [client])
}
