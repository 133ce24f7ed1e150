//! What waits at a socket, as far as that can be told without taking it.

#![forbid(unsafe_code)]

use std::io::IoSliceMut;
use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::linux::socket_options::SO_TIMESTAMPNS;
use crate::linux::tcp_info::{TCP_INFO, tcp_info};
use crate::net::Deadline;
use crate::posix::netinet_in::IPPROTO_TCP;
use crate::posix::poll::{POLLIN, pollfd};
use crate::posix::sys_socket::{
    CMSG_DATA, CMSG_FIRSTHDR, CMSG_SPACE, MSG_DONTWAIT, MSG_PEEK, SOL_SOCKET, getsockopt, recvmsg,
    setsockopt,
};

/// A `struct timespec`.
const STAMP: usize = 16;

/// What a socket has for whoever reads it next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queued {
    /// So many connections.
    Connections(u32),
    /// A datagram that came at this time: no other did in the same nanosecond.
    Datagram([u8; STAMP]),
    /// Nothing.
    Nothing,
}

impl Queued {
    /// Looks at a socket, of TCP or of UDP. Allocates nothing.
    pub(super) fn at(socket: &OwnedFd, is_tcp: bool) -> Self {
        let mut fds = [pollfd::new(socket, POLLIN)];
        if crate::net::wait(&mut fds, Deadline::after(Duration::ZERO)) != Ok(true) {
            return Self::Nothing;
        }
        if is_tcp {
            let info = getsockopt::<tcp_info>(socket, IPPROTO_TCP, TCP_INFO);
            return Self::Connections(info.map_or(0, |info| info.tcpi_unacked));
        }
        stamp(socket).map_or(Self::Nothing, Self::Datagram)
    }

    /// Whether what waited before is still there. Of connections that come as fast as they are taken it would say so
    /// too, of each number of them once.
    pub(super) fn is_still(self, now: Self) -> bool {
        match (self, now) {
            (Self::Connections(before), Self::Connections(now)) => now >= before,
            (Self::Datagram(before), Self::Datagram(now)) => now == before,
            _ => false,
        }
    }
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
        assert_eq!(Queued::at(&socket, true), Queued::Nothing);
        let _first = TcpStream::connect(addr).unwrap();
        let one = Queued::at(&socket, true);
        assert_eq!(one, Queued::Connections(1));
        let _second = TcpStream::connect(addr).unwrap();
        let two = Queued::at(&socket, true);
        assert!(one.is_still(one) && one.is_still(two));
        let _taken = listener.accept().unwrap();
        assert!(!two.is_still(Queued::at(&socket, true)));
    }

    #[test]
    fn datagrams() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket: OwnedFd = server.try_clone().unwrap().into();
        assert_eq!(Queued::at(&socket, false), Queued::Nothing);
        for _ in 0..2 {
            client.send_to(b"the same", server.local_addr().unwrap()).unwrap();
        }
        let first = Queued::at(&socket, false);
        assert!(matches!(first, Queued::Datagram(_)));
        assert!(first.is_still(Queued::at(&socket, false)));
        server.recv(&mut [0; 8]).unwrap();
        let second = Queued::at(&socket, false);
        assert!(matches!(second, Queued::Datagram(_)) && !first.is_still(second));
        server.recv(&mut [0; 8]).unwrap();
        assert_eq!(Queued::at(&socket, false), Queued::Nothing);
    }
}
