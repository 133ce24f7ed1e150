//! `<linux/errqueue.h>`: the error queue of a socket, where the kernel keeps what came back in place
//! of an answer, and from whom. No privilege is needed to read it.
//! [ip(7)](https://man7.org/linux/man-pages/man7/ip.7.html),
//! [recv(2)](https://man7.org/linux/man-pages/man2/recv.2.html)
//!
//! [`IP_RECVERR`] asks for the queue; `recvmsg` with [`MSG_ERRQUEUE`] takes the first entry: the data
//! that was sent, where it was sent to, and a control message ([`IP_RECVERR`] or [`IPV6_RECVERR`])
//! whose data these functions read. An entry stays, and `poll` says `POLLERR`, until it is taken.

#![expect(non_snake_case, reason = "C's names for C's macros")]

pub use libc::{
    IP_RECVERR, IPV6_RECVERR, MSG_ERRQUEUE, SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6,
    SO_EE_ORIGIN_LOCAL, SO_EE_ORIGIN_NONE, SO_EE_ORIGIN_TIMESTAMPING, sock_extended_err,
};

use crate::posix::netinet_in::{sockaddr_in, sockaddr_in6};
use crate::posix::sys_socket::{AF_INET, AF_INET6, sa_family_t, sockaddr_storage, storage};

/// `<netinet/ip_icmp.h>`: it can't be delivered; the code says why.
pub const ICMP_DEST_UNREACH: u8 = 3;
/// The code of [`ICMP_DEST_UNREACH`] that a closed port of UDP causes.
pub const ICMP_PORT_UNREACH: u8 = 3;
/// A router has counted the TTL down to 0 (code 0).
pub const ICMP_TIME_EXCEEDED: u8 = 11;
/// `<netinet/icmp6.h>`: it can't be delivered; the code says why.
pub const ICMP6_DST_UNREACH: u8 = 1;
/// The code of [`ICMP6_DST_UNREACH`] that a closed port of UDP causes.
pub const ICMP6_DST_UNREACH_NOPORT: u8 = 4;
/// Larger than a link on the way permits.
pub const ICMP6_PACKET_TOO_BIG: u8 = 2;
/// A router has counted the hop limit down to 0 (code 0).
pub const ICMP6_TIME_EXCEEDED: u8 = 3;

/// `(struct sock_extended_err *)CMSG_DATA(cmsg)`, where the data is long enough to be one.
pub fn as_sock_extended_err(data: &[u8]) -> Option<sock_extended_err> {
    let data: &[u8; size_of::<sock_extended_err>()] = data.first_chunk()?;
    let [e0, e1, e2, e3, ee_origin, ee_type, ee_code, ee_pad, i0, i1, i2, i3, d0, d1, d2, d3] =
        *data;
    Some(sock_extended_err {
        ee_errno: u32::from_ne_bytes([e0, e1, e2, e3]),
        ee_origin,
        ee_type,
        ee_code,
        ee_pad,
        ee_info: u32::from_ne_bytes([i0, i1, i2, i3]),
        ee_data: u32::from_ne_bytes([d0, d1, d2, d3]),
    })
}

/// `struct sockaddr *SO_EE_OFFENDER(const struct sock_extended_err *ee)`: who sent the error, out of
/// the data of the control message; none where the family is not one of IP or the address is cut.
pub fn SO_EE_OFFENDER(data: &[u8]) -> Option<sockaddr_storage> {
    let addr = data.get(size_of::<sock_extended_err>()..)?;
    let (family, addr) = addr.split_first_chunk()?;
    let (port, addr) = addr.split_first_chunk()?;
    let (family, port) = (sa_family_t::from_ne_bytes(*family), u16::from_ne_bytes(*port));
    if i32::from(family) == AF_INET {
        let ip = addr.get(..size_of::<sockaddr_in>() - 4)?.first_chunk()?;
        let mut offender = sockaddr_in();
        (offender.sin_family, offender.sin_port) = (family, port);
        offender.sin_addr.s_addr = u32::from_ne_bytes(*ip);
        return Some(storage(&offender));
    }
    if i32::from(family) != AF_INET6 {
        return None;
    }
    let (flowinfo, addr) = addr.split_first_chunk()?;
    let (ip, addr) = addr.split_first_chunk()?;
    let mut offender = sockaddr_in6();
    (offender.sin6_family, offender.sin6_port) = (family, port);
    offender.sin6_flowinfo = u32::from_ne_bytes(*flowinfo);
    offender.sin6_addr.s6_addr = *ip;
    offender.sin6_scope_id = u32::from_ne_bytes(*addr.first_chunk()?);
    Some(storage(&offender))
}

/// What an ICMP error says, in the words of RFC 792, RFC 1812 and RFC 4443, without capitals.
pub fn icmp_name(ee_origin: u8, ee_type: u8, ee_code: u8) -> Option<&'static str> {
    let name = match (ee_origin, ee_type, ee_code) {
        (SO_EE_ORIGIN_ICMP, 3, 0) => "net unreachable",
        (SO_EE_ORIGIN_ICMP, 3, 1) => "host unreachable",
        (SO_EE_ORIGIN_ICMP, 3, 2) => "protocol unreachable",
        (SO_EE_ORIGIN_ICMP, 3, 3) => "port unreachable",
        (SO_EE_ORIGIN_ICMP, 3, 4) => "fragmentation needed",
        (SO_EE_ORIGIN_ICMP, 3, 5) => "source route failed",
        (SO_EE_ORIGIN_ICMP, 3, 6) => "destination network unknown",
        (SO_EE_ORIGIN_ICMP, 3, 7) => "destination host unknown",
        (SO_EE_ORIGIN_ICMP, 3, 8) => "source host isolated",
        (SO_EE_ORIGIN_ICMP, 3, 9) => "network administratively prohibited",
        (SO_EE_ORIGIN_ICMP, 3, 10) => "host administratively prohibited",
        (SO_EE_ORIGIN_ICMP, 3, 11) => "network unreachable for type of service",
        (SO_EE_ORIGIN_ICMP, 3, 12) => "host unreachable for type of service",
        (SO_EE_ORIGIN_ICMP, 3, 13) => "communication administratively prohibited",
        (SO_EE_ORIGIN_ICMP, 3, 14) => "host precedence violation",
        (SO_EE_ORIGIN_ICMP, 3, 15) => "precedence cutoff in effect",
        (SO_EE_ORIGIN_ICMP, 3, _) => "destination unreachable",
        (SO_EE_ORIGIN_ICMP, 4, 0) => "source quench",
        (SO_EE_ORIGIN_ICMP, 11, 0) => "time to live exceeded in transit",
        (SO_EE_ORIGIN_ICMP, 11, 1) => "fragment reassembly time exceeded",
        (SO_EE_ORIGIN_ICMP, 12, _) => "parameter problem",
        (SO_EE_ORIGIN_ICMP6, 1, 0) => "no route to destination",
        (SO_EE_ORIGIN_ICMP6, 1, 1) => "communication administratively prohibited",
        (SO_EE_ORIGIN_ICMP6, 1, 2) => "beyond scope of source address",
        (SO_EE_ORIGIN_ICMP6, 1, 3) => "address unreachable",
        (SO_EE_ORIGIN_ICMP6, 1, 4) => "port unreachable",
        (SO_EE_ORIGIN_ICMP6, 1, 5) => "source address failed ingress/egress policy",
        (SO_EE_ORIGIN_ICMP6, 1, 6) => "reject route to destination",
        (SO_EE_ORIGIN_ICMP6, 1, _) => "destination unreachable",
        (SO_EE_ORIGIN_ICMP6, 2, 0) => "packet too big",
        (SO_EE_ORIGIN_ICMP6, 3, 0) => "hop limit exceeded in transit",
        (SO_EE_ORIGIN_ICMP6, 3, 1) => "fragment reassembly time exceeded",
        (SO_EE_ORIGIN_ICMP6, 4, 1) => "unrecognized next header",
        (SO_EE_ORIGIN_ICMP6, 4, _) => "parameter problem",
        _ => return None,
    };
    Some(name)
}
