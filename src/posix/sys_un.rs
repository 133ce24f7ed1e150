//! `<sys/un.h>`: addresses of the Unix domain.

use std::ffi::c_int;
use std::mem::{offset_of, size_of};

use super::error::{EINVAL, ENAMETOOLONG, Error, Result};
use super::sys_socket::{AF_UNIX, SockAddr, sa_family_t, sockaddr_storage, socklen_t};

/// Where `sun_path` begins.
const PATH: usize = offset_of!(libc::sockaddr_un, sun_path);
/// The bytes that `sun_path` has.
const ROOM: usize = size_of::<libc::sockaddr_un>() - PATH;

/// `struct sockaddr_un` with its length, which C passes beside it: `sun_path` need not end in NUL.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct sockaddr_un {
    sun: libc::sockaddr_un,
    addrlen: socklen_t,
}

// SAFETY: C's struct, made of zeros, comes first; `addrlen` is at most its size.
unsafe impl SockAddr for sockaddr_un {
    fn socklen(&self) -> socklen_t {
        self.addrlen
    }
}

/// A `struct sockaddr_un` for a path, or, where its first byte is NUL, for a name in Linux's abstract
/// namespace. Empty, it is the address with which `bind` chooses an abstract name. Refuses, with
/// `ENAMETOOLONG`, what does not fit and, with `EINVAL`, a path that has a NUL in it.
pub fn sockaddr_un(sun_path: &[u8]) -> Result<sockaddr_un> {
    // A path ends in NUL; an abstract name is as long as `addrlen` says.
    let is_path = sun_path.first().is_some_and(|&first| first != 0);
    if sun_path.len() + usize::from(is_path) > ROOM {
        return Err(Error::new("sockaddr_un", ENAMETOOLONG));
    }
    if is_path && sun_path.contains(&0) {
        return Err(Error::new("sockaddr_un", EINVAL));
    }
    let mut sun = libc::sockaddr_un { sun_family: AF_UNIX as sa_family_t, sun_path: [0; ROOM] };
    for (to, from) in sun.sun_path.iter_mut().zip(sun_path) {
        *to = *from as _;
    }
    let addrlen = (PATH + sun_path.len() + usize::from(is_path)) as socklen_t;
    Ok(sockaddr_un { sun, addrlen })
}

/// `((struct sockaddr_un *)&addr)->sun_path`, where the family says that it is one: the path without
/// its NUL; an abstract name with the NUL before it and without any at its end, since the storage does
/// not say where it ends; nothing for a socket without a name.
pub fn sun_path(addr: &sockaddr_storage) -> Option<Vec<u8>> {
    if c_int::from(addr.ss_family) != AF_UNIX {
        return None;
    }
    // SAFETY: sockaddr_storage is at least as large and as strictly aligned, and initialised.
    let sun: &libc::sockaddr_un = unsafe { &*(&raw const *addr).cast() };
    let bytes: Vec<u8> = sun.sun_path.iter().map(|&byte| byte as u8).collect();
    let end = if bytes[0] == 0 {
        bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
    } else {
        bytes.iter().position(|&byte| byte == 0).unwrap_or(ROOM)
    };
    Some(bytes[..end].to_vec())
}

/// The `addrlen` of a `struct sockaddr_un` in a storage.
pub(super) fn addrlen(addr: &sockaddr_storage) -> usize {
    let path = sun_path(addr).unwrap_or_default();
    let is_path = path.first().is_some_and(|&first| first != 0);
    (PATH + path.len() + usize::from(is_path)).min(size_of::<libc::sockaddr_un>())
}
