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
    let ip = match own_ip(row) {
        IpAddr::V4(ip) if ip.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, u16::from_be(row.idiag_sport))
}

/// A socket's local address, without its port.
pub fn own_ip(row: &inet_diag_msg) -> IpAddr {
    ip(row, row.idiag_src)
}

fn ip(row: &inet_diag_msg, bytes: [u8; 16]) -> IpAddr {
    if i32::from(row.idiag_family) == AF_INET {
        let [a, b, c, d, ..] = bytes;
        IpAddr::from([a, b, c, d])
    } else {
        IpAddr::from(bytes)
    }
}

/// Whether a row is that end of a connection which is at `here`, with the other one at `there`. A port alone does not
/// say so: others may have the same at another address. An IPv4 client of a socket for both has an address of IPv6.
pub fn is_end(row: &inet_diag_msg, here: SocketAddr, there: SocketAddr) -> bool {
    is_at(row, here)
        && row.idiag_dport == there.port().to_be()
        && ip(row, row.idiag_dst).to_canonical() == there.ip().to_canonical()
}

/// Whether a row's own end is at `here`.
pub fn is_at(row: &inet_diag_msg, here: SocketAddr) -> bool {
    row.idiag_sport == here.port().to_be() && own_ip(row).to_canonical() == here.ip().to_canonical()
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
    let mut found = None;
    dump(&kernel, crate::net::family(&server), IPPROTO_TCP, states, |row| {
        if is_end(row, server, client) {
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

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream};

    use super::*;
    use crate::posix::sys_socket::{SO_REUSEADDR, SOL_SOCKET, connect, setsockopt};

    /// A connection to `to` from `from`.
    fn client(from: SocketAddr, to: SocketAddr) -> std::os::fd::OwnedFd {
        let sockfd = socket(crate::net::family(&to), SOCK_STREAM, 0).expect("a socket");
        setsockopt(&sockfd, SOL_SOCKET, SO_REUSEADDR, &1).expect("an option");
        bind(&sockfd, &to_c(&from)).expect("an address");
        connect(&sockfd, &to_c(&to)).expect("somebody listens");
        sockfd
    }

    #[test]
    fn a_port_that_two_clients_have_says_nothing() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let server = listener.local_addr().expect("an address");
        let first = TcpStream::connect(server).expect("a connection");
        let accepted = listener.accept().expect("a client");
        let one = first.local_addr().expect("an address");
        let other = SocketAddr::new(Ipv4Addr::new(127, 0, 0, 2).into(), one.port());
        let second = client(other, server);
        assert_eq!(is_accepted(server, one), Ok(true));
        assert_eq!(is_accepted(server, other), Ok(false));
        drop((accepted, second));
    }

    #[test]
    fn a_port_that_two_servers_have_says_nothing() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let server = listener.local_addr().expect("an address");
        let addr = SocketAddr::new(Ipv4Addr::new(127, 0, 0, 2).into(), server.port());
        let Ok(beside) = TcpListener::bind(addr) else { return };
        let first = client(SocketAddr::new(server.ip(), 0), server);
        let one = from_c(&getsockname(&first).expect("a name")).expect("an address");
        let second = client(one, addr);
        let accepted = beside.accept().expect("a client");
        assert_eq!(is_accepted(addr, one), Ok(true));
        assert_eq!(is_accepted(server, one), Ok(false));
        drop((accepted, second));
    }

    #[test]
    fn who_comes_over_ipv4_to_a_socket_for_both_is_known() {
        let Ok(listener) = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)) else { return };
        let port = listener.local_addr().expect("an address").port();
        let first = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
        let client = first.local_addr().expect("an address");
        let mut found = 0;
        dump(sock_diag().expect("netlink"), AF_INET6, IPPROTO_TCP, EVERY_STATE, |row| {
            found += u32::from(is_end(row, (Ipv4Addr::LOCALHOST, port).into(), client));
        })
        .expect("rows");
        assert_eq!(found, 1);
    }
}
