//! `<net/if.h>` and netdevice(7): network interfaces.

use std::ffi::{CStr, c_int, c_short};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

pub use libc::IFF_UP;

use crate::posix::error::{EINVAL, Error, Result};
use crate::posix::ffi::{self, raw};

/// `int ioctl(int fd, SIOCSIFFLAGS, struct ifreq *ifr)`: sets an interface's flags, such as `IFF_UP`. Refuses,
/// with `EINVAL`, a name that is too long for the struct.
/// [netdevice(7)](https://man7.org/linux/man-pages/man7/netdevice.7.html)
pub fn siocsifflags(sockfd: impl AsFd, ifr_name: &CStr, ifr_flags: c_short) -> Result<()> {
    // SAFETY: bytes and integers only; all bytes zero is a value.
    let mut ifr: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
    let name = ifr_name.to_bytes_with_nul();
    if name.len() > ifr.ifr_name.len() {
        return Err(Error::new("ioctl", EINVAL));
    }
    for (to, from) in ifr.ifr_name.iter_mut().zip(name) {
        *to = *from as _;
    }
    ifr.ifr_ifru.ifru_flags = ifr_flags;
    // SAFETY: `ifr` is a whole struct for the whole call, its name ends in NUL, and this request only reads it.
    let returned = unsafe { libc::ioctl(raw(&sockfd), libc::SIOCSIFFLAGS as _, &raw mut ifr) };
    ffi::unit("ioctl", returned)
}

/// `int ioctl(int fd, SIOCSIFADDR, struct in6_ifreq *ifr)`: gives an interface one more address of IPv6. The
/// socket is one of `AF_INET6`.
/// [netdevice(7)](https://man7.org/linux/man-pages/man7/netdevice.7.html)
pub fn siocsifaddr6(
    sockfd: impl AsFd,
    ifr6_addr: [u8; 16],
    ifr6_prefixlen: u32,
    ifr6_ifindex: c_int,
) -> Result<()> {
    let ifr6_addr = libc::in6_addr { s6_addr: ifr6_addr };
    let mut ifr = libc::in6_ifreq { ifr6_addr, ifr6_prefixlen, ifr6_ifindex };
    // SAFETY: `ifr` is a whole struct for the whole call, and this request only reads it.
    let returned = unsafe { libc::ioctl(raw(&sockfd), libc::SIOCSIFADDR as _, &raw mut ifr) };
    ffi::unit("ioctl", returned)
}
