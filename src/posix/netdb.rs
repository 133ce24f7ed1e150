//! `<netdb.h>`: names of hosts, services and protocols.
//!
//! The functions that answer from static storage (`gethostbyname`, `getservbyname`,
//! `getprotobyname` and their relatives) are called under one lock, and what they answer is copied
//! out before it is let go.

use std::ffi::{CStr, CString, c_char, c_int};
use std::marker::PhantomData;
use std::ptr;
use std::sync::{Mutex, MutexGuard};

pub use libc::{
    AI_ADDRCONFIG, AI_ALL, AI_CANONNAME, AI_NUMERICHOST, AI_NUMERICSERV, AI_PASSIVE, AI_V4MAPPED,
    EAI_AGAIN, EAI_BADFLAGS, EAI_FAIL, EAI_FAMILY, EAI_MEMORY, EAI_NODATA, EAI_NONAME,
    EAI_OVERFLOW, EAI_SERVICE, EAI_SOCKTYPE, EAI_SYSTEM, NI_DGRAM, NI_MAXHOST, NI_NAMEREQD,
    NI_NOFQDN, NI_NUMERICHOST, NI_NUMERICSERV, socklen_t,
};

/// A literal address of another family than the one asked for.
pub const EAI_ADDRFAMILY: c_int = -9;
/// `h_errno`: no such host.
pub const HOST_NOT_FOUND: c_int = 1;
/// `h_errno`: no answer now; later perhaps.
pub const TRY_AGAIN: c_int = 2;
/// `h_errno`: no answer, and none to come.
pub const NO_RECOVERY: c_int = 3;
/// `h_errno`: the host exists, but has no such address.
pub const NO_DATA: c_int = 4;

use super::error::{Cause, Errno, Error, Result, errno};
use super::ffi::{manual, pointer};
use super::netinet_in::{sockaddr_in, sockaddr_in6};
use super::sys_socket::{AF_INET, AF_INET6, SockAddr, sockaddr_storage, storage};

/// `struct addrinfo`: what is wanted (a hint), or one address of the answer.
#[derive(Clone, Copy)]
pub struct addrinfo<'a> {
    /// `AI_PASSIVE`, `AI_CANONNAME` and so on.
    pub ai_flags: c_int,
    /// `AF_INET`, `AF_INET6`, or `AF_UNSPEC` for both.
    pub ai_family: c_int,
    /// `SOCK_STREAM`, `SOCK_DGRAM`, or 0 for all.
    pub ai_socktype: c_int,
    /// `IPPROTO_TCP`, `IPPROTO_UDP`, or 0 for all.
    pub ai_protocol: c_int,
    /// The address, ready for `connect` or `bind`. Unused in a hint.
    pub ai_addr: sockaddr_storage,
    /// The host's full name, in the first answer, where `AI_CANONNAME` asked for it.
    pub ai_canonname: Option<&'a CStr>,
}

/// A hint of zeros: any family, any type, no flags.
pub const fn addrinfo() -> addrinfo<'static> {
    addrinfo {
        ai_flags: 0,
        ai_family: 0,
        ai_socktype: 0,
        ai_protocol: 0,
        ai_addr: sockaddr_storage(),
        ai_canonname: None,
    }
}

/// The list that [`getaddrinfo`] allocates, until [`freeaddrinfo`] or the end of its scope.
#[derive(Debug)]
pub struct addrinfo_list(*mut libc::addrinfo);

// SAFETY: a list of its own that nobody else points to.
unsafe impl Send for addrinfo_list {}

impl Drop for addrinfo_list {
    fn drop(&mut self) {
        // SAFETY: the list that getaddrinfo() allocated, freed once, here.
        unsafe { libc::freeaddrinfo(self.0) };
    }
}

impl addrinfo_list {
    /// The answers, in C's order.
    pub fn iter(&self) -> addrinfo_iter<'_> {
        addrinfo_iter { ai_next: self.0, list: PhantomData }
    }
}

impl<'a> IntoIterator for &'a addrinfo_list {
    type Item = addrinfo<'a>;
    type IntoIter = addrinfo_iter<'a>;

    fn into_iter(self) -> addrinfo_iter<'a> {
        self.iter()
    }
}

/// The walk along `ai_next`.
pub struct addrinfo_iter<'a> {
    ai_next: *const libc::addrinfo,
    list: PhantomData<&'a addrinfo_list>,
}

impl<'a> Iterator for addrinfo_iter<'a> {
    type Item = addrinfo<'a>;

    fn next(&mut self) -> Option<addrinfo<'a>> {
        // SAFETY: null or a node of the list, which outlives 'a.
        let ai = unsafe { self.ai_next.as_ref() }?;
        self.ai_next = ai.ai_next;
        Some(addrinfo {
            ai_flags: ai.ai_flags,
            ai_family: ai.ai_family,
            ai_socktype: ai.ai_socktype,
            ai_protocol: ai.ai_protocol,
            // SAFETY: glibc allocates an address of that family behind every node.
            ai_addr: unsafe { copy_sockaddr(ai.ai_family, ai.ai_addr) },
            ai_canonname: (!ai.ai_canonname.is_null())
                // SAFETY: not null, ends in NUL, and lives as long as the list.
                .then(|| unsafe { CStr::from_ptr(ai.ai_canonname) }),
        })
    }
}

/// # Safety
///
/// `addr` points to an address of `family`.
unsafe fn copy_sockaddr(family: c_int, addr: *const libc::sockaddr) -> sockaddr_storage {
    match family {
        // SAFETY: the caller's contract.
        AF_INET => storage(&unsafe { ptr::read_unaligned(addr.cast::<sockaddr_in>()) }),
        // SAFETY: the caller's contract.
        AF_INET6 => storage(&unsafe { ptr::read_unaligned(addr.cast::<sockaddr_in6>()) }),
        _ => sockaddr_storage(),
    }
}

/// `int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct
/// addrinfo **res)`: the addresses of a host and a service. A service beyond 65535 is not an error
/// to glibc: it wraps.
#[doc = manual!("getaddrinfo", "3")]
pub fn getaddrinfo(
    node: Option<&CStr>,
    service: Option<&CStr>,
    hints: Option<&addrinfo<'_>>,
) -> Result<addrinfo_list> {
    let hints = hints.map(|hints| libc::addrinfo {
        ai_flags: hints.ai_flags,
        ai_family: hints.ai_family,
        ai_socktype: hints.ai_socktype,
        ai_protocol: hints.ai_protocol,
        ai_addrlen: 0,
        ai_addr: ptr::null_mut(),
        ai_canonname: ptr::null_mut(),
        ai_next: ptr::null_mut(),
    });
    let wanted = hints.as_ref().map_or(ptr::null(), ptr::from_ref);
    let mut res = ptr::null_mut();
    // SAFETY: the strings are null or end in NUL, `wanted` is null or a whole struct, `res` is
    // writable.
    let returned =
        unsafe { libc::getaddrinfo(pointer(node), pointer(service), wanted, &raw mut res) };
    resolved("getaddrinfo", returned)?;
    Ok(addrinfo_list(res))
}

/// `void freeaddrinfo(struct addrinfo *res)`: frees the list.
#[doc = manual!("freeaddrinfo", "3")]
pub fn freeaddrinfo(res: addrinfo_list) {
    drop(res);
}

/// `const char *gai_strerror(int errcode)`: the text of an `EAI_` code.
#[doc = manual!("gai_strerror", "3")]
pub fn gai_strerror(errcode: c_int) -> &'static CStr {
    // SAFETY: takes any int and touches no memory of ours.
    let text = unsafe { libc::gai_strerror(errcode) };
    // SAFETY: glibc returns a string literal for every argument; it is never freed.
    unsafe { CStr::from_ptr(text) }
}

/// `int getnameinfo(const struct sockaddr *addr, socklen_t addrlen, char *host, socklen_t hostlen,
/// char *serv, socklen_t servlen, int flags)`: the names of an address and its port. Refuses, with
/// `EAI_FAMILY`, what is neither `AF_INET` nor `AF_INET6`: a path need not end within its address.
#[doc = manual!("getnameinfo", "3")]
pub fn getnameinfo<A: SockAddr>(addr: &A, flags: c_int) -> Result<(CString, CString)> {
    if !matches!(c_int::from(storage(addr).ss_family), AF_INET | AF_INET6) {
        let cause = Cause::Resolver(EAI_FAMILY, Errno(0));
        return Err(Error { call: "getnameinfo", cause });
    }
    let (mut host, mut serv) = ([0u8; NI_MAXHOST as usize], [0u8; 256]);
    let (hostlen, servlen) = (host.len() as socklen_t, serv.len() as socklen_t);
    // SAFETY: `addr` is `socklen()` bytes by SockAddr's contract; both buffers have the lengths
    // given.
    let returned = unsafe {
        libc::getnameinfo(
            (&raw const *addr).cast(),
            addr.socklen(),
            host.as_mut_ptr().cast(),
            hostlen,
            serv.as_mut_ptr().cast(),
            servlen,
            flags,
        )
    };
    resolved("getnameinfo", returned)?;
    Ok((until_nul(&host), until_nul(&serv)))
}

fn until_nul(buffer: &[u8]) -> CString {
    CStr::from_bytes_until_nul(buffer).map(CStr::to_owned).unwrap_or_default()
}

fn resolved(call: &'static str, returned: c_int) -> Result<()> {
    let number = errno();
    match returned {
        0 => Ok(()),
        EAI_SYSTEM => Err(Error { call, cause: Cause::Resolver(returned, number) }),
        _ => Err(Error { call, cause: Cause::Resolver(returned, Errno(0)) }),
    }
}

/// `struct hostent`, copied out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct hostent {
    /// The official name.
    pub h_name: CString,
    /// Its other names.
    pub h_aliases: Vec<CString>,
    /// `AF_INET` or `AF_INET6`.
    pub h_addrtype: c_int,
    /// The length of each address in bytes.
    pub h_length: c_int,
    /// The addresses, in network byte order.
    pub h_addr_list: Vec<Vec<u8>>,
}

/// `struct servent`, copied out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct servent {
    /// The official name.
    pub s_name: CString,
    /// Its other names.
    pub s_aliases: Vec<CString>,
    /// The port, in network byte order as C has it.
    pub s_port: c_int,
    /// The protocol that it is for.
    pub s_proto: CString,
}

/// `struct protoent`, copied out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct protoent {
    /// The official name.
    pub p_name: CString,
    /// Its other names.
    pub p_aliases: Vec<CString>,
    /// The number.
    pub p_proto: c_int,
}

static STATIC_STORAGE: Mutex<()> = Mutex::new(());

fn static_storage() -> MutexGuard<'static, ()> {
    STATIC_STORAGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// # Safety
///
/// `string` is null or ends in NUL.
unsafe fn copy_string(string: *const c_char) -> CString {
    if string.is_null() {
        return CString::default();
    }
    // SAFETY: the caller's contract.
    unsafe { CStr::from_ptr(string) }.to_owned()
}

/// # Safety
///
/// `list` is null or a list of strings, ended by a null pointer.
unsafe fn copy_strings(mut list: *mut *mut c_char) -> Vec<CString> {
    let mut copies = Vec::new();
    // SAFETY: the caller's contract: before its end the list can be read.
    while let Some(&string) = unsafe { list.as_ref() }
        && !string.is_null()
    {
        // SAFETY: the caller's contract: a string.
        copies.push(unsafe { copy_string(string) });
        // SAFETY: this element was not the last: a null pointer follows at the latest.
        list = unsafe { list.add(1) };
    }
    copies
}

/// # Safety
///
/// `entry` is what the C library returned, read under the lock.
unsafe fn copy_hostent(entry: *const libc::hostent) -> Option<hostent> {
    // SAFETY: the caller's contract: null or a whole struct.
    let entry = unsafe { entry.as_ref() }?;
    let length = usize::try_from(entry.h_length).unwrap_or(0);
    let mut addresses = Vec::new();
    let mut list = entry.h_addr_list;
    // SAFETY: a list of addresses, ended by a null pointer.
    while let Some(&address) = unsafe { list.as_ref() }
        && !address.is_null()
    {
        // SAFETY: each address has `h_length` bytes.
        addresses
            .push(unsafe { std::slice::from_raw_parts(address.cast::<u8>(), length) }.to_vec());
        // SAFETY: this element was not the last: a null pointer follows at the latest.
        list = unsafe { list.add(1) };
    }
    Some(hostent {
        // SAFETY: a string.
        h_name: unsafe { copy_string(entry.h_name) },
        // SAFETY: a list of strings.
        h_aliases: unsafe { copy_strings(entry.h_aliases) },
        h_addrtype: entry.h_addrtype,
        h_length: entry.h_length,
        h_addr_list: addresses,
    })
}

/// # Safety
///
/// `entry` is what the C library returned, read under the lock.
unsafe fn copy_servent(entry: *const libc::servent) -> Option<servent> {
    // SAFETY: the caller's contract: null or a whole struct.
    let entry = unsafe { entry.as_ref() }?;
    Some(servent {
        // SAFETY: a string.
        s_name: unsafe { copy_string(entry.s_name) },
        // SAFETY: a list of strings.
        s_aliases: unsafe { copy_strings(entry.s_aliases) },
        s_port: entry.s_port,
        // SAFETY: a string.
        s_proto: unsafe { copy_string(entry.s_proto) },
    })
}

/// # Safety
///
/// `entry` is what the C library returned, read under the lock.
unsafe fn copy_protoent(entry: *const libc::protoent) -> Option<protoent> {
    // SAFETY: the caller's contract: null or a whole struct.
    let entry = unsafe { entry.as_ref() }?;
    Some(protoent {
        // SAFETY: a string.
        p_name: unsafe { copy_string(entry.p_name) },
        // SAFETY: a list of strings.
        p_aliases: unsafe { copy_strings(entry.p_aliases) },
        p_proto: entry.p_proto,
    })
}

mod c {
    use std::ffi::{c_char, c_int, c_void};

    // In the C library, but not in the libc crate.
    unsafe extern "C" {
        pub(super) fn gethostbyname(name: *const c_char) -> *mut libc::hostent;
        pub(super) fn gethostbyaddr(
            addr: *const c_void,
            len: libc::socklen_t,
            r#type: c_int,
        ) -> *mut libc::hostent;
        pub(super) fn __h_errno_location() -> *mut c_int;
    }
}

fn host(call: &'static str, entry: Option<hostent>) -> Result<hostent> {
    // SAFETY: takes nothing and can't fail.
    let location = unsafe { c::__h_errno_location() };
    // SAFETY: this thread's own h_errno, which lives as long as the thread.
    let h_errno = unsafe { *location };
    entry.ok_or(Error { call, cause: Cause::Host(h_errno) })
}

/// `struct hostent *gethostbyname(const char *name)`: the IPv4 addresses of a host.
/// [gethostbyname(3)](https://man7.org/linux/man-pages/man3/gethostbyname.3.html); POSIX has dropped
/// it for [`getaddrinfo`].
pub fn gethostbyname(name: &CStr) -> Result<hostent> {
    let _static_storage = static_storage();
    // SAFETY: `name` ends in NUL.
    let entry = unsafe { c::gethostbyname(name.as_ptr()) };
    // SAFETY: just returned, and the lock is held.
    host("gethostbyname", unsafe { copy_hostent(entry) })
}

/// `struct hostent *gethostbyaddr(const void *addr, socklen_t len, int type)`: the name of an
/// address in network byte order.
/// [gethostbyaddr(3)](https://man7.org/linux/man-pages/man3/gethostbyaddr.3.html); POSIX has dropped
/// it for [`getnameinfo`].
pub fn gethostbyaddr(addr: &[u8], r#type: c_int) -> Result<hostent> {
    let _static_storage = static_storage();
    // SAFETY: `addr` is `len` readable bytes.
    let entry = unsafe { c::gethostbyaddr(addr.as_ptr().cast(), addr.len() as socklen_t, r#type) };
    // SAFETY: just returned, and the lock is held.
    host("gethostbyaddr", unsafe { copy_hostent(entry) })
}

/// `struct servent *getservbyname(const char *name, const char *proto)`: a service by its name, of
/// one protocol or of any.
#[doc = manual!("getservbyname", "3")]
pub fn getservbyname(name: &CStr, proto: Option<&CStr>) -> Option<servent> {
    let _static_storage = static_storage();
    // SAFETY: both strings are null or end in NUL.
    let entry = unsafe { libc::getservbyname(name.as_ptr(), pointer(proto)) };
    // SAFETY: just returned, and the lock is held.
    unsafe { copy_servent(entry) }
}

/// `struct servent *getservbyport(int port, const char *proto)`: a service by its port, in network
/// byte order.
#[doc = manual!("getservbyport", "3")]
pub fn getservbyport(port: c_int, proto: Option<&CStr>) -> Option<servent> {
    let _static_storage = static_storage();
    // SAFETY: the string is null or ends in NUL.
    let entry = unsafe { libc::getservbyport(port, pointer(proto)) };
    // SAFETY: just returned, and the lock is held.
    unsafe { copy_servent(entry) }
}

/// `struct protoent *getprotobyname(const char *name)`: a protocol by its name.
#[doc = manual!("getprotobyname", "3")]
pub fn getprotobyname(name: &CStr) -> Option<protoent> {
    let _static_storage = static_storage();
    // SAFETY: `name` ends in NUL.
    let entry = unsafe { libc::getprotobyname(name.as_ptr()) };
    // SAFETY: just returned, and the lock is held.
    unsafe { copy_protoent(entry) }
}

/// `struct protoent *getprotobynumber(int proto)`: a protocol by its number.
#[doc = manual!("getprotobynumber", "3")]
pub fn getprotobynumber(proto: c_int) -> Option<protoent> {
    let _static_storage = static_storage();
    // SAFETY: takes an int.
    let entry = unsafe { libc::getprotobynumber(proto) };
    // SAFETY: just returned, and the lock is held.
    unsafe { copy_protoent(entry) }
}
