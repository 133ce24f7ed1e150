//! `SO_ATTACH_FILTER`: a program of the kernel's that says how much of each packet a socket gets.
//! [socket(7)](https://man7.org/linux/man-pages/man7/socket.7.html)

use std::ffi::{c_int, c_ushort};
use std::mem::size_of;
use std::os::fd::AsFd;

pub use libc::{BPF_K, BPF_RET, SO_DETACH_FILTER, sock_filter};

use crate::posix::Result;
use crate::posix::error::{EINVAL, Error};
use crate::posix::ffi::{self, raw};
use crate::posix::sys_socket::{SOL_SOCKET, socklen_t};

/// `BPF_STMT(BPF_RET | BPF_K, bytes)`: each packet is cut to so many bytes; with 0 all are dropped, as
/// if the cable were cut. A TCP socket then acknowledges nothing.
pub const fn keep(bytes: u32) -> sock_filter {
    sock_filter { code: (BPF_RET | BPF_K) as u16, jt: 0, jf: 0, k: bytes }
}

/// `int setsockopt(int sockfd, SOL_SOCKET, SO_ATTACH_FILTER, const struct sock_fprog *optval, socklen_t
/// optlen)`: what arrives goes through the program from now on. A wrapper of its own, because the value
/// holds a pointer. Some kernels want CAP_NET_ADMIN for a TCP socket (EPERM), as Linux 6.18 was seen to.
/// Refuses, with `EINVAL`, a program that is longer than its length can say.
/// [socket(7)](https://man7.org/linux/man-pages/man7/socket.7.html)
pub fn attach_filter(sockfd: impl AsFd, filter: &[sock_filter]) -> Result<()> {
    let too_long = |_| Error::new("setsockopt", EINVAL);
    let len = c_ushort::try_from(filter.len()).map_err(too_long)?;
    let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut() };
    let (from, optlen) = ((&raw const program).cast(), size_of::<libc::sock_fprog>() as socklen_t);
    let optname: c_int = libc::SO_ATTACH_FILTER;
    // SAFETY: `program` is a whole struct and points to `len` borrowed instructions, which the kernel
    // copies and checks.
    let returned = unsafe { libc::setsockopt(raw(&sockfd), SOL_SOCKET, optname, from, optlen) };
    ffi::unit("setsockopt", returned)
}
