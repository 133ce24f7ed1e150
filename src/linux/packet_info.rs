//! `IP_PKTINFO`: on which interface, and for which address, a datagram arrived. BSD's `IP_RECVIF`
//! does not exist here: its number is another option's.
//! [ip(7)](https://man7.org/linux/man-pages/man7/ip.7.html)

pub use libc::{IP_PKTINFO, IP_RECVTTL, IPV6_PKTINFO, IPV6_RECVPKTINFO, in_pktinfo};

use crate::posix::sys_socket::OptionValue;

// SAFETY: an int and two addresses of four bytes, without padding.
unsafe impl OptionValue for in_pktinfo {}

/// The `struct in_pktinfo` in the data of an `IP_PKTINFO` control message.
pub fn as_in_pktinfo(data: &[u8]) -> Option<in_pktinfo> {
    let data: &[u8; size_of::<in_pktinfo>()] = data.try_into().ok()?;
    // SAFETY: as many bytes as the struct has, read without regard to their alignment; every bit
    // pattern is one.
    Some(unsafe { std::ptr::read_unaligned(data.as_ptr().cast()) })
}
