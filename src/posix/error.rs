//! `<errno.h>`: why a call failed, in the words of C.

use std::ffi::{CStr, CString};
use std::fmt;

pub use errno::Errno;
pub use libc::{
    E2BIG, EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EALREADY, EBADF, EBUSY, ECHILD,
    ECONNABORTED, ECONNREFUSED, ECONNRESET, EDEADLK, EDESTADDRREQ, EDOM, EEXIST, EFAULT, EHOSTDOWN,
    EHOSTUNREACH, EINPROGRESS, EINTR, EINVAL, EIO, EISCONN, ELOOP, EMFILE, EMSGSIZE, ENAMETOOLONG,
    ENETDOWN, ENETUNREACH, ENFILE, ENOBUFS, ENODEV, ENOENT, ENOMEM, ENONET, ENOPROTOOPT, ENOSR,
    ENOSYS, ENOTCONN, ENOTDIR, ENOTRECOVERABLE, ENOTSOCK, ENOTSUP, EOPNOTSUPP, EOVERFLOW,
    EOWNERDEAD, EPERM, EPIPE, EPROTO, EPROTONOSUPPORT, EPROTOTYPE, ERANGE, ESOCKTNOSUPPORT, ESRCH,
    ETIMEDOUT, EWOULDBLOCK,
};

use super::ffi::manual;

/// What a wrapper returns in place of C's -1 and `errno`.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed C call. Displayed, it is the line that `perror(call)` would print (for the resolver:
/// the call and the text of `gai_strerror` or `hstrerror`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    /// The C function's name.
    pub call: &'static str,
    /// What it reported.
    pub cause: Cause,
}

/// The three ways in which the C library reports a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// `errno`, or the number that a `pthread_` function returns.
    Errno(Errno),
    /// An `EAI_` code of `getaddrinfo` or `getnameinfo`; for `EAI_SYSTEM` with its `errno`.
    Resolver(i32, Errno),
    /// The `h_errno` of `gethostbyname` or `gethostbyaddr`.
    Host(i32),
}

impl Error {
    /// The failure of `call` with a given number.
    pub const fn new(call: &'static str, number: i32) -> Self {
        Self { call, cause: Cause::Errno(Errno(number)) }
    }

    /// The failure of `call` that has just happened: reads `errno`, so nothing may come between.
    pub fn last(call: &'static str) -> Self {
        Self { call, cause: Cause::Errno(errno()) }
    }

    /// The `errno`, or 0 for an error that the resolver has no `errno` for.
    pub const fn errno(&self) -> i32 {
        match self.cause {
            Cause::Errno(Errno(number)) | Cause::Resolver(_, Errno(number)) => number,
            Cause::Host(_) => 0,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            Cause::Errno(Errno(number)) | Cause::Resolver(libc::EAI_SYSTEM, Errno(number)) => {
                write!(f, "{}: {}", self.call, strerror(number).to_string_lossy())
            }
            Cause::Resolver(code, _) => {
                write!(f, "{}: {}", self.call, super::netdb::gai_strerror(code).to_string_lossy())
            }
            Cause::Host(code) => write!(f, "{}: {}", self.call, hstrerror(code).to_string_lossy()),
        }
    }
}

impl std::error::Error for Error {}

/// `errno`: the number of the last failed call of this thread.
pub fn errno() -> Errno {
    errno::errno()
}

/// `errno = number`: what a signal handler does before it returns.
pub fn set_errno(number: Errno) {
    errno::set_errno(number);
}

/// `char *strerror(int errnum)`: the text of an `errno`, as `perror` prints it: also of a number that
/// there is not, for which the errno crate has no text. Copied out of what the C library may reuse.
#[doc = manual!("strerror", "3")]
pub fn strerror(errnum: i32) -> CString {
    let mut buf = [0u8; 256];
    // SAFETY: `buf` is as many writable bytes as said.
    unsafe { libc::strerror_r(errnum, buf.as_mut_ptr().cast(), buf.len()) };
    CStr::from_bytes_until_nul(&buf).map(CStr::to_owned).unwrap_or_default()
}

/// `const char *hstrerror(int err)`: the text of an `h_errno`.
/// [hstrerror(3)](https://man7.org/linux/man-pages/man3/hstrerror.3.html)
pub fn hstrerror(err: i32) -> &'static CStr {
    // SAFETY: takes any int and touches no memory of ours.
    let text = unsafe { libc::hstrerror(err) };
    // SAFETY: glibc returns a string literal for every argument; it is never freed.
    unsafe { CStr::from_ptr(text) }
}
