//! One socket's row in the kernel's table, by its two addresses: what `ss` shows, in microseconds.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

pub(crate) const ESTABLISHED: u8 = 1;
pub(crate) const TIME_WAIT: u8 = 6;
pub(crate) const CLOSE_WAIT: u8 = 8;
const LISTEN: u8 = 10;

/// What the kernel knows of a TCP socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// Its state, such as [`ESTABLISHED`].
    pub(crate) state: u8,
    /// Bytes that wait to be read; connections that wait to be accepted.
    pub(crate) unread: u32,
    /// Bytes that are not acknowledged; a listening socket's backlog.
    pub(crate) unsent: u32,
    /// Its inode; 0 while it is nobody's: not yet accepted.
    pub(crate) inode: u32,
}

/// The socket that has this address and that peer.
pub(crate) fn connected(local: SocketAddr, peer: SocketAddr) -> Option<Row> {
    // Where no connection is, the kernel names the listening socket that would take one.
    row(local, peer).filter(|row| row.state != LISTEN)
}

/// The socket that listens at this address.
pub(crate) fn listening(local: SocketAddr) -> Option<Row> {
    let any: IpAddr = if local.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    row(local, SocketAddr::new(any, 0)).filter(|row| row.state == LISTEN)
}

fn row(local: SocketAddr, peer: SocketAddr) -> Option<Row> {
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const NLM_F_REQUEST: u16 = 1;
    const TCP: u8 = 6;
    let netlink = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkSockDiag,
    )
    .expect("a sock_diag socket");
    let family = if local.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let mut request = Vec::new();
    request.extend(72u32.to_ne_bytes());
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend(NLM_F_REQUEST.to_ne_bytes());
    request.extend([0; 8]);
    request.extend([family as u8, TCP, 0, 0]);
    request.extend(u32::MAX.to_ne_bytes());
    request.extend(local.port().to_be_bytes());
    request.extend(peer.port().to_be_bytes());
    request.extend(sixteen(local.ip()));
    request.extend(sixteen(peer.ip()));
    request.extend([0; 4]);
    request.extend([0xff; 8]);
    assert_eq!(request.len(), 72);
    sendto(netlink.as_raw_fd(), &request, &NetlinkAddr::new(0, 0), MsgFlags::empty())
        .expect("a request");
    let mut reply = [0; 4096];
    let length = recv(netlink.as_raw_fd(), &mut reply, MsgFlags::empty()).expect("a reply");
    let kind = u16::from_ne_bytes([reply[4], reply[5]]);
    let word = |at: usize| u32::from_ne_bytes(reply[at..at + 4].try_into().expect("four bytes"));
    if kind != SOCK_DIAG_BY_FAMILY {
        assert_eq!(word(16) as i32, -libc::ENOENT, "sock_diag refuses");
        return None;
    }
    assert!(length >= 88, "a whole row");
    Some(Row { state: reply[17], unread: word(72), unsent: word(76), inode: word(84) })
}

fn sixteen(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&ip.octets());
            bytes
        }
        IpAddr::V6(ip) => ip.octets(),
    }
}
