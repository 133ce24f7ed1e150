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

/// The socket that listens at this address; if there are several (SO_REUSEPORT), the sum of their queues
/// and the shortest of their backlogs.
pub(crate) fn listening(local: SocketAddr) -> Option<Row> {
    const NLM_F_DUMP: u16 = 0x300;
    let any: IpAddr = if local.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    let rows = rows(local, SocketAddr::new(any, 0), NLM_F_DUMP, 1 << LISTEN);
    let here = rows.into_iter().filter(|(addr, row)| *addr == local && row.state == LISTEN);
    here.map(|(_, row)| row).reduce(|all, row| Row {
        unread: all.unread + row.unread,
        unsent: all.unsent.min(row.unsent),
        ..all
    })
}

fn row(local: SocketAddr, peer: SocketAddr) -> Option<Row> {
    rows(local, peer, 0, u32::MAX).pop().map(|(_, row)| row)
}

/// One socket, or with NLM_F_DUMP all that are in one of these states; each with its own address.
fn rows(local: SocketAddr, peer: SocketAddr, flags: u16, states: u32) -> Vec<(SocketAddr, Row)> {
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const NLM_F_REQUEST: u16 = 1;
    const NLMSG_ERROR: u16 = 2;
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
    request.extend((NLM_F_REQUEST | flags).to_ne_bytes());
    request.extend([0; 8]);
    request.extend([family as u8, TCP, 0, 0]);
    request.extend(states.to_ne_bytes());
    request.extend(local.port().to_be_bytes());
    request.extend(peer.port().to_be_bytes());
    request.extend(sixteen(local.ip()));
    request.extend(sixteen(peer.ip()));
    request.extend([0; 4]);
    request.extend([0xff; 8]);
    assert_eq!(request.len(), 72);
    sendto(netlink.as_raw_fd(), &request, &NetlinkAddr::new(0, 0), MsgFlags::empty())
        .expect("a request");
    let mut rows = Vec::new();
    loop {
        let mut reply = [0; 32 * 1024];
        let length = recv(netlink.as_raw_fd(), &mut reply, MsgFlags::empty()).expect("a reply");
        let mut messages = &reply[..length];
        while messages.len() >= 16 {
            let word = |at: usize| {
                u32::from_ne_bytes(messages[at..at + 4].try_into().expect("four bytes"))
            };
            let kind = u16::from_ne_bytes([messages[4], messages[5]]);
            if kind != SOCK_DIAG_BY_FAMILY {
                // The end of a dump, or an error.
                let refused = kind == NLMSG_ERROR && word(16) as i32 != -libc::ENOENT;
                assert!(!refused, "sock_diag refuses: {}", word(16) as i32);
                return rows;
            }
            let port = u16::from_be_bytes([messages[20], messages[21]]);
            let addr = SocketAddr::new(ip(&messages[24..40], local.is_ipv4()), port);
            let row =
                Row { state: messages[17], unread: word(72), unsent: word(76), inode: word(84) };
            rows.push((addr, row));
            messages = &messages[word(0).next_multiple_of(4) as usize..];
        }
        if flags == 0 {
            return rows;
        }
    }
}

fn ip(bytes: &[u8], is_ipv4: bool) -> IpAddr {
    let sixteen: [u8; 16] = bytes.try_into().expect("sixteen bytes");
    if is_ipv4 { [bytes[0], bytes[1], bytes[2], bytes[3]].into() } else { sixteen.into() }
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
