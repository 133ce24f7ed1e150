//! What comes back by ICMP, out of a socket's error queue: for the tools that ask what lies on the way.

use std::ffi::c_int;
use std::fmt;
use std::io::IoSliceMut;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

use serde::Serialize;

use crate::linux::error_queue::*;
use crate::linux::tcp_info::{TCP_INFO, tcp_info};
use crate::net;
use crate::posix::error::{EAGAIN, EINTR};
use crate::posix::netinet_in::{IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP};
use crate::posix::sys_socket::*;
use crate::posix::{Error, Result};

/// An ICMP error that a host or a router has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Icmp {
    /// 4 for ICMP, 6 for ICMPv6: types and codes are counted apart.
    pub version: u8,
    /// The type.
    #[serde(rename = "type")]
    pub kind: u8,
    /// The code.
    pub code: u8,
    /// Both in words, where they have a name.
    pub name: Option<&'static str>,
    /// Who has sent it.
    pub from: Option<IpAddr>,
    /// Where a packet was too large, what the link takes.
    pub mtu: Option<u32>,
}

/// What it says of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// No such port or protocol there, or a rule against it.
    Refused,
    /// No way there, or nobody there.
    Unreachable,
    /// The packet has made as many hops as it was given.
    Expired,
    /// Nothing that ends the matter: a smaller or slower packet may arrive.
    Other,
}

impl Icmp {
    /// What it says of the way.
    pub fn meaning(&self) -> Meaning {
        match (self.version, self.kind, self.code) {
            (4, ICMP_TIME_EXCEEDED, 0) | (6, ICMP6_TIME_EXCEEDED, 0) => Meaning::Expired,
            (4, ICMP_DEST_UNREACH, 2 | 3 | 9 | 10 | 13) => Meaning::Refused,
            (4, ICMP_DEST_UNREACH, code) if code != 4 => Meaning::Unreachable,
            (6, ICMP6_DST_UNREACH, 1 | 4 | 5 | 6) | (6, 4, 1) => Meaning::Refused,
            (6, ICMP6_DST_UNREACH, _) => Meaning::Unreachable,
            _ => Meaning::Other,
        }
    }
}

impl fmt::Display for Icmp {
    /// `ICMP port unreachable (3/3) from 10.0.2.2`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, kind, code, name, from, .. } = self;
        let protocol = if *version == 6 { "ICMPv6" } else { "ICMP" };
        write!(f, "{protocol} {} ({kind}/{code})", name.unwrap_or("error"))?;
        match from {
            Some(from) => write!(f, " from {from}"),
            None => Ok(()),
        }
    }
}

/// The first entry of an error queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Somebody on the way, or at its end.
    Icmp(Icmp),
    /// The kernel here: an `errno`.
    Local(i32),
}

/// An IPv4 address that is written as one of IPv6 (`::ffff:10.0.4.2`), as what it is: its TTL and its errors
/// are IPv4's.
pub fn unmapped(addr: SocketAddr) -> SocketAddr {
    match addr.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), addr.port()),
        IpAddr::V6(_) => addr,
    }
}

/// Asks for the error queue of a socket.
///
/// # Errors
///
/// Those of `setsockopt`.
pub fn ask(fd: impl AsFd, family: c_int) -> Result<()> {
    if family == AF_INET6 {
        setsockopt(&fd, IPPROTO_IPV6, IPV6_RECVERR, &1)
    } else {
        setsockopt(&fd, IPPROTO_IP, IP_RECVERR, &1)
    }
}

/// Takes the first entry that is one of these, without waiting.
///
/// # Errors
///
/// Those of `recvmsg`, but for `EAGAIN` and `EINTR`.
pub fn take(fd: impl AsFd) -> Result<Option<Entry>> {
    loop {
        let (mut data, mut control) = ([0; 64], [0; 512]);
        let mut iov = [IoSliceMut::new(&mut data)];
        match recvmsg(&fd, &mut iov, &mut control, MSG_ERRQUEUE | MSG_DONTWAIT) {
            Ok((_, received)) => {
                if let Some(entry) = parse(received.msg_control) {
                    return Ok(Some(entry));
                }
            }
            Err(error) if error.errno() == EINTR => {}
            Err(error) if error.errno() == EAGAIN => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// The pending error of a socket, taken from it.
///
/// # Errors
///
/// Those of `getsockopt`.
pub fn pending(fd: impl AsFd, call: &'static str) -> Result<Option<Error>> {
    let number: c_int = getsockopt(fd, SOL_SOCKET, SO_ERROR)?;
    Ok((number != 0).then(|| Error::new(call, number)))
}

/// How many SYN segments a connection has taken, the repeated ones included.
///
/// # Errors
///
/// Those of `getsockopt`.
pub fn segments(fd: impl AsFd) -> Result<u32> {
    let info: tcp_info = getsockopt(fd, IPPROTO_TCP, TCP_INFO)?;
    Ok(info.tcpi_total_retrans.saturating_add(1))
}

/// The ancillary data of an entry.
fn parse(msg_control: &[u8]) -> Option<Entry> {
    let mut next = CMSG_FIRSTHDR(msg_control);
    while let Some(header) = next {
        if let (IPPROTO_IP, IP_RECVERR) | (IPPROTO_IPV6, IPV6_RECVERR) =
            (header.cmsg_level, header.cmsg_type)
        {
            return entry(CMSG_DATA(&header));
        }
        next = CMSG_NXTHDR(&header);
    }
    None
}

fn entry(data: &[u8]) -> Option<Entry> {
    let error = as_sock_extended_err(data)?;
    let version = match error.ee_origin {
        SO_EE_ORIGIN_ICMP => 4,
        SO_EE_ORIGIN_ICMP6 => 6,
        SO_EE_ORIGIN_LOCAL => return Some(Entry::Local(error.ee_errno as i32)),
        _ => return None,
    };
    let (kind, code) = (error.ee_type, error.ee_code);
    let from = SO_EE_OFFENDER(data).and_then(|addr| net::from_c(&addr));
    let too_big =
        matches!((version, kind, code), (4, ICMP_DEST_UNREACH, 4) | (6, ICMP6_PACKET_TOO_BIG, _));
    Some(Entry::Icmp(Icmp {
        version,
        kind,
        code,
        name: icmp_name(error.ee_origin, kind, code),
        from: from.map(|addr: SocketAddr| addr.ip().to_canonical()),
        mtu: too_big.then_some(error.ee_info),
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn icmp(version: u8, kind: u8, code: u8) -> Icmp {
        let from = Some([10, 0, 2, 2].into());
        let origin = if version == 6 { SO_EE_ORIGIN_ICMP6 } else { SO_EE_ORIGIN_ICMP };
        Icmp { version, kind, code, name: icmp_name(origin, kind, code), from, mtu: None }
    }

    #[test]
    fn what_it_says_of_the_way() {
        for (version, kind, code, meaning) in [
            (4, 3, 0, Meaning::Unreachable),
            (4, 3, 1, Meaning::Unreachable),
            (4, 3, 2, Meaning::Refused),
            (4, 3, 3, Meaning::Refused),
            (4, 3, 4, Meaning::Other),
            (4, 3, 13, Meaning::Refused),
            (4, 3, 200, Meaning::Unreachable),
            (4, 4, 0, Meaning::Other),
            (4, 11, 0, Meaning::Expired),
            (4, 11, 1, Meaning::Other),
            (6, 1, 0, Meaning::Unreachable),
            (6, 1, 1, Meaning::Refused),
            (6, 1, 3, Meaning::Unreachable),
            (6, 1, 4, Meaning::Refused),
            (6, 2, 0, Meaning::Other),
            (6, 3, 0, Meaning::Expired),
            (6, 4, 1, Meaning::Refused),
        ] {
            assert_eq!(icmp(version, kind, code).meaning(), meaning, "{version} {kind}/{code}");
        }
        assert_eq!(icmp(4, 3, 3).to_string(), "ICMP port unreachable (3/3) from 10.0.2.2");
        assert_eq!(icmp(6, 200, 1).to_string(), "ICMPv6 error (200/1) from 10.0.2.2");
    }

    proptest! {
        #[test]
        fn hostile_ancillary_data_never_panics(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            let _ = entry(&bytes).map(|entry| format!("{entry:?}"));
        }

        #[test]
        fn an_entry_is_found_behind_others(head: [u8; 16], rest: Vec<u8>) {
            let data = [&head[..], &rest].concat();
            let control = [
                cmsg(IPPROTO_IP, 8, &[0; 12]),
                cmsg(IPPROTO_IP, IP_RECVERR, &data),
            ].concat();
            prop_assert_eq!(parse(&control), entry(&data));
            if let Some(Entry::Icmp(icmp)) = entry(&data) {
                prop_assert_eq!((icmp.kind, icmp.code), (head[5], head[6]));
                let _ = (icmp.meaning(), icmp.to_string());
            }
        }
    }
}
