//! What waits at a socket, as far as that can be told without taking it.

#![forbid(unsafe_code)]

use std::io::IoSliceMut;
use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::linux::sock_diag::{ANSWER_MAX, dump_by, inet_diag_msg, sock_diag, state};
use crate::linux::socket_options::SO_TIMESTAMPNS;
use crate::linux::tcp_info::{TCP_CLOSE_WAIT, TCP_ESTABLISHED, TCP_INFO, tcp_info};
use crate::net::Deadline;
use crate::posix::netinet_in::IPPROTO_TCP;
use crate::posix::poll::{POLLIN, pollfd};
use crate::posix::sys_socket::{
    AF_INET, CMSG_DATA, CMSG_FIRSTHDR, CMSG_SPACE, MSG_DONTWAIT, MSG_PEEK, SOL_SOCKET, getsockopt,
    recvmsg, setsockopt,
};

/// So many connections are told apart; of more, their number has to do.
const KNOWN: usize = 16;

/// An address of IPv4 and a port, as the kernel has them; 0 is nobody.
type Peer = ([u8; 4], u16);

/// A `struct timespec`.
const STAMP: usize = 16;

/// What a socket has for whoever reads it next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queued {
    /// So many connections; and the peers of some of them.
    Connections(u32, [Peer; KNOWN]),
    /// A datagram that came at this time: no other did in the same nanosecond.
    Datagram([u8; STAMP]),
    /// Nothing.
    Nothing,
}

impl Queued {
    /// Looks at a socket, of TCP or of UDP, that has this port. Allocates nothing.
    pub(super) fn at(socket: &OwnedFd, is_tcp: bool, port: u16) -> Self {
        let mut fds = [pollfd::new(socket, POLLIN)];
        if crate::net::wait(&mut fds, Deadline::after(Duration::ZERO)) != Ok(true) {
            return Self::Nothing;
        }
        if is_tcp {
            let info = getsockopt::<tcp_info>(socket, IPPROTO_TCP, TCP_INFO);
            return Self::Connections(info.map_or(0, |info| info.tcpi_unacked), unaccepted(port));
        }
        stamp(socket).map_or(Self::Nothing, Self::Datagram)
    }

    /// Whether all that waited before is still there.
    pub(super) fn is_still(self, now: Self) -> bool {
        match (self, now) {
            (Self::Connections(before, these), Self::Connections(now, all)) => {
                let is_there = |peer: &Peer| peer.1 == 0 || all.contains(peer);
                // Those that are no longer told apart may be there.
                let is_known = now as usize <= KNOWN;
                now >= before && (!is_known || these.iter().all(is_there))
            }
            (Self::Datagram(before), Self::Datagram(now)) => now == before,
            _ => false,
        }
    }
}

/// Who is connected to a port, and nobody has accepted; nobody where there are no more.
fn unaccepted(port: u16) -> [Peer; KNOWN] {
    let (mut found, mut count) = ([Peer::default(); KNOWN], 0);
    let each = |row: &inet_diag_msg| {
        if row.idiag_sport == port.to_be() && row.idiag_inode == 0 && count < KNOWN {
            let [a, b, c, d, ..] = row.idiag_dst;
            found[count] = ([a, b, c, d], row.idiag_dport);
            count += 1;
        }
    };
    if let Ok(kernel) = sock_diag() {
        // One in any other state is not in the queue.
        let states = state(TCP_ESTABLISHED) | state(TCP_CLOSE_WAIT);
        let _ = dump_by(&kernel, AF_INET, IPPROTO_TCP, states, &mut [0; ANSWER_MAX], each);
    }
    found
}

/// When the first datagram of a socket came, which the kernel keeps with it from the first look on.
fn stamp(socket: &OwnedFd) -> Option<[u8; STAMP]> {
    // It is asked for as long as it takes to look: whoever reads the socket is told nothing of it.
    setsockopt(socket, SOL_SOCKET, SO_TIMESTAMPNS, &1).ok()?;
    let mut control = [0; CMSG_SPACE(STAMP)];
    let mut byte = [0];
    let iov = &mut [IoSliceMut::new(&mut byte)];
    let received = recvmsg(socket, iov, &mut control, MSG_PEEK | MSG_DONTWAIT);
    let _ = setsockopt(socket, SOL_SOCKET, SO_TIMESTAMPNS, &0);
    let (_, received) = received.ok()?;
    let piece = CMSG_FIRSTHDR(received.msg_control)?;
    CMSG_DATA(&piece).try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn connections() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let socket: OwnedFd = listener.try_clone().unwrap().into();
        let look = || Queued::at(&socket, true, addr.port());
        assert_eq!(look(), Queued::Nothing);
        let _first = TcpStream::connect(addr).unwrap();
        let one = look();
        assert!(matches!(one, Queued::Connections(1, _)));
        let _second = TcpStream::connect(addr).unwrap();
        let two = look();
        assert!(one.is_still(one) && one.is_still(two) && two.is_still(two));
        let _taken = listener.accept().unwrap();
        assert!(!two.is_still(look()));
        // As many as before, and another one.
        let _third = TcpStream::connect(addr).unwrap();
        assert!(!two.is_still(look()) && look().is_still(look()));
        // More than are told apart.
        let _many: Vec<TcpStream> = (0..KNOWN).map(|_| TcpStream::connect(addr).unwrap()).collect();
        let many = look();
        assert!(many.is_still(look()));
        let _taken = listener.accept().unwrap();
        assert!(!many.is_still(look()));
    }

    #[test]
    fn datagrams() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket: OwnedFd = server.try_clone().unwrap().into();
        let look = || Queued::at(&socket, false, 0);
        assert_eq!(look(), Queued::Nothing);
        for _ in 0..2 {
            client.send_to(b"the same", server.local_addr().unwrap()).unwrap();
        }
        let first = look();
        assert!(matches!(first, Queued::Datagram(_)));
        assert!(first.is_still(look()));
        server.recv(&mut [0; 8]).unwrap();
        let second = look();
        assert!(matches!(second, Queued::Datagram(_)) && !first.is_still(second));
        server.recv(&mut [0; 8]).unwrap();
        assert_eq!(look(), Queued::Nothing);
    }
}
