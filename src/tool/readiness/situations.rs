//! The situations: what is expected of each, and a function that makes it.

use std::os::fd::OwnedFd;

use super::Call::{Accept, AwaitReset, Getpeername, Recv, RecvOob, Send, SoError};
use super::List::{Exception, Readable, Writable};
use super::{Situation, never};
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

const ALL: i16 = POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP;

const BYTE: &str = "there is at least one byte to read";
const EOF: &str = "the other end has terminated the connection (EOF)";
const ACCEPT: &str = "the socket is listening and accept() would not block";
const ERROR: &str = "a socket error is pending";
const FITS: &str = "kernel socket buffers still fit at least one byte";
const CLOSED: &str = "the write half of the connection is closed(!)";
const CONNECTED: &str = "non-blocking connect has completed";
const URGENT: &str = "they have an I/O error";

pub(super) const SITUATIONS: &[Situation] = &[
    Situation {
        list: Readable,
        clause: BYTE,
        what: "TCP: five bytes have come",
        make: five_bytes,
        select: "110",
        events: POLLIN | POLLOUT,
        then: &[(Recv, "5"), (Recv, "EAGAIN")],
        differs: "",
    },
    Situation {
        list: Readable,
        clause: BYTE,
        what: "TCP: nothing has come",
        make: nothing,
        select: "010",
        events: POLLOUT,
        then: &[(Recv, "EAGAIN"), (Send, "1")],
        differs: "",
    },
    Situation {
        list: Readable,
        clause: BYTE,
        what: "TCP: five bytes, SO_RCVLOWAT is 10",
        make: below_the_mark,
        select: "010",
        events: POLLOUT,
        then: &[(Recv, "5")],
        differs: "not below the low-water mark, though recv takes what there is",
    },
    Situation {
        list: Readable,
        clause: BYTE,
        what: "UDP: a datagram of five bytes has come",
        make: || datagram(b"12345"),
        select: "110",
        events: POLLIN | POLLOUT,
        then: &[(Recv, "5"), (Recv, "EAGAIN")],
        differs: "",
    },
    Situation {
        list: Readable,
        clause: BYTE,
        what: "UDP: an empty datagram has come",
        make: || datagram(b""),
        select: "110",
        events: POLLIN | POLLOUT,
        then: &[(Recv, "0, empty"), (Recv, "EAGAIN")],
        differs: "readable without a byte; and 0 is not the end of file",
    },
    Situation {
        list: Readable,
        clause: BYTE,
        what: "UDP: a fresh socket",
        make: || Made::of_udp(udp()?, []),
        select: "010",
        events: POLLOUT,
        then: &[(Recv, "EAGAIN"), (Send, "EDESTADDRREQ")],
        differs: "",
    },
    Situation {
        list: Readable,
        clause: EOF,
        what: "the peer has closed",
        make: peer_closed,
        select: "110",
        events: POLLIN | POLLOUT | POLLRDHUP,
        then: &[(Recv, "0, end of file"), (Send, "1"), (AwaitReset, ""), (Send, "EPIPE")],
        differs: "",
    },
    Situation {
        list: Readable,
        clause: EOF,
        what: "the peer has shut down its writing",
        make: peer_shut,
        select: "110",
        events: POLLIN | POLLOUT | POLLRDHUP,
        then: &[(Recv, "0, end of file"), (Send, "1"), (Send, "1")],
        differs: "",
    },
    Situation {
        list: Readable,
        clause: EOF,
        what: "both have shut down their writing",
        make: both_shut,
        select: "110",
        events: POLLIN | POLLOUT | POLLHUP | POLLRDHUP,
        then: &[(Recv, "0, end of file"), (Send, "EPIPE")],
        differs: "",
    },
    Situation {
        list: Readable,
        clause: EOF,
        what: "own shutdown(SHUT_RD)",
        make: own_reading_shut,
        select: "110",
        events: POLLIN | POLLOUT | POLLRDHUP,
        then: &[(Recv, "0, end of file"), (Send, "1")],
        differs: "it was this end, not the other",
    },
    Situation {
        list: Readable,
        clause: EOF,
        what: "own shutdown(SHUT_RD), then five bytes have come",
        make: own_reading_shut_and_bytes,
        select: "110",
        events: POLLIN | POLLOUT | POLLRDHUP,
        then: &[(Recv, "5"), (Recv, "0, end of file")],
        differs: "what comes later can still be read",
    },
    Situation {
        list: Readable,
        clause: ACCEPT,
        what: "listening, nobody is there",
        make: || Made::of(listener()?.0, []),
        select: "000",
        events: 0,
        then: &[(Accept, "EAGAIN")],
        differs: "",
    },
    Situation {
        list: Readable,
        clause: ACCEPT,
        what: "listening, a client waits",
        make: client_waits,
        select: "100",
        events: POLLIN,
        then: &[(Accept, "a socket"), (Recv, "EAGAIN")],
        differs: "",
    },
    Situation {
        list: Readable,
        clause: ACCEPT,
        what: "listening, a client waited and has sent a RST",
        make: || client_gone(false),
        select: "100",
        events: POLLIN,
        then: &[(Accept, "a socket"), (Getpeername, "ENOTCONN"), (Recv, "ECONNRESET")],
        differs: "accept does not block; elsewhere it may (UNP 16.6) or say ECONNABORTED",
    },
    Situation {
        list: Readable,
        clause: ERROR,
        what: "what accept returns then",
        make: || client_gone(true),
        select: "110",
        events: ALL,
        then: &[(Recv, "ECONNRESET"), (Recv, "0, end of file"), (Send, "EPIPE")],
        differs: "",
    },
    Situation {
        list: Readable,
        clause: ERROR,
        what: "the peer has sent a RST",
        make: || peer_reset(b""),
        select: "110",
        events: ALL,
        then: &[(Recv, "ECONNRESET"), (Recv, "0, end of file"), (Send, "EPIPE")],
        differs: "",
    },
    Situation {
        list: Readable,
        clause: ERROR,
        what: "the peer has sent five bytes, then a RST",
        make: || peer_reset(b"12345"),
        select: "110",
        events: ALL,
        then: &[(Recv, "5"), (Recv, "ECONNRESET"), (Recv, "0, end of file")],
        differs: "the bytes come before the error",
    },
    Situation {
        list: Readable,
        clause: ERROR,
        what: "TCP: a fresh socket",
        make: || Made::of(tcp()?, []),
        select: "110",
        events: POLLOUT | POLLHUP,
        then: &[(SoError, "0"), (Recv, "ENOTCONN"), (Send, "EPIPE")],
        differs: "no error is pending: there is no connection",
    },
    Situation {
        list: Writable,
        clause: FITS,
        what: "the send buffer is empty",
        make: nothing,
        select: "010",
        events: POLLOUT,
        then: &[(Send, "1")],
        differs: "",
    },
    Situation {
        list: Writable,
        clause: FITS,
        what: "less than a third of the send buffer is free",
        make: nearly_full,
        select: "000",
        events: 0,
        then: &[(Send, "1")],
        differs: "a byte fits, and yet it is not writable: a third must be free",
    },
    Situation {
        list: Writable,
        clause: FITS,
        what: "the send buffer is full",
        make: full,
        select: "000",
        events: 0,
        then: &[(Send, "EAGAIN")],
        differs: "",
    },
    Situation {
        list: Writable,
        clause: CLOSED,
        what: "own shutdown(SHUT_WR)",
        make: own_writing_shut,
        select: "010",
        events: POLLOUT,
        then: &[(Send, "EPIPE"), (Recv, "EAGAIN")],
        differs: "",
    },
    Situation {
        list: Writable,
        clause: CONNECTED,
        what: "connect is under way: no answer to the SYN",
        make: connecting,
        select: "000",
        events: 0,
        then: &[(SoError, "0"), (Send, "EAGAIN"), (Recv, "EAGAIN")],
        differs: "",
    },
    Situation {
        list: Writable,
        clause: CONNECTED,
        what: "connect has succeeded",
        make: connect_done,
        select: "010",
        events: POLLOUT,
        then: &[(SoError, "0"), (Send, "1")],
        differs: "",
    },
    Situation {
        list: Writable,
        clause: CONNECTED,
        what: "connect has failed: the port is closed",
        make: connect_refused,
        select: "110",
        events: ALL,
        then: &[(SoError, "ECONNREFUSED"), (SoError, "0"), (Send, "EPIPE")],
        differs: "readable as well: that is how the two are told apart",
    },
    Situation {
        list: Writable,
        clause: ERROR,
        what: "UDP, connected: the port was closed",
        make: udp_refused,
        select: "110",
        events: POLLOUT | POLLERR,
        then: &[(Send, "ECONNREFUSED"), (Recv, "EAGAIN")],
        differs: "poll says ERR, not IN; select says readable",
    },
    Situation {
        list: Exception,
        clause: URGENT,
        what: "the peer has sent a RST",
        make: || peer_reset(b""),
        select: "110",
        events: ALL,
        then: &[(SoError, "ECONNRESET")],
        differs: "an error is not in the third set, but in the other two",
    },
    Situation {
        list: Exception,
        clause: URGENT,
        what: "an urgent byte has come",
        make: || urgent(b""),
        select: "011",
        events: POLLOUT | POLLPRI,
        then: &[(RecvOob, "1"), (Recv, "EAGAIN"), (RecvOob, "EINVAL")],
        differs: "the third set is for urgent data alone",
    },
    Situation {
        list: Exception,
        clause: URGENT,
        what: "two bytes and then an urgent one have come",
        make: || urgent(b"ab"),
        select: "111",
        events: POLLIN | POLLOUT | POLLPRI,
        then: &[(Recv, "2"), (RecvOob, "1")],
        differs: "the third set is for urgent data alone",
    },
];

/// The wait has ended with what was waited for.
fn happened(it_did: bool) -> Result<()> {
    if it_did { Ok(()) } else { Err(never("poll")) }
}

fn five_bytes() -> Result<Made> {
    let (client, server) = connected()?;
    send(&client, b"12345", 0)?;
    happened(wait_for_bytes(&server, 5)?)?;
    Made::of(server, [client])
}

fn nothing() -> Result<Made> {
    let (client, server) = connected()?;
    Made::of(server, [client])
}

fn below_the_mark() -> Result<Made> {
    let (client, server) = connected()?;
    set(&server, SO_RCVLOWAT, 10)?;
    send(&client, b"12345", 0)?;
    happened(wait_for_bytes(&server, 5)?)?;
    Made::of(server, [client])
}

fn datagram(bytes: &[u8]) -> Result<Made> {
    let (receiver, addr) = bound(udp()?)?;
    sendto(udp()?, bytes, 0, &to_c(&addr))?;
    happened(wait_for(&receiver, POLLIN)?)?;
    Made::of_udp(receiver, [])
}

fn peer_closed() -> Result<Made> {
    let (client, server) = connected()?;
    close(server)?;
    happened(wait_for(&client, POLLRDHUP)?)?;
    Made::of(client, [])
}

fn peer_shut() -> Result<Made> {
    let (client, server) = connected()?;
    shutdown(&server, SHUT_WR)?;
    happened(wait_for(&client, POLLRDHUP)?)?;
    Made::of(client, [server])
}

fn both_shut() -> Result<Made> {
    let (client, server) = connected()?;
    shutdown(&client, SHUT_WR)?;
    shutdown(&server, SHUT_WR)?;
    happened(wait_for(&client, POLLHUP)?)?;
    Made::of(client, [server])
}

fn own_reading_shut() -> Result<Made> {
    let (client, server) = connected()?;
    shutdown(&server, SHUT_RD)?;
    Made::of(server, [client])
}

fn own_reading_shut_and_bytes() -> Result<Made> {
    let (client, server) = connected()?;
    shutdown(&server, SHUT_RD)?;
    send(&client, b"12345", 0)?;
    happened(wait_for_bytes(&server, 5)?)?;
    Made::of(server, [client])
}

fn client_waits() -> Result<Made> {
    let (listenfd, addr) = listener()?;
    let client = tcp()?;
    connect(&client, &to_c(&addr))?;
    happened(wait_for(&listenfd, POLLIN)?)?;
    Made::of(listenfd, [client])
}

fn client_gone(accepted: bool) -> Result<Made> {
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

fn peer_reset(before: &[u8]) -> Result<Made> {
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

fn nearly_full() -> Result<Made> {
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

fn full() -> Result<Made> {
    let (client, server) = to_who_does_not_read()?;
    fill_up(&client)?;
    Made::of(client, [server])
}

fn own_writing_shut() -> Result<Made> {
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

fn connecting() -> Result<Made> {
    // Its queue holds one, and drops the SYN of the next.
    let (listenfd, addr) = bound(tcp()?)?;
    listen(&listenfd, 0)?;
    let first = tcp()?;
    connect(&first, &to_c(&addr))?;
    happened(wait_for(&listenfd, POLLIN)?)?;
    Made::of(begin(&to_c(&addr))?, [listenfd, first])
}

fn connect_done() -> Result<Made> {
    let (listenfd, addr) = listener()?;
    let client = begin(&to_c(&addr))?;
    happened(wait_for(&client, POLLOUT)?)?;
    Made::of(client, [listenfd])
}

fn connect_refused() -> Result<Made> {
    // The port is closed as long as this socket has it.
    let (closed, addr) = bound(tcp()?)?;
    let client = begin(&to_c(&addr))?;
    happened(wait_for(&client, POLLERR)?)?;
    Made::of(client, [closed])
}

fn udp_refused() -> Result<Made> {
    // Closed to us: the socket that has the port is connected to another, to itself.
    let (closed, addr) = bound(udp()?)?;
    connect(&closed, &to_c(&addr))?;
    let sockfd = udp()?;
    connect(&sockfd, &to_c(&addr))?;
    send(&sockfd, b"x", 0)?;
    happened(wait_for(&sockfd, POLLERR)?)?;
    Made::of_udp(sockfd, [closed])
}

fn urgent(before: &[u8]) -> Result<Made> {
    let (client, server) = connected()?;
    if !before.is_empty() {
        send(&client, before, 0)?;
    }
    send(&client, b"!", MSG_OOB)?;
    let events = if before.is_empty() { POLLPRI } else { POLLPRI | POLLIN };
    happened(wait_for(&server, events)?)?;
    Made::of(server, [client])
}
