//! The sockets at which a subject can be asked, and its ends of connections, as the kernel has them.

#![forbid(unsafe_code)]

use std::net::{IpAddr, SocketAddr};

use super::watch;
use crate::linux::sock_diag::{EVERY_STATE, dump, inet_diag_msg, sock_diag, state};
use crate::linux::tcp_info::{TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN};
use crate::net::{from_c, to_c};
use crate::posix::netinet_in::{IPPROTO_TCP, IPPROTO_UDP};
use crate::posix::sys_socket::{AF_INET, AF_INET6, SOCK_STREAM, bind, getsockname, socket};

/// Where a server can be reached, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// A loopback address stands for a wildcard.
    pub addr: SocketAddr,
    /// TCP, or else UDP.
    pub is_tcp: bool,
}

/// The socket of some processes at which they can be asked: the one with this port, or else the first. Where their
/// descriptors are hidden, the one with this port that was made by a user that they are.
pub(super) fn reached(processes: &[u32], port: u16) -> crate::posix::Result<Option<Reached>> {
    let inodes = watch::sockets(processes);
    if inodes.is_empty() {
        if !processes.iter().any(|&pid| watch::hides_descriptors(pid)) {
            return Ok(None);
        }
        let users: Vec<u32> = processes.iter().flat_map(|&pid| watch::users(pid)).collect();
        let theirs = |door: &Door| users.contains(&door.row.idiag_uid);
        let mut all = doors()?.into_iter().filter(theirs).map(|door| door.reached());
        return Ok(all.find(|reached| reached.addr.port() == port));
    }
    let all = doors()?;
    let mut own =
        all.iter().filter(|door| inodes.contains(&door.row.idiag_inode)).map(Door::reached);
    let first = own.clone().next();
    Ok(own.find(|own| own.addr.port() == port).or(first))
}

/// A socket at which somebody can be asked.
pub(super) struct Door {
    pub(super) row: inet_diag_msg,
    pub(super) is_tcp: bool,
}

impl Door {
    pub(super) fn reached(&self) -> Reached {
        Reached { addr: local(&self.row), is_tcp: self.is_tcp }
    }
}

/// Everybody's sockets that listen over TCP, then those that have a port of UDP and no peer.
pub(super) fn doors() -> crate::posix::Result<Vec<Door>> {
    let kernel = sock_diag()?;
    let mut doors = Vec::new();
    for (protocol, wanted) in [(IPPROTO_TCP, TCP_LISTEN), (IPPROTO_UDP, TCP_CLOSE)] {
        for family in [AF_INET, AF_INET6] {
            let look = |row: &inet_diag_msg| {
                if row.idiag_sport != 0 {
                    doors.push(Door { row: *row, is_tcp: protocol == IPPROTO_TCP });
                }
            };
            // A kernel without IPv6 has none of its sockets.
            let _ = dump(&kernel, family, protocol, state(wanted), look);
        }
    }
    Ok(doors)
}

/// The local address of a row; of a wildcard the loopback's.
fn local(row: &inet_diag_msg) -> SocketAddr {
    let ip = if i32::from(row.idiag_family) == AF_INET {
        let [a, b, c, d, ..] = row.idiag_src;
        IpAddr::from([a, b, c, d])
    } else {
        IpAddr::from(row.idiag_src)
    };
    let ip = match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, u16::from_be(row.idiag_sport))
}

/// Whether a server has taken a client in: until then the kernel's row of its end is nobody's.
///
/// # Errors
///
/// What asking the kernel for its sockets fails with.
pub fn is_accepted(server: SocketAddr, client: SocketAddr) -> crate::posix::Result<bool> {
    let row = row_of(server, client, EVERY_STATE & !state(TCP_LISTEN))?;
    Ok(row.is_some_and(|row| row.idiag_inode != 0))
}

/// Whether a client's connection to a server is whole at the server's end: its end of file has not come yet.
///
/// # Errors
///
/// What asking the kernel for its sockets fails with.
pub fn is_whole(server: SocketAddr, client: SocketAddr) -> crate::posix::Result<bool> {
    Ok(row_of(server, client, state(TCP_ESTABLISHED))?.is_some())
}

/// The server's end of a client's connection, in one of these states.
fn row_of(
    server: SocketAddr,
    client: SocketAddr,
    states: u32,
) -> crate::posix::Result<Option<inet_diag_msg>> {
    let kernel = sock_diag()?;
    let (ours, theirs) = (server.port().to_be(), client.port().to_be());
    let mut found = None;
    dump(&kernel, crate::net::family(&server), IPPROTO_TCP, states, |row| {
        if row.idiag_sport == ours && row.idiag_dport == theirs {
            found = Some(*row);
        }
    })?;
    Ok(found)
}

/// A port of 127.0.0.1 that nobody has at the moment.
///
/// # Errors
///
/// Those of `socket`, `bind` and `getsockname`.
pub fn free_port() -> crate::posix::Result<u16> {
    let sockfd = socket(AF_INET, SOCK_STREAM, 0)?;
    bind(&sockfd, &to_c(&([127, 0, 0, 1], 0).into()))?;
    // What is bound there has an address of IPv4.
    Ok(from_c(&getsockname(&sockfd)?).map_or(0, |addr| addr.port()))
}
