//! Linux's part of `<sys/socket.h>`: many messages in one call.

use std::ffi::{c_int, c_uint};
use std::io::IoSliceMut;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::AsFd;
use std::ptr;

pub use libc::MSG_WAITFORONE;

use crate::posix::Result;
use crate::posix::ffi::{self, raw};
use crate::posix::sys_socket::{
    AF_UNSPEC, SockAddr as _, msghdr, sa_family_t, sockaddr_storage, socklen_t,
};
use crate::posix::time::timespec;

/// The most messages that one call of a wrapper here takes; the kernel would take 1024.
pub const VLEN_MAX: usize = 64;

/// `struct mmsghdr` as [`recvmmsg`] fills it.
#[expect(non_camel_case_types, reason = "C's name for C's type")]
pub struct mmsghdr<'a> {
    /// The sender's address; family `AF_UNSPEC` where the protocol names none.
    pub msg_name: sockaddr_storage,
    /// Where the data goes.
    pub msg_iov: IoSliceMut<'a>,
    /// `MSG_TRUNC` and so on.
    pub msg_flags: c_int,
    /// How many bytes were received.
    pub msg_len: usize,
}

impl<'a> mmsghdr<'a> {
    /// `{ .msg_hdr = { .msg_iov = &{ .iov_base = data, .iov_len = length } } }`: nothing received yet.
    pub fn new(data: &'a mut [u8]) -> Self {
        let msg_name = sockaddr_storage();
        Self { msg_name, msg_iov: IoSliceMut::new(data), msg_flags: 0, msg_len: 0 }
    }

    /// The data received, as far as there was room.
    pub fn data(&self) -> &[u8] {
        &self.msg_iov[..self.msg_len.min(self.msg_iov.len())]
    }
}

/// `int recvmmsg(int sockfd, struct mmsghdr *msgvec, unsigned int vlen, int flags,
/// struct timespec *timeout)`: receives messages into as many of `msgvec` as there are, at most
/// [`VLEN_MAX`], and returns how many. What goes wrong after the first is the next call's error.
/// [recvmmsg(2)](https://man7.org/linux/man-pages/man2/recvmmsg.2.html)
pub fn recvmmsg(
    sockfd: impl AsFd,
    msgvec: &mut [mmsghdr<'_>],
    flags: c_int,
    timeout: Option<&mut timespec>,
) -> Result<usize> {
    let mut headers = [const { empty() }; VLEN_MAX];
    for (header, message) in headers.iter_mut().zip(&mut *msgvec) {
        if message.msg_name.ss_family != AF_UNSPEC as sa_family_t {
            // What an earlier call has left.
            message.msg_name = sockaddr_storage();
        }
        header.msg_hdr.msg_name = (&raw mut message.msg_name).cast();
        header.msg_hdr.msg_namelen = size_of::<sockaddr_storage>() as socklen_t;
        // IoSliceMut is guaranteed to have the layout of struct iovec.
        header.msg_hdr.msg_iov = (&raw mut message.msg_iov).cast();
        header.msg_hdr.msg_iovlen = 1;
    }
    let vlen = msgvec.len().min(VLEN_MAX) as c_uint;
    let timeout = timeout.map_or(ptr::null_mut(), ptr::from_mut);
    // SAFETY: every pointer in the first `vlen` headers is to an exclusively borrowed slice or address
    // with its true length; `timeout` is null or a writable struct.
    let returned =
        unsafe { libc::recvmmsg(raw(&sockfd), headers.as_mut_ptr(), vlen, flags, timeout) };
    let received = ffi::int("recvmmsg", returned)? as usize;
    for (header, message) in headers[..received].iter().zip(msgvec) {
        message.msg_flags = header.msg_hdr.msg_flags;
        message.msg_len = header.msg_len as usize;
    }
    Ok(received)
}

/// `int sendmmsg(int sockfd, struct mmsghdr *msgvec, unsigned int vlen, int flags)`: sends messages,
/// at most [`VLEN_MAX`], up to one that can't be sent, and returns how many; fails if that is the
/// first.
/// [sendmmsg(2)](https://man7.org/linux/man-pages/man2/sendmmsg.2.html)
pub fn sendmmsg(sockfd: impl AsFd, msgvec: &[msghdr<'_>], flags: c_int) -> Result<usize> {
    let mut headers = [const { empty() }; VLEN_MAX];
    for (header, message) in headers.iter_mut().zip(msgvec) {
        let header = &mut header.msg_hdr;
        if let Some(name) = message.msg_name {
            header.msg_name = (&raw const *name).cast_mut().cast();
            header.msg_namelen = name.socklen();
        }
        // IoSlice is guaranteed to have the layout of struct iovec.
        header.msg_iov = message.msg_iov.as_ptr().cast_mut().cast();
        header.msg_iovlen = message.msg_iov.len();
        if !message.msg_control.is_empty() {
            header.msg_control = message.msg_control.as_ptr().cast_mut().cast();
            header.msg_controllen = message.msg_control.len();
        }
    }
    let vlen = msgvec.len().min(VLEN_MAX) as c_uint;
    // SAFETY: every pointer in the first `vlen` headers is to a borrowed slice or address with its true
    // length, through which sendmmsg() only reads; it writes into the headers, which are ours.
    let returned = unsafe { libc::sendmmsg(raw(&sockfd), headers.as_mut_ptr(), vlen, flags) };
    Ok(ffi::int("sendmmsg", returned)? as usize)
}

const fn empty() -> libc::mmsghdr {
    // SAFETY: null pointers and zero lengths are an empty mmsghdr.
    unsafe { MaybeUninit::zeroed().assume_init() }
}
