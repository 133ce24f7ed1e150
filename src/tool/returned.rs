//! What the tools that show single calls say of them: values, and errors by the names that C has for them.

use std::fmt::Display;

use crate::posix::error::*;
use crate::posix::{Error, Result};

/// Where one number has two names, the one that the kernel's sources use.
const NAMES: &[(i32, &str)] = &[
    (E2BIG, "E2BIG"),
    (EACCES, "EACCES"),
    (EADDRINUSE, "EADDRINUSE"),
    (EADDRNOTAVAIL, "EADDRNOTAVAIL"),
    (EAFNOSUPPORT, "EAFNOSUPPORT"),
    (EAGAIN, "EAGAIN"),
    (EALREADY, "EALREADY"),
    (EBADF, "EBADF"),
    (EBUSY, "EBUSY"),
    (ECONNABORTED, "ECONNABORTED"),
    (ECONNREFUSED, "ECONNREFUSED"),
    (ECONNRESET, "ECONNRESET"),
    (EDESTADDRREQ, "EDESTADDRREQ"),
    (EDOM, "EDOM"),
    (EEXIST, "EEXIST"),
    (EFAULT, "EFAULT"),
    (EHOSTDOWN, "EHOSTDOWN"),
    (EHOSTUNREACH, "EHOSTUNREACH"),
    (EINPROGRESS, "EINPROGRESS"),
    (EINTR, "EINTR"),
    (EINVAL, "EINVAL"),
    (EIO, "EIO"),
    (EISCONN, "EISCONN"),
    (ELOOP, "ELOOP"),
    (EMFILE, "EMFILE"),
    (EMSGSIZE, "EMSGSIZE"),
    (ENETDOWN, "ENETDOWN"),
    (ENETUNREACH, "ENETUNREACH"),
    (ENFILE, "ENFILE"),
    (ENOBUFS, "ENOBUFS"),
    (ENODEV, "ENODEV"),
    (ENOENT, "ENOENT"),
    (ENOMEM, "ENOMEM"),
    (ENONET, "ENONET"),
    (ENOPROTOOPT, "ENOPROTOOPT"),
    (ENOSYS, "ENOSYS"),
    (ENOTCONN, "ENOTCONN"),
    (ENOTSOCK, "ENOTSOCK"),
    (EOPNOTSUPP, "EOPNOTSUPP"),
    (EOVERFLOW, "EOVERFLOW"),
    (EPERM, "EPERM"),
    (EPIPE, "EPIPE"),
    (EPROTO, "EPROTO"),
    (EPROTONOSUPPORT, "EPROTONOSUPPORT"),
    (EPROTOTYPE, "EPROTOTYPE"),
    (ERANGE, "ERANGE"),
    (ESOCKTNOSUPPORT, "ESOCKTNOSUPPORT"),
    (ETIMEDOUT, "ETIMEDOUT"),
];

/// `ECONNRESET` and so on; of a number without a name here, the number.
pub(super) fn name(number: i32) -> String {
    let known = NAMES.iter().find(|(known, _)| *known == number);
    known.map_or_else(|| format!("errno {number}"), |(_, name)| String::from(*name))
}

/// What a call returned: its value, or the name of its error.
pub(super) fn said<T: Display>(result: Result<T>) -> String {
    result.map_or_else(|error| name(error.errno()), |value| value.to_string())
}

/// What a call without a value returned: 0, or the name of its error.
pub(super) fn done(result: Result<()>) -> String {
    said(result.map(|()| 0))
}

/// `ENOPROTOOPT (Protocol not available)`
pub(super) fn described(error: &Error) -> String {
    let text = strerror(error.errno());
    format!("{} ({})", name(error.errno()), text.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!(name(111), "ECONNREFUSED");
        assert_eq!(name(9999), "errno 9999");
        assert_eq!(said(Ok(5)), "5");
        assert_eq!(done(Err(Error::new("bind", EADDRINUSE))), "EADDRINUSE");
        assert_eq!(described(&Error::new("x", EINVAL)), "EINVAL (Invalid argument)");
    }
}
