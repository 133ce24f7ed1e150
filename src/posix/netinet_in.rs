//! `<netinet/in.h>`: Internet addresses, protocols and the options of IP.

use std::ffi::c_int;
use std::mem::MaybeUninit;

pub use libc::{
    IN6ADDR_ANY_INIT, IN6ADDR_LOOPBACK_INIT, INADDR_ANY, INADDR_BROADCAST, INADDR_LOOPBACK,
    INADDR_NONE, IP_MULTICAST_LOOP, IP_MULTICAST_TTL, IP_TOS, IP_TTL, IPPROTO_DCCP, IPPROTO_ICMP,
    IPPROTO_ICMPV6, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_RAW, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP,
    IPPROTO_UDPLITE, IPV6_MULTICAST_HOPS, IPV6_MULTICAST_LOOP, IPV6_TCLASS, IPV6_UNICAST_HOPS,
    IPV6_V6ONLY, in_addr, in_addr_t, in_port_t, in6_addr, sockaddr_in, sockaddr_in6,
};

use super::sys_socket::{AF_INET, AF_INET6, sockaddr_storage};

/// Ports below this one are the privileged ones.
pub const IPPORT_RESERVED: u16 = 1024;

/// A `struct sockaddr_in` of zeros: family unset, port 0, `INADDR_ANY`.
pub const fn sockaddr_in() -> sockaddr_in {
    // SAFETY: integers only; all bytes zero is a value.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// A `struct sockaddr_in6` of zeros: family unset, port 0, `in6addr_any`.
pub const fn sockaddr_in6() -> sockaddr_in6 {
    // SAFETY: integers only; all bytes zero is a value.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// `(struct sockaddr_in *)&addr`, where the family says that it is one.
pub fn as_sockaddr_in(addr: &sockaddr_storage) -> Option<&sockaddr_in> {
    if c_int::from(addr.ss_family) != AF_INET {
        return None;
    }
    // SAFETY: sockaddr_storage is at least as large and as strictly aligned, and initialised.
    Some(unsafe { &*(&raw const *addr).cast() })
}

/// `(struct sockaddr_in6 *)&addr`, where the family says that it is one.
pub fn as_sockaddr_in6(addr: &sockaddr_storage) -> Option<&sockaddr_in6> {
    if c_int::from(addr.ss_family) != AF_INET6 {
        return None;
    }
    // SAFETY: sockaddr_storage is at least as large and as strictly aligned, and initialised.
    Some(unsafe { &*(&raw const *addr).cast() })
}
