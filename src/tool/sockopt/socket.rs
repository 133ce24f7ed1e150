//! The sockets that are asked.

use std::fmt;
use std::os::fd::OwnedFd;

use serde::Serialize;

use super::options::{On, Opt};
use crate::posix::Result;
use crate::posix::netinet_in::IPPROTO_IPV6;
use crate::posix::sys_socket::*;

/// Which socket is asked: a fresh one of this type and family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Socket {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// IPv4 or IPv6.
    pub family: Family,
}

/// `SOCK_STREAM` or `SOCK_DGRAM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Protocol {
    /// `SOCK_STREAM`
    #[serde(rename = "tcp")]
    Tcp,
    /// `SOCK_DGRAM`
    #[serde(rename = "udp")]
    Udp,
}

/// `AF_INET` or `AF_INET6`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Family {
    /// `AF_INET`
    #[serde(rename = "ipv4")]
    V4,
    /// `AF_INET6`
    #[serde(rename = "ipv6")]
    V6,
}

/// The four that a table has columns for.
pub const SOCKETS: [Socket; 4] = [
    Socket { protocol: Protocol::Tcp, family: Family::V4 },
    Socket { protocol: Protocol::Tcp, family: Family::V6 },
    Socket { protocol: Protocol::Udp, family: Family::V4 },
    Socket { protocol: Protocol::Udp, family: Family::V6 },
];

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
        };
        let family = match self.family {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        };
        write!(f, "{protocol} over {family}")
    }
}

impl Socket {
    pub(super) fn open(self) -> Result<OwnedFd> {
        let domain = match self.family {
            Family::V4 => AF_INET,
            Family::V6 => AF_INET6,
        };
        let r#type = match self.protocol {
            Protocol::Tcp => SOCK_STREAM,
            Protocol::Udp => SOCK_DGRAM,
        };
        socket(domain, r#type | SOCK_CLOEXEC, 0)
    }

    /// Whether the option is made for such a socket.
    pub fn suits(self, option: &Opt) -> bool {
        let protocol = match option.on {
            On::Tcp => self.protocol == Protocol::Tcp,
            On::Udp => self.protocol == Protocol::Udp,
            On::Any | On::Raw => true,
        };
        protocol && (option.level != IPPROTO_IPV6 || self.family == Family::V6)
    }

    /// The one that is asked if nobody says which.
    pub fn of(option: &Opt, protocol: Option<Protocol>, v6: bool) -> Self {
        let suitable = if option.on == On::Udp { Protocol::Udp } else { Protocol::Tcp };
        let v6 = v6 || option.level == IPPROTO_IPV6;
        let family = if v6 { Family::V6 } else { Family::V4 };
        Self { protocol: protocol.unwrap_or(suitable), family }
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::find;
    use super::*;

    #[test]
    fn which_socket_is_asked() {
        let of =
            |name: &str, protocol, v6| Socket::of(find(name).unwrap(), protocol, v6).to_string();
        assert_eq!(of("SO_RCVBUF", None, false), "TCP over IPv4");
        assert_eq!(of("UDP_GRO", None, true), "UDP over IPv6");
        assert_eq!(of("IPV6_V6ONLY", None, false), "TCP over IPv6");
        assert_eq!(of("TCP_NODELAY", Some(Protocol::Udp), false), "UDP over IPv4");
    }
}
