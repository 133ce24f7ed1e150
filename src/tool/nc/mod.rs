//! netcat: bytes from standard input to a socket, and from the socket to standard output.

pub mod connect;
pub mod listen;
pub mod scan;
pub mod transfer;

use std::ffi::c_int;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use serde::Serialize;

use crate::linux::min_ttl::{IP_MINTTL, IPV6_MINHOPCOUNT};
use crate::net;
use crate::posix::error::{EADDRNOTAVAIL, EINTR};
use crate::posix::netdb::AI_NUMERICHOST;
use crate::posix::netinet_in::*;
use crate::posix::sys_socket::*;
use crate::posix::sys_un::sun_path;
use crate::posix::{Error, Result};

/// What both sides of a connection are told.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `AF_INET`, `AF_INET6`, or `AF_UNSPEC` for both.
    pub family: c_int,
    /// Datagrams in place of a stream.
    pub datagrams: bool,
    /// No names are looked up.
    pub numeric: bool,
    /// The local address, or for datagrams of the Unix domain the local path.
    pub source: Option<String>,
    /// The local port.
    pub source_port: Option<u16>,
    /// How long a connection may take, and then be idle.
    pub timeout: Option<Duration>,
    /// The pause between two ports.
    pub interval: Option<Duration>,
    /// `SO_RCVBUF`
    pub receive_buffer: Option<c_int>,
    /// `SO_SNDBUF`
    pub send_buffer: Option<c_int>,
    /// `SO_BROADCAST`
    pub broadcast: bool,
    /// `SO_DEBUG`
    pub debug: bool,
    /// `IP_TOS`, `IPV6_TCLASS`
    pub tos: Option<c_int>,
    /// `IP_TTL`, `IPV6_UNICAST_HOPS`
    pub ttl: Option<c_int>,
    /// `IP_MINTTL`, `IPV6_MINHOPCOUNT`
    pub min_ttl: Option<c_int>,
}

/// What happens on the way, as `nc -v` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Event {
    /// A socket has got its address.
    Bound(Place),
    /// Connections are waited for.
    Listening(Place),
    /// Somebody has connected, or sent a first datagram.
    Received(Place),
    /// A port has answered, or for datagrams has been named.
    Connected(Attempt),
    /// A port has refused.
    Failed(Attempt, String),
    /// A port has not answered in time.
    TimedOut(Attempt),
    /// A port of UDP has not answered: it may be open, and a filter may have dropped the question.
    NoAnswer(Attempt),
    /// A client has gone wrong; the next one is waited for.
    Lost(String),
}

/// A connection that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// The host as it was named.
    pub host: String,
    /// Its address.
    pub ip: IpAddr,
    /// The port.
    pub port: u16,
    /// `tcp`, `udp`
    pub protocol: &'static str,
    /// The service that has this port, unless names are unwanted.
    pub service: Option<String>,
}

/// An address as `nc -v` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Place {
    /// A host, by its name where it has one, and a port.
    Port(String, u16),
    /// A path, or behind `@` a name of the abstract namespace.
    Path(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(host, port) => write!(f, "{host} {port}"),
            Self::Path(path) => write!(f, "{path}"),
        }
    }
}

impl Place {
    /// The place of an address that a call has filled in.
    fn of(addr: &sockaddr_storage, numeric: bool) -> Self {
        if let Some(addr) = net::from_c(addr) {
            let ip = addr.ip().to_canonical();
            let named = !numeric && !ip.is_unspecified();
            let host = named.then(|| net::name_of(ip)).flatten();
            return Self::Port(host.unwrap_or_else(|| ip.to_string()), addr.port());
        }
        let mut path = sun_path(addr).unwrap_or_default();
        if path.first() == Some(&0) {
            path[0] = b'@';
        }
        Self::Path(String::from_utf8_lossy(&path).into_owned())
    }
}

/// Why it ended without success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Failure {
    /// The network's or the command line's side, in a line.
    Line(String),
    /// Standard input or output, in a line: no other connection could do better.
    Local(String),
    /// Nobody reads standard output any more.
    Closed,
    /// It has been told as events.
    Told,
}

impl Failure {
    /// A failed call and what it was about.
    fn of(error: Error, what: impl fmt::Display) -> Self {
        Self::Line(format!("{error} ({what})"))
    }
}

/// To whom the events are told.
pub type Report<'a> = &'a mut dyn FnMut(Event);

impl Options {
    fn r#type(&self) -> c_int {
        if self.datagrams { SOCK_DGRAM } else { SOCK_STREAM }
    }

    fn protocol(&self) -> &'static str {
        if self.datagrams { "udp" } else { "tcp" }
    }

    fn flags(&self) -> c_int {
        if self.numeric { AI_NUMERICHOST } else { 0 }
    }

    /// The socket options that were asked for.
    fn apply(&self, sockfd: impl AsFd, family: c_int) -> Result<()> {
        let v6 = family == AF_INET6;
        let pick = |four, six| if v6 { six } else { four };
        let internet = family != AF_UNIX;
        let ip = pick(IPPROTO_IP, IPPROTO_IPV6);
        let rows = [
            (SOL_SOCKET, SO_RCVBUF, self.receive_buffer),
            (SOL_SOCKET, SO_SNDBUF, self.send_buffer),
            (SOL_SOCKET, SO_BROADCAST, self.broadcast.then_some(1)),
            (SOL_SOCKET, SO_DEBUG, self.debug.then_some(1)),
            (ip, pick(IP_TOS, IPV6_TCLASS), self.tos.filter(|_| internet)),
            (ip, pick(IP_TTL, IPV6_UNICAST_HOPS), self.ttl.filter(|_| internet)),
            (ip, pick(IP_MINTTL, IPV6_MINHOPCOUNT), self.min_ttl.filter(|_| internet)),
        ];
        for (level, name, value) in rows {
            if let Some(value) = value {
                setsockopt(&sockfd, level, name, &value)?;
            }
        }
        Ok(())
    }

    /// Binds to `-s` and `-p`, where one of them was given.
    fn bind_source(&self, sockfd: impl AsFd, family: c_int) -> Result<()> {
        if self.source.is_none() && self.source_port.is_none() {
            return Ok(());
        }
        let any = if family == AF_INET6 { "::" } else { "0.0.0.0" };
        let host = self.source.as_deref().unwrap_or(any);
        let port = self.source_port.unwrap_or(0);
        let addrs: Vec<SocketAddr> = net::resolve(host, port, family, self.flags())?;
        let addr = addrs.first().ok_or(Error::new("bind", EADDRNOTAVAIL))?;
        setsockopt(&sockfd, SOL_SOCKET, SO_REUSEADDR, &1)?;
        bind(&sockfd, &net::to_c(addr))
    }
}

/// Whether a call was only interrupted.
fn interrupted(error: &Error) -> bool {
    error.errno() == EINTR
}

/// The bytes of `sun_path` that a word means: behind `@` a name of the abstract namespace.
pub fn path_of(word: &str) -> Vec<u8> {
    let mut path = word.as_bytes().to_vec();
    if path.first() == Some(&b'@') {
        path[0] = 0;
    }
    path
}
