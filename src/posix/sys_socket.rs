//! `<sys/socket.h>`: sockets, their addresses and their options.

use std::ffi::{c_int, c_void};
use std::io::{IoSlice, IoSliceMut};
use std::mem::{MaybeUninit, size_of, size_of_val};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

pub use libc::{
    AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC, MSG_CMSG_CLOEXEC, MSG_CTRUNC, MSG_DONTWAIT, MSG_MORE,
    MSG_NOSIGNAL, MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, SCM_RIGHTS, SHUT_RD, SHUT_RDWR,
    SHUT_WR, SO_ACCEPTCONN, SO_BROADCAST, SO_COOKIE, SO_DEBUG, SO_DOMAIN, SO_DONTROUTE, SO_ERROR,
    SO_KEEPALIVE, SO_LINGER, SO_OOBINLINE, SO_PROTOCOL, SO_RCVBUF, SO_RCVLOWAT, SO_RCVTIMEO,
    SO_REUSEADDR, SO_REUSEPORT, SO_SNDBUF, SO_SNDLOWAT, SO_SNDTIMEO, SO_TYPE, SOCK_CLOEXEC,
    SOCK_DCCP, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM, SOL_SOCKET,
    SOMAXCONN, linger, sa_family_t, sockaddr_storage, socklen_t, timeval,
};

use super::error::{EINVAL, Error, Result};
use super::ffi::{self, manual, raw};
use super::netinet_in::{in_addr, sockaddr_in, sockaddr_in6};

/// A type that C passes as `const struct sockaddr *` with its length.
///
/// # Safety
///
/// The type begins with its address family and has [`socklen`](Self::socklen) initialised bytes.
pub unsafe trait SockAddr {
    /// The `addrlen` that belongs to this address, in bytes.
    fn socklen(&self) -> socklen_t;
}

// SAFETY: C's struct; 16 bytes without padding.
unsafe impl SockAddr for sockaddr_in {
    fn socklen(&self) -> socklen_t {
        size_of::<Self>() as socklen_t
    }
}

// SAFETY: C's struct; 28 bytes without padding.
unsafe impl SockAddr for sockaddr_in6 {
    fn socklen(&self) -> socklen_t {
        size_of::<Self>() as socklen_t
    }
}

// SAFETY: C's struct, of which a part that its family knows is in use; all of it is initialised,
// since it can only be made by zeroing or by copying.
unsafe impl SockAddr for sockaddr_storage {
    /// 16 for `AF_INET`, 28 for `AF_INET6`, as far as the path goes for `AF_UNIX`, otherwise the whole
    /// storage.
    fn socklen(&self) -> socklen_t {
        let length = match c_int::from(self.ss_family) {
            AF_INET => size_of::<sockaddr_in>(),
            AF_INET6 => size_of::<sockaddr_in6>(),
            AF_UNIX => super::sys_un::addrlen(self),
            _ => size_of::<Self>(),
        };
        length as socklen_t
    }
}

/// A `struct sockaddr_storage` of zeros: family `AF_UNSPEC`, no address.
pub const fn sockaddr_storage() -> sockaddr_storage {
    // SAFETY: integers only; all bytes zero is a value.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// `*(struct sockaddr_storage *)&storage = *addr`: any address in the type that holds them all.
pub fn storage<A: SockAddr>(addr: &A) -> sockaddr_storage {
    let mut copy = sockaddr_storage();
    let length = (addr.socklen() as usize).min(size_of::<sockaddr_storage>());
    let from = (&raw const *addr).cast::<u8>();
    let to = (&raw mut copy).cast::<u8>();
    // SAFETY: `length` bytes are initialised in `addr` by SockAddr's contract and fit `copy`; the
    // two are distinct objects.
    unsafe { std::ptr::copy_nonoverlapping(from, to, length) };
    copy
}

/// A type that C passes to the socket options as `void *` with its size.
///
/// # Safety
///
/// Every bit pattern is a value of the type, and it has no uninitialised bytes.
pub unsafe trait OptionValue: Copy {}

// SAFETY: an integer.
unsafe impl OptionValue for c_int {}
// SAFETY: an integer.
unsafe impl OptionValue for u8 {}
// SAFETY: an integer.
unsafe impl OptionValue for u32 {}
// SAFETY: two ints.
unsafe impl OptionValue for linger {}
// SAFETY: two longs.
unsafe impl OptionValue for timeval {}
// SAFETY: one 32-bit integer.
unsafe impl OptionValue for in_addr {}
// SAFETY: bytes, for options whose value is a string or whose size is to be tried.
unsafe impl<const N: usize> OptionValue for [u8; N] {}

/// `int socket(int domain, int type, int protocol)`: makes an endpoint.
#[doc = manual!("socket", "2")]
pub fn socket(domain: c_int, r#type: c_int, protocol: c_int) -> Result<OwnedFd> {
    // SAFETY: takes three ints and touches no memory of ours.
    let returned = unsafe { libc::socket(domain, r#type, protocol) };
    // SAFETY: socket() has just made this descriptor for us.
    unsafe { ffi::fd("socket", returned) }
}

/// `int socketpair(int domain, int type, int protocol, int sv[2])`: makes two connected endpoints.
#[doc = manual!("socketpair", "2")]
pub fn socketpair(domain: c_int, r#type: c_int, protocol: c_int) -> Result<[OwnedFd; 2]> {
    let mut sv = [-1; 2];
    // SAFETY: `sv` has room for the two ints that are written.
    let returned = unsafe { libc::socketpair(domain, r#type, protocol, sv.as_mut_ptr()) };
    ffi::unit("socketpair", returned)?;
    // SAFETY: socketpair() has just made this descriptor for us.
    let one = unsafe { ffi::fd("socketpair", sv[0]) };
    // SAFETY: as above.
    let other = unsafe { ffi::fd("socketpair", sv[1]) };
    Ok([one?, other?])
}

/// `int bind(int sockfd, const struct sockaddr *addr, socklen_t addrlen)`: gives it a local address.
#[doc = manual!("bind", "2")]
pub fn bind<A: SockAddr>(sockfd: impl AsFd, addr: &A) -> Result<()> {
    let pointer = (&raw const *addr).cast();
    // SAFETY: `addr` is `socklen()` initialised bytes by SockAddr's contract and outlives the call.
    let returned = unsafe { libc::bind(raw(&sockfd), pointer, addr.socklen()) };
    ffi::unit("bind", returned)
}

/// `int listen(int sockfd, int backlog)`: makes it a listening socket.
#[doc = manual!("listen", "2")]
pub fn listen(sockfd: impl AsFd, backlog: c_int) -> Result<()> {
    // SAFETY: takes two ints; the descriptor is borrowed, so open.
    let returned = unsafe { libc::listen(raw(&sockfd), backlog) };
    ffi::unit("listen", returned)
}

// The next two are inlined, or the address is copied twice on its way to a caller that may not look
// at it.

/// `int accept(int sockfd, struct sockaddr *addr, socklen_t *addrlen)`: takes the first connection
/// from the queue and returns its connected socket and the peer's address.
#[doc = manual!("accept", "2")]
#[inline(always)]
pub fn accept(sockfd: impl AsFd) -> Result<(OwnedFd, sockaddr_storage)> {
    let mut addr = sockaddr_storage();
    let mut addrlen = size_of_val(&addr) as socklen_t;
    // SAFETY: `addr` has room for `addrlen` bytes; both outlive the call.
    let returned = unsafe { libc::accept(raw(&sockfd), (&raw mut addr).cast(), &raw mut addrlen) };
    // SAFETY: accept() has just made this descriptor for us.
    let connfd = unsafe { ffi::fd("accept", returned) }?;
    Ok((connfd, addr))
}

/// `int accept4(int sockfd, struct sockaddr *addr, socklen_t *addrlen, int flags)`: [`accept`] with
/// `SOCK_NONBLOCK` or `SOCK_CLOEXEC` for the new descriptor.
#[doc = manual!("accept", "2")]
#[inline(always)]
pub fn accept4(sockfd: impl AsFd, flags: c_int) -> Result<(OwnedFd, sockaddr_storage)> {
    let mut addr = sockaddr_storage();
    let mut addrlen = size_of_val(&addr) as socklen_t;
    // SAFETY: `addr` has room for `addrlen` bytes; both outlive the call.
    let returned =
        unsafe { libc::accept4(raw(&sockfd), (&raw mut addr).cast(), &raw mut addrlen, flags) };
    // SAFETY: accept4() has just made this descriptor for us.
    let connfd = unsafe { ffi::fd("accept4", returned) }?;
    Ok((connfd, addr))
}

/// `int connect(int sockfd, const struct sockaddr *addr, socklen_t addrlen)`: connects it.
#[doc = manual!("connect", "2")]
pub fn connect<A: SockAddr>(sockfd: impl AsFd, addr: &A) -> Result<()> {
    let pointer = (&raw const *addr).cast();
    // SAFETY: `addr` is `socklen()` initialised bytes by SockAddr's contract and outlives the call.
    let returned = unsafe { libc::connect(raw(&sockfd), pointer, addr.socklen()) };
    ffi::unit("connect", returned)
}

/// `int shutdown(int sockfd, int how)`: ends one direction or both.
#[doc = manual!("shutdown", "2")]
pub fn shutdown(sockfd: impl AsFd, how: c_int) -> Result<()> {
    // SAFETY: takes two ints; the descriptor is borrowed, so open.
    let returned = unsafe { libc::shutdown(raw(&sockfd), how) };
    ffi::unit("shutdown", returned)
}

/// `ssize_t send(int sockfd, const void *buf, size_t len, int flags)`: sends what it can and
/// returns how many bytes that was.
#[doc = manual!("send", "2")]
pub fn send(sockfd: impl AsFd, buf: &[u8], flags: c_int) -> Result<usize> {
    // SAFETY: `buf` is `len` readable bytes for the whole call.
    let returned = unsafe { libc::send(raw(&sockfd), buf.as_ptr().cast(), buf.len(), flags) };
    ffi::size("send", returned)
}

/// `ssize_t recv(int sockfd, void *buf, size_t len, int flags)`: receives what there is and returns
/// how many bytes that was; 0 is the end of file.
#[doc = manual!("recv", "2")]
pub fn recv(sockfd: impl AsFd, buf: &mut [u8], flags: c_int) -> Result<usize> {
    // SAFETY: `buf` is `len` writable bytes for the whole call.
    let returned = unsafe { libc::recv(raw(&sockfd), buf.as_mut_ptr().cast(), buf.len(), flags) };
    ffi::size("recv", returned)
}

/// `ssize_t sendto(int sockfd, const void *buf, size_t len, int flags, const struct sockaddr *addr,
/// socklen_t addrlen)`: sends a datagram.
#[doc = manual!("sendto", "2")]
pub fn sendto<A: SockAddr>(sockfd: impl AsFd, buf: &[u8], flags: c_int, addr: &A) -> Result<usize> {
    let pointer = (&raw const *addr).cast();
    let (data, len) = (buf.as_ptr().cast(), buf.len());
    // SAFETY: `buf` is `len` readable bytes, `addr` is `socklen()` by SockAddr's contract.
    let returned = unsafe { libc::sendto(raw(&sockfd), data, len, flags, pointer, addr.socklen()) };
    ffi::size("sendto", returned)
}

/// `ssize_t recvfrom(int sockfd, void *buf, size_t len, int flags, struct sockaddr *addr,
/// socklen_t *addrlen)`: receives a datagram and its sender's address.
#[doc = manual!("recvfrom", "2")]
pub fn recvfrom(
    sockfd: impl AsFd,
    buf: &mut [u8],
    flags: c_int,
) -> Result<(usize, sockaddr_storage)> {
    let mut addr = sockaddr_storage();
    let mut addrlen = size_of_val(&addr) as socklen_t;
    let (data, len) = (buf.as_mut_ptr().cast(), buf.len());
    let (to, tolen) = ((&raw mut addr).cast(), &raw mut addrlen);
    // SAFETY: `buf` is `len` writable bytes and `addr` has room for `addrlen`; all outlive the call.
    let returned = unsafe { libc::recvfrom(raw(&sockfd), data, len, flags, to, tolen) };
    Ok((ffi::size("recvfrom", returned)?, addr))
}

/// `struct msghdr` as [`sendmsg`] takes it.
#[derive(Default)]
pub struct msghdr<'a> {
    /// The destination, for a socket that is not connected.
    pub msg_name: Option<&'a sockaddr_storage>,
    /// The data, gathered in this order.
    pub msg_iov: &'a [IoSlice<'a>],
    /// Ancillary data, made by [`cmsg`].
    pub msg_control: &'a [u8],
    /// Descriptors to hand over (`SOL_SOCKET`, `SCM_RIGHTS`), ahead of the other ancillary data.
    pub msg_rights: &'a [BorrowedFd<'a>],
}

/// `ssize_t sendmsg(int sockfd, const struct msghdr *msg, int flags)`: sends gathered data with
/// ancillary data. Refuses, with `EINVAL`, descriptors that `msg_control` names by number: it can't
/// say whose they are, as `msg_rights` does.
#[doc = manual!("sendmsg", "2")]
pub fn sendmsg(sockfd: impl AsFd, msg: &msghdr<'_>, flags: c_int) -> Result<usize> {
    if pieces(msg.msg_control).any(|piece| is_rights(&piece)) {
        return Err(Error::new("sendmsg", EINVAL));
    }
    let control = if msg.msg_rights.is_empty() {
        Vec::new()
    } else {
        let numbers: Vec<u8> = msg.msg_rights.iter().flat_map(|fd| raw(fd).to_ne_bytes()).collect();
        [&cmsg(SOL_SOCKET, SCM_RIGHTS, &numbers), msg.msg_control].concat()
    };
    let control = if control.is_empty() { msg.msg_control } else { &control };
    let mut header = empty_msghdr();
    if let Some(name) = msg.msg_name {
        header.msg_name = (&raw const *name).cast_mut().cast();
        header.msg_namelen = name.socklen();
    }
    // IoSlice is guaranteed to have the layout of struct iovec.
    header.msg_iov = msg.msg_iov.as_ptr().cast_mut().cast();
    header.msg_iovlen = msg.msg_iov.len();
    if !control.is_empty() {
        header.msg_control = control.as_ptr().cast_mut().cast();
        header.msg_controllen = control.len();
    }
    // SAFETY: every pointer in `header` is to a borrowed slice or address with its true length,
    // and sendmsg() only reads through them.
    let returned = unsafe { libc::sendmsg(raw(&sockfd), &raw const header, flags) };
    ffi::size("sendmsg", returned)
}

/// What [`recvmsg`] writes into `struct msghdr`.
pub struct msghdr_received<'a> {
    /// The sender's address; family `AF_UNSPEC` where the protocol names none.
    pub msg_name: sockaddr_storage,
    /// The ancillary data, to be read by [`CMSG_FIRSTHDR`].
    pub msg_control: &'a [u8],
    /// The descriptors that were handed over (`SOL_SOCKET`, `SCM_RIGHTS`), as many as `msg_control`
    /// and the process had room for. Those that are not taken out are closed with it.
    pub msg_rights: Vec<OwnedFd>,
    /// `MSG_TRUNC`, `MSG_CTRUNC`, `MSG_OOB` and so on.
    pub msg_flags: c_int,
}

/// `ssize_t recvmsg(int sockfd, struct msghdr *msg, int flags)`: receives scattered data with
/// ancillary data. Descriptors arrive in `msg_rights`, owned; the numbers that `msg_control` has of
/// them are nobody's to close.
#[doc = manual!("recvmsg", "2")]
pub fn recvmsg<'a>(
    sockfd: impl AsFd,
    msg_iov: &mut [IoSliceMut<'_>],
    msg_control: &'a mut [u8],
    flags: c_int,
) -> Result<(usize, msghdr_received<'a>)> {
    let mut name = sockaddr_storage();
    let mut header = empty_msghdr();
    header.msg_name = (&raw mut name).cast();
    header.msg_namelen = size_of_val(&name) as socklen_t;
    // IoSliceMut is guaranteed to have the layout of struct iovec.
    header.msg_iov = msg_iov.as_mut_ptr().cast();
    header.msg_iovlen = msg_iov.len();
    header.msg_control = msg_control.as_mut_ptr().cast();
    header.msg_controllen = msg_control.len();
    // SAFETY: every pointer in `header` is to an exclusively borrowed slice or address with its
    // true length.
    let returned = unsafe { libc::recvmsg(raw(&sockfd), &raw mut header, flags) };
    let received = ffi::size("recvmsg", returned)?;
    let msg_control = &msg_control[..header.msg_controllen];
    let mut msg_rights = Vec::new();
    for piece in pieces(msg_control).filter(is_rights) {
        for number in CMSG_DATA(&piece).as_chunks::<{ size_of::<c_int>() }>().0 {
            // SAFETY: recvmsg() has just made this descriptor for us; this is the one place that
            // owns what it makes.
            msg_rights.push(unsafe { OwnedFd::from_raw_fd(c_int::from_ne_bytes(*number)) });
        }
    }
    let msg_flags = header.msg_flags;
    Ok((received, msghdr_received { msg_name: name, msg_control, msg_rights, msg_flags }))
}

/// The pieces of ancillary data, as the kernel finds them.
fn pieces(msg_control: &[u8]) -> impl Iterator<Item = cmsghdr<'_>> {
    std::iter::successors(CMSG_FIRSTHDR(msg_control), CMSG_NXTHDR)
}

fn is_rights(piece: &cmsghdr<'_>) -> bool {
    piece.cmsg_level == SOL_SOCKET && piece.cmsg_type == SCM_RIGHTS
}

const fn empty_msghdr() -> libc::msghdr {
    // SAFETY: null pointers and zero lengths are an empty msghdr.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// One piece of ancillary data, `struct cmsghdr` and what follows it.
#[derive(Debug, Clone, Copy)]
pub struct cmsghdr<'a> {
    /// The protocol that it comes from, such as `SOL_SOCKET`.
    pub cmsg_level: c_int,
    /// What it is, such as `SCM_RIGHTS`.
    pub cmsg_type: c_int,
    data: &'a [u8],
    rest: &'a [u8],
}

const CMSG_ALIGNMENT: usize = size_of::<usize>();
const CMSG_HEADER: usize = size_of::<libc::cmsghdr>();

/// `size_t CMSG_LEN(size_t length)`: the `cmsg_len` of a header with `length` bytes of data.
/// [cmsg(3)](https://man7.org/linux/man-pages/man3/cmsg.3.html)
pub const fn CMSG_LEN(length: usize) -> usize {
    CMSG_HEADER + length
}

/// `size_t CMSG_SPACE(size_t length)`: the room that `length` bytes of ancillary data take.
/// [cmsg(3)](https://man7.org/linux/man-pages/man3/cmsg.3.html)
pub const fn CMSG_SPACE(length: usize) -> usize {
    CMSG_LEN(length).next_multiple_of(CMSG_ALIGNMENT)
}

/// `struct cmsghdr *CMSG_FIRSTHDR(struct msghdr *msgh)`: the first piece of ancillary data.
/// A header whose length is impossible ends the list.
/// [cmsg(3)](https://man7.org/linux/man-pages/man3/cmsg.3.html)
pub fn CMSG_FIRSTHDR(msg_control: &[u8]) -> Option<cmsghdr<'_>> {
    let (length, after) = msg_control.split_first_chunk::<{ size_of::<usize>() }>()?;
    let (level, after) = after.split_first_chunk::<4>()?;
    let (r#type, _) = after.split_first_chunk::<4>()?;
    let length = usize::from_ne_bytes(*length);
    let data = msg_control.get(CMSG_HEADER..length)?;
    let rest = msg_control.get(length.next_multiple_of(CMSG_ALIGNMENT)..).unwrap_or(&[]);
    Some(cmsghdr {
        cmsg_level: c_int::from_ne_bytes(*level),
        cmsg_type: c_int::from_ne_bytes(*r#type),
        data,
        rest,
    })
}

/// `struct cmsghdr *CMSG_NXTHDR(struct msghdr *msgh, struct cmsghdr *cmsg)`: the next one.
/// [cmsg(3)](https://man7.org/linux/man-pages/man3/cmsg.3.html)
pub fn CMSG_NXTHDR<'a>(cmsg: &cmsghdr<'a>) -> Option<cmsghdr<'a>> {
    CMSG_FIRSTHDR(cmsg.rest)
}

/// `unsigned char *CMSG_DATA(struct cmsghdr *cmsg)`: the bytes behind the header.
/// [cmsg(3)](https://man7.org/linux/man-pages/man3/cmsg.3.html)
pub fn CMSG_DATA<'a>(cmsg: &cmsghdr<'a>) -> &'a [u8] {
    cmsg.data
}

/// One piece of ancillary data for [`msghdr`]'s `msg_control`, padded to [`CMSG_SPACE`].
pub fn cmsg(cmsg_level: c_int, cmsg_type: c_int, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(CMSG_SPACE(data.len()));
    bytes.extend_from_slice(&CMSG_LEN(data.len()).to_ne_bytes());
    bytes.extend_from_slice(&cmsg_level.to_ne_bytes());
    bytes.extend_from_slice(&cmsg_type.to_ne_bytes());
    bytes.extend_from_slice(data);
    bytes.resize(CMSG_SPACE(data.len()), 0);
    bytes
}

/// `int getsockopt(int sockfd, int level, int optname, void *optval, socklen_t *optlen)`: reads an
/// option. A value shorter than `T` leaves the rest zero. Refuses, with `EINVAL`, `SO_GET_FILTER`,
/// whose length counts instructions, not bytes.
#[doc = manual!("getsockopt", "2")]
pub fn getsockopt<T: OptionValue>(sockfd: impl AsFd, level: c_int, optname: c_int) -> Result<T> {
    if level == SOL_SOCKET && optname == libc::SO_GET_FILTER {
        return Err(Error::new("getsockopt", EINVAL));
    }
    let mut optval = MaybeUninit::<T>::zeroed();
    let mut optlen = size_of::<T>() as socklen_t;
    let (to, tolen) = (optval.as_mut_ptr().cast::<c_void>(), &raw mut optlen);
    // SAFETY: `optval` has room for `optlen` bytes; both outlive the call.
    let returned = unsafe { libc::getsockopt(raw(&sockfd), level, optname, to, tolen) };
    ffi::unit("getsockopt", returned)?;
    // SAFETY: zeroed and then partly or wholly written; every bit pattern is a T by its contract.
    Ok(unsafe { optval.assume_init() })
}

/// `int setsockopt(int sockfd, int level, int optname, const void *optval, socklen_t optlen)`: sets
/// an option.
#[doc = manual!("setsockopt", "2")]
pub fn setsockopt<T: OptionValue>(
    sockfd: impl AsFd,
    level: c_int,
    optname: c_int,
    optval: &T,
) -> Result<()> {
    let (from, optlen) = ((&raw const *optval).cast(), size_of::<T>() as socklen_t);
    // SAFETY: `optval` is `optlen` initialised bytes by OptionValue's contract.
    let returned = unsafe { libc::setsockopt(raw(&sockfd), level, optname, from, optlen) };
    ffi::unit("setsockopt", returned)
}

/// `int getsockname(int sockfd, struct sockaddr *addr, socklen_t *addrlen)`: its local address.
#[doc = manual!("getsockname", "2")]
pub fn getsockname(sockfd: impl AsFd) -> Result<sockaddr_storage> {
    let mut addr = sockaddr_storage();
    let mut addrlen = size_of_val(&addr) as socklen_t;
    // SAFETY: `addr` has room for `addrlen` bytes; both outlive the call.
    let returned =
        unsafe { libc::getsockname(raw(&sockfd), (&raw mut addr).cast(), &raw mut addrlen) };
    ffi::unit("getsockname", returned)?;
    Ok(addr)
}

/// `int getpeername(int sockfd, struct sockaddr *addr, socklen_t *addrlen)`: its peer's address.
#[doc = manual!("getpeername", "2")]
pub fn getpeername(sockfd: impl AsFd) -> Result<sockaddr_storage> {
    let mut addr = sockaddr_storage();
    let mut addrlen = size_of_val(&addr) as socklen_t;
    // SAFETY: `addr` has room for `addrlen` bytes; both outlive the call.
    let returned =
        unsafe { libc::getpeername(raw(&sockfd), (&raw mut addr).cast(), &raw mut addrlen) };
    ffi::unit("getpeername", returned)?;
    Ok(addr)
}
