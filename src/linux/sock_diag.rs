//! `NETLINK_SOCK_DIAG`: the kernel's own table of sockets, by family, protocol and state, without the
//! way through text.
//! [sock_diag(7)](https://man7.org/linux/man-pages/man7/sock_diag.7.html)

#![expect(non_camel_case_types, reason = "C's names for C's types")]

use std::ffi::c_int;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, OwnedFd};

pub use libc::{AF_NETLINK, NETLINK_SOCK_DIAG, sockaddr_nl};

use crate::posix::error::{EINTR, EPROTO};
use crate::posix::sys_socket::{
    SOCK_CLOEXEC, SOCK_RAW, SockAddr, connect, recv, sa_family_t, send, socket, socklen_t,
};
use crate::posix::{Error, Result};

// SAFETY: C's struct; 12 bytes, all initialised, since it can only be made by zeroing.
unsafe impl SockAddr for sockaddr_nl {
    fn socklen(&self) -> socklen_t {
        size_of::<Self>() as socklen_t
    }
}

/// A `struct sockaddr_nl` of the kernel: port 0, no groups.
pub const fn sockaddr_nl() -> sockaddr_nl {
    // SAFETY: integers only; all bytes zero is a value.
    let mut addr: sockaddr_nl = unsafe { MaybeUninit::zeroed().assume_init() };
    addr.nl_family = AF_NETLINK as sa_family_t;
    addr
}

/// `1 << state` for a state of a connection, such as [`TCP_LISTEN`](super::tcp_info::TCP_LISTEN): what
/// `idiag_states` is made of.
pub const fn state(state: u8) -> u32 {
    1 << state
}

/// `TCPF_BOUND_INACTIVE`: TCP sockets that are bound and neither listen nor are connected, since Linux
/// 6.8; an older kernel finds none. They are answered with the state `TCP_CLOSE`.
pub const BOUND_INACTIVE: u32 = 1 << 13;

/// Every state of a connection, a request for one included; not [`BOUND_INACTIVE`].
pub const EVERY_STATE: u32 = 0x1ffe;

/// `struct nlmsghdr` and the `struct inet_diag_req_v2` behind it: a question for all sockets of a family
/// and a protocol that are in one of these states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct inet_diag_request {
    /// `AF_INET` or `AF_INET6`.
    pub sdiag_family: u8,
    /// `IPPROTO_TCP` or `IPPROTO_UDP`.
    pub sdiag_protocol: u8,
    /// Which further attributes are asked for: bit `n - 1` is attribute `n`.
    pub idiag_ext: u8,
    /// Bit `n` is state `n`.
    pub idiag_states: u32,
    /// What the answers will carry.
    pub nlmsg_seq: u32,
}

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_NOOP: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

impl inet_diag_request {
    /// As the kernel reads it. All of `struct inet_diag_sockid` is zero: any address, any interface.
    pub fn bytes(&self) -> [u8; 72] {
        let mut bytes = [0; 72];
        bytes[..4].copy_from_slice(&72_u32.to_ne_bytes());
        bytes[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.nlmsg_seq.to_ne_bytes());
        bytes[16] = self.sdiag_family;
        bytes[17] = self.sdiag_protocol;
        bytes[18] = self.idiag_ext;
        bytes[20..24].copy_from_slice(&self.idiag_states.to_ne_bytes());
        bytes
    }
}

/// `struct inet_diag_msg` and what is known of its attributes: one socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct inet_diag_msg {
    /// `AF_INET` or `AF_INET6`.
    pub idiag_family: u8,
    /// Such as `TCP_LISTEN`.
    pub idiag_state: u8,
    /// The local port, in network byte order.
    pub idiag_sport: u16,
    /// The peer's port, in network byte order; 0 if there is none.
    pub idiag_dport: u16,
    /// The local address; of `AF_INET` only the first four bytes count.
    pub idiag_src: [u8; 16],
    /// The peer's.
    pub idiag_dst: [u8; 16],
    /// The interface that the socket is bound to, or 0.
    pub idiag_if: u32,
    /// Bytes that wait to be read; of a listening socket, connections that wait to be accepted.
    pub idiag_rqueue: u32,
    /// Bytes that are not acknowledged; of a listening socket, its backlog as the kernel took it.
    pub idiag_wqueue: u32,
    /// Whose it is.
    pub idiag_uid: u32,
    /// What `/proc/PID/fd` calls it, `socket:[inode]`; 0 while, or since, it is nobody's.
    pub idiag_inode: u32,
    /// `INET_DIAG_SKV6ONLY`: whether an `AF_INET6` socket refuses IPv4; told of those that listen and of
    /// those that are not connected.
    pub v6only: Option<bool>,
}

/// One message of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A socket.
    Socket(inet_diag_msg),
    /// Nothing more follows.
    Done,
    /// The kernel refuses, with this `errno`.
    Refused(c_int),
    /// A message that says nothing here: of another kind or of another question.
    Other,
}

/// The messages in what [`recv`] returned, as far as they are well-formed: `None` stands where they are
/// not, and ends them.
pub fn answers(mut bytes: &[u8], nlmsg_seq: u32) -> impl Iterator<Item = Option<Answer>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let found = message(bytes, nlmsg_seq);
        bytes = found.map_or(&[], |(_, rest)| rest);
        Some(found.map(|(answer, _)| answer))
    })
}

fn message(bytes: &[u8], nlmsg_seq: u32) -> Option<(Answer, &[u8])> {
    let length = word(bytes, 0)? as usize;
    let (kind, seq) = (half(bytes, 4)?, word(bytes, 8)?);
    let payload = bytes.get(16..length)?;
    let rest = bytes.get(length.checked_next_multiple_of(4)?..).unwrap_or(&[]);
    let answer = match kind {
        _ if seq != nlmsg_seq => Answer::Other,
        SOCK_DIAG_BY_FAMILY => Answer::Socket(socket_in(payload)?),
        // An error is negative; 0 is an acknowledgement, and a dump's good end.
        NLMSG_ERROR | NLMSG_DONE => match word(payload, 0).map_or(0, |word| word as c_int) {
            error if error < 0 => Answer::Refused(error.checked_neg()?),
            _ if kind == NLMSG_DONE => Answer::Done,
            _ => Answer::Other,
        },
        NLMSG_NOOP => Answer::Other,
        _ => return None,
    };
    Some((answer, rest))
}

const INET_DIAG_SKV6ONLY: u16 = 11;

fn socket_in(payload: &[u8]) -> Option<inet_diag_msg> {
    let port = |at: usize| half(payload, at);
    let mut socket = inet_diag_msg {
        idiag_family: *payload.first()?,
        idiag_state: *payload.get(1)?,
        idiag_sport: port(4)?,
        idiag_dport: port(6)?,
        idiag_src: payload.get(8..24)?.try_into().ok()?,
        idiag_dst: payload.get(24..40)?.try_into().ok()?,
        idiag_if: word(payload, 40)?,
        idiag_rqueue: word(payload, 56)?,
        idiag_wqueue: word(payload, 60)?,
        idiag_uid: word(payload, 64)?,
        idiag_inode: word(payload, 68)?,
        v6only: None,
    };
    let mut attributes = payload.get(72..)?;
    // Attributes that are cut off are none.
    while let (Some(length), Some(kind)) = (half(attributes, 0), half(attributes, 2)) {
        let length = usize::from(length);
        let Some(value) = attributes.get(4..length) else { break };
        if kind == INET_DIAG_SKV6ONLY {
            socket.v6only = value.first().map(|&value| value != 0);
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Some(socket)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_ne_bytes(*bytes))
}

/// `socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)`, connected to the kernel: nobody else
/// can answer.
///
/// # Errors
///
/// Those of `socket` and `connect`: a sandbox may refuse netlink, and a kernel may be built without it.
pub fn sock_diag() -> Result<OwnedFd> {
    let fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)?;
    connect(&fd, &sockaddr_nl())?;
    Ok(fd)
}

/// The most that the kernel puts into one answer, in bytes.
pub const ANSWER_MAX: usize = 32 * 1024;

/// Tells all sockets of a family and a protocol that are in one of these states, in the kernel's order: no single call, but
/// a `send` and as many `recv` as the answer has parts.
///
/// # Errors
///
/// Those of `send` and `recv`, and what the kernel answers in place of sockets, as an error of
/// `sock_diag`: `ENOENT` if it knows no such family or protocol, `EPROTO` if its answer makes no sense.
pub fn dump(
    sockfd: impl AsFd,
    family: c_int,
    protocol: c_int,
    states: u32,
    each: impl FnMut(&inet_diag_msg),
) -> Result<()> {
    dump_by(sockfd, family, protocol, states, &mut vec![0; ANSWER_MAX], each)
}

/// As [`dump`], by a buffer of the caller's, which has [`ANSWER_MAX`] bytes: nothing is allocated.
///
/// # Errors
///
/// Those of [`dump`].
pub fn dump_by(
    sockfd: impl AsFd,
    family: c_int,
    protocol: c_int,
    states: u32,
    buffer: &mut [u8],
    mut each: impl FnMut(&inet_diag_msg),
) -> Result<()> {
    let request = inet_diag_request {
        sdiag_family: family as u8,
        sdiag_protocol: protocol as u8,
        idiag_ext: 0,
        idiag_states: states,
        nlmsg_seq: (family as u32) << 8 | protocol as u32,
    };
    send(&sockfd, &request.bytes(), 0)?;
    loop {
        let length = match recv(&sockfd, buffer, 0) {
            Ok(length) => length,
            Err(error) if error.errno() == EINTR => continue,
            Err(error) => return Err(error),
        };
        let messages = buffer.get(..length).unwrap_or(buffer);
        for answer in answers(messages, request.nlmsg_seq) {
            match answer {
                Some(Answer::Socket(socket)) => each(&socket),
                Some(Answer::Done) => return Ok(()),
                Some(Answer::Refused(errno)) => return Err(Error::new("sock_diag", errno)),
                Some(Answer::Other) => {}
                None => return Err(Error::new("sock_diag", EPROTO)),
            }
        }
    }
}

/// `SOCK_DESTROY`: ends a connection of TCP as if its network had failed. Its owner's next call has
/// `ECONNABORTED`, and the peer is sent a reset. A `send` and a `recv`.
///
/// # Errors
///
/// Those of `send` and `recv`, and what the kernel answers, as an error of `sock_diag`: `EPERM` without
/// `CAP_NET_ADMIN` over the network namespace, `ENOENT` if there is no such connection, `EOPNOTSUPP` if
/// the kernel is built without it; `EPROTO` if its answer makes no sense.
pub fn destroy(sockfd: impl AsFd, socket: &inet_diag_msg) -> Result<()> {
    const SEQ: u32 = 1;
    send(&sockfd, &destroy_request(socket, SEQ), 0)?;
    let mut buffer = [0; 1024];
    let length = loop {
        match recv(&sockfd, &mut buffer, 0) {
            Ok(length) => break length,
            Err(error) if error.errno() == EINTR => {}
            Err(error) => return Err(error),
        }
    };
    match answers(buffer.get(..length).unwrap_or(&buffer), SEQ).next() {
        // An error of 0 is the acknowledgement.
        Some(Some(Answer::Other)) => Ok(()),
        Some(Some(Answer::Refused(errno))) => Err(Error::new("sock_diag", errno)),
        _ => Err(Error::new("sock_diag", EPROTO)),
    }
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2`, with all of `struct inet_diag_sockid` but the cookie.
fn destroy_request(socket: &inet_diag_msg, nlmsg_seq: u32) -> [u8; 72] {
    const IPPROTO_TCP: u8 = libc::IPPROTO_TCP as u8;
    let mut bytes = [0; 72];
    bytes[..4].copy_from_slice(&72_u32.to_ne_bytes());
    bytes[4..6].copy_from_slice(&SOCK_DESTROY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
    bytes[8..12].copy_from_slice(&nlmsg_seq.to_ne_bytes());
    bytes[16] = socket.idiag_family;
    bytes[17] = IPPROTO_TCP;
    bytes[24..26].copy_from_slice(&socket.idiag_sport.to_ne_bytes());
    bytes[26..28].copy_from_slice(&socket.idiag_dport.to_ne_bytes());
    bytes[28..44].copy_from_slice(&socket.idiag_src);
    bytes[44..60].copy_from_slice(&socket.idiag_dst);
    bytes[60..64].copy_from_slice(&socket.idiag_if.to_ne_bytes());
    // INET_DIAG_NOCOOKIE: whichever it is that has these addresses.
    bytes[64..].fill(0xff);
    bytes
}
