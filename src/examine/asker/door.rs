//! What the examiner has on the port that a client asks: over TCP, over UDP, or nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::connection::Connection;
use crate::examine::Trouble;
use crate::examine::log::{Log, quoted};
use crate::net::{Deadline, family, from_c, to_c};
use crate::posix::error::{EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, ECONNREFUSED};
use crate::posix::netinet_in::{IPPROTO_IPV6, IPV6_V6ONLY};
use crate::posix::poll::{POLLIN, pollfd};
use crate::posix::sys_socket::*;
use crate::subject::wait_for;

/// Over what clients are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    /// Nothing: the port is closed.
    Nothing,
    /// TCP alone.
    Tcp,
    /// UDP alone.
    Udp,
    /// Both.
    Both,
}

/// The sockets on the port, over IPv4 and, where there is that, IPv6: `localhost` may mean either.
pub(super) struct Door {
    listeners: Vec<OwnedFd>,
    sockets: Vec<OwnedFd>,
    /// Where clients are expected.
    pub(super) addr: SocketAddr,
    log: Log,
}

/// A datagram that has come.
pub(super) struct Datagram {
    /// What it says.
    pub(super) bytes: Vec<u8>,
    /// Who has sent it.
    pub(super) from: SocketAddr,
    /// Which of the sockets it came to.
    at: usize,
}

impl Door {
    /// The sockets are made in the network that this thread is in.
    pub(super) fn open(port: u16, open: Open, log: &Log) -> Result<Self, Trouble> {
        let addr = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
        let (mut listeners, mut sockets) = (Vec::new(), Vec::new());
        for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            let addr = SocketAddr::new(ip, port);
            if matches!(open, Open::Tcp | Open::Both) {
                listeners.extend(bound(&addr, SOCK_STREAM)?);
            }
            if matches!(open, Open::Udp | Open::Both) {
                sockets.extend(bound(&addr, SOCK_DGRAM)?);
            }
        }
        for listener in &listeners {
            listen(listener, 128)?;
        }
        Ok(Self { listeners, sockets, addr, log: log.clone() })
    }

    /// Waits for somebody to come, for a moment; whoever waits looks at the client meanwhile.
    pub(super) fn wait(&self) -> Result<(), Trouble> {
        let all = self.listeners.iter().chain(&self.sockets);
        let mut fds = all.map(|fd| pollfd::new(fd, POLLIN)).collect();
        wait_for(&mut fds, Deadline::after(Duration::from_millis(1)))?;
        Ok(())
    }

    /// The next client that has connected.
    pub(super) fn accept(&self) -> Result<Option<Connection>, Trouble> {
        for listener in &self.listeners {
            match accept4(listener, SOCK_NONBLOCK | SOCK_CLOEXEC) {
                Ok((sockfd, peer)) => return Connection::new(sockfd, &peer, &self.log).map(Some),
                Err(error) if error.errno() == EAGAIN => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// The next datagram that has come.
    pub(super) fn receive(&self) -> Result<Option<Datagram>, Trouble> {
        let mut buffer = vec![0; 65536];
        for (at, socket) in self.sockets.iter().enumerate() {
            match recvfrom(socket, &mut buffer, 0) {
                Ok((length, from)) => {
                    let Some(from) = from_c(&from) else { continue };
                    buffer.truncate(length);
                    let said = quoted(&buffer);
                    self.log.say(format!("the client (port {}) sends {said}", from.port()));
                    return Ok(Some(Datagram { bytes: buffer, from, at }));
                }
                // Somebody who was answered has gone.
                Err(error) if matches!(error.errno(), EAGAIN | ECONNREFUSED) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Answers a datagram, from where it was sent to.
    pub(super) fn answer(&self, asked: &Datagram, bytes: &[u8]) -> Result<(), Trouble> {
        sendto(&self.sockets[asked.at], bytes, MSG_NOSIGNAL, &to_c(&asked.from))?;
        self.log.say(format!("the server answers {}", quoted(bytes)));
        Ok(())
    }
}

/// A socket with this address; `None` where there is no IPv6.
fn bound(addr: &SocketAddr, kind: i32) -> Result<Option<OwnedFd>, Trouble> {
    let bound = || -> crate::posix::Result<OwnedFd> {
        let sockfd = socket(family(addr), kind | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)?;
        if kind == SOCK_STREAM {
            setsockopt(&sockfd, SOL_SOCKET, SO_REUSEADDR, &1)?;
        }
        if addr.is_ipv6() {
            setsockopt(&sockfd, IPPROTO_IPV6, IPV6_V6ONLY, &1)?;
        }
        bind(&sockfd, &to_c(addr))?;
        Ok(sockfd)
    };
    match bound() {
        Ok(sockfd) => Ok(Some(sockfd)),
        Err(error) if addr.is_ipv6() && matches!(error.errno(), EAFNOSUPPORT | EADDRNOTAVAIL) => {
            Ok(None)
        }
        Err(error) => Err(Trouble::Call(error)),
    }
}
