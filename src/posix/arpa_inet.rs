//! `<arpa/inet.h>`: byte order, and addresses as text.

use std::ffi::{CStr, CString, c_int};
use std::mem::MaybeUninit;

use super::error::{EAFNOSUPPORT, Error, Result};
use super::ffi::{self, manual};
use super::netinet_in::{in_addr, in6_addr};
use super::sys_socket::{AF_INET, AF_INET6, socklen_t};

/// Room for any IPv4 address as text, with its NUL.
pub const INET_ADDRSTRLEN: usize = 16;
/// Room for any IPv6 address as text, with its NUL.
pub const INET6_ADDRSTRLEN: usize = 46;

mod c {
    use std::ffi::{c_char, c_int, c_void};

    // In the C library, but not in the libc crate.
    unsafe extern "C" {
        pub(super) fn inet_pton(af: c_int, src: *const c_char, dst: *mut c_void) -> c_int;
        pub(super) fn inet_ntop(
            af: c_int,
            src: *const c_void,
            dst: *mut c_char,
            size: libc::socklen_t,
        ) -> *const c_char;
    }
}

/// `uint16_t htons(uint16_t hostshort)`: host to network byte order.
#[doc = manual!("htons", "3")]
pub const fn htons(hostshort: u16) -> u16 {
    hostshort.to_be()
}

/// `uint16_t ntohs(uint16_t netshort)`: network to host byte order.
#[doc = manual!("ntohs", "3")]
pub const fn ntohs(netshort: u16) -> u16 {
    u16::from_be(netshort)
}

/// `uint32_t htonl(uint32_t hostlong)`: host to network byte order.
#[doc = manual!("htonl", "3")]
pub const fn htonl(hostlong: u32) -> u32 {
    hostlong.to_be()
}

/// `uint32_t ntohl(uint32_t netlong)`: network to host byte order.
#[doc = manual!("ntohl", "3")]
pub const fn ntohl(netlong: u32) -> u32 {
    u32::from_be(netlong)
}

/// A type that `inet_pton` writes and `inet_ntop` reads.
///
/// # Safety
///
/// The type is the address of family [`FAMILY`](Self::FAMILY), and every bit pattern is one.
pub unsafe trait InternetAddr: Copy {
    /// `AF_INET` or `AF_INET6`.
    const FAMILY: c_int;
}

// SAFETY: four bytes, as AF_INET has them.
unsafe impl InternetAddr for in_addr {
    const FAMILY: c_int = AF_INET;
}

// SAFETY: sixteen bytes, as AF_INET6 has them.
unsafe impl InternetAddr for in6_addr {
    const FAMILY: c_int = AF_INET6;
}

/// `int inet_pton(int af, const char *src, void *dst)`: text to address; returns C's 1, or 0 for
/// text that is no address (which then is all zeros). Refuses, with `EAFNOSUPPORT`, an `af` that is
/// not the family of `A`.
#[doc = manual!("inet_pton", "3")]
pub fn inet_pton<A: InternetAddr>(af: c_int, src: &CStr) -> Result<(c_int, A)> {
    if af != A::FAMILY {
        return Err(Error::new("inet_pton", EAFNOSUPPORT));
    }
    let mut dst = MaybeUninit::<A>::zeroed();
    // SAFETY: `src` ends in NUL and `dst` has the size of an address of family `af`.
    let returned = unsafe { c::inet_pton(af, src.as_ptr(), dst.as_mut_ptr().cast()) };
    let returned = ffi::int("inet_pton", returned)?;
    // SAFETY: zeroed or written; every bit pattern is an A by its contract.
    Ok((returned, unsafe { dst.assume_init() }))
}

/// `const char *inet_ntop(int af, const void *src, char *dst, socklen_t size)`: address to text.
/// Refuses, with `EAFNOSUPPORT`, an `af` that is not the family of `A`.
#[doc = manual!("inet_ntop", "3")]
pub fn inet_ntop<A: InternetAddr>(af: c_int, src: &A) -> Result<CString> {
    if af != A::FAMILY {
        return Err(Error::new("inet_ntop", EAFNOSUPPORT));
    }
    let mut dst = [0u8; INET6_ADDRSTRLEN];
    let (from, size) = ((&raw const *src).cast(), dst.len() as socklen_t);
    // SAFETY: `src` is an address of family `af`, `dst` is `size` writable bytes.
    let returned = unsafe { c::inet_ntop(af, from, dst.as_mut_ptr().cast(), size) };
    if returned.is_null() {
        return Err(Error::last("inet_ntop"));
    }
    let end = dst.iter().position(|&byte| byte == 0).unwrap_or(0);
    Ok(CString::new(&dst[..end]).unwrap_or_default())
}
