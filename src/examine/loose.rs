//! A UDP socket of the examiner that has no fixed peer: it hears whoever answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::Trouble;
use super::log::{Log, quoted};
use crate::net::{Deadline, family, from_c, to_c};
use crate::posix::error::{EAGAIN, ECONNREFUSED};
use crate::posix::poll::{POLLIN, pollfd};
use crate::posix::sys_socket::*;
use crate::subject::wait_for;

/// A socket that is bound to a port, and not connected.
pub(super) struct Loose {
    sockfd: OwnedFd,
    /// Its own end.
    pub(super) addr: SocketAddr,
    log: Log,
}

/// As much as a datagram can carry.
const LARGEST: usize = 65536;
/// Room for answers that come faster than they are read, as far as the system allows.
const ROOM: i32 = 4 << 20;

impl Loose {
    /// One on the loopback address of the peer's family, with this port; 0 takes a free one.
    pub(super) fn open(peer: &SocketAddr, port: u16, log: &Log) -> Result<Self, Trouble> {
        let ip: IpAddr =
            if peer.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        let sockfd = socket(family(peer), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)?;
        setsockopt(&sockfd, SOL_SOCKET, SO_RCVBUF, &ROOM)?;
        bind(&sockfd, &to_c(&SocketAddr::new(ip, port)))?;
        let addr = from_c(&getsockname(&sockfd)?)
            .ok_or_else(|| Trouble::Broken(String::from("a socket of UDP has no address")))?;
        Ok(Self { sockfd, addr, log: log.clone() })
    }

    /// Sends a datagram; returns how much of it was taken.
    pub(super) fn send(&self, bytes: &[u8], to: &SocketAddr) -> Result<usize, Trouble> {
        let sent = self.send_unsaid(bytes, to)?;
        self.log.say(format!("port {} sends {} to {to}", self.addr.port(), quoted(bytes)));
        Ok(sent)
    }

    /// As [`send`](Self::send), for one of very many, of which nothing is written down.
    pub(super) fn send_unsaid(&self, bytes: &[u8], to: &SocketAddr) -> Result<usize, Trouble> {
        Ok(sendto(&self.sockfd, bytes, MSG_NOSIGNAL, &to_c(to))?)
    }

    /// Waits for a datagram; `None` if the time is over first.
    pub(super) fn hear(
        &self,
        patience: Duration,
    ) -> Result<Option<(Vec<u8>, SocketAddr)>, Trouble> {
        let got = self.hear_unsaid(patience)?;
        if let Some((bytes, from)) = &got {
            self.log.say(format!("port {} gets {} from {from}", self.addr.port(), quoted(bytes)));
        }
        Ok(got)
    }

    /// As [`hear`](Self::hear), for one of very many.
    pub(super) fn hear_unsaid(
        &self,
        patience: Duration,
    ) -> Result<Option<(Vec<u8>, SocketAddr)>, Trouble> {
        let end = Deadline::after(patience);
        let mut buffer = vec![0; LARGEST];
        loop {
            if !wait_for(&mut vec![pollfd::new(&self.sockfd, POLLIN)], end)? {
                return Ok(None);
            }
            match recvfrom(&self.sockfd, &mut buffer, 0) {
                Ok((length, from)) => {
                    buffer.truncate(length);
                    return Ok(from_c(&from).map(|from| (buffer, from)));
                }
                Err(error) if matches!(error.errno(), EAGAIN | ECONNREFUSED) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Closes it: from here on its port is closed.
    pub(super) fn close(self) {
        self.log.say(format!("port {} is closed", self.addr.port()));
    }
}
