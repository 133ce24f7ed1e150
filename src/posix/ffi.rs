//! Where return values of C become `Result`: one function for each kind of return value, each
//! reading `errno` as its first act.

use std::ffi::{CStr, c_char, c_int};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use super::error::{Error, Result};

/// The two references below a wrapper's first line: POSIX.1-2024 and Linux's manual.
macro_rules! manual {
    ($name:literal, $section:literal) => {
        concat!(
            "[POSIX](https://pubs.opengroup.org/onlinepubs/9799919799/functions/",
            $name,
            ".html), [",
            $name,
            "(",
            $section,
            ")](https://man7.org/linux/man-pages/man",
            $section,
            "/",
            $name,
            ".",
            $section,
            ".html)"
        )
    };
}
pub(crate) use manual;

/// -1 means `errno`; anything else is C's own int.
pub(crate) fn int(call: &'static str, returned: c_int) -> Result<c_int> {
    if returned == -1 { Err(Error::last(call)) } else { Ok(returned) }
}

/// -1 means `errno`, 0 means done.
pub(crate) fn unit(call: &'static str, returned: c_int) -> Result<()> {
    int(call, returned).map(drop)
}

/// -1 means `errno`; anything else is a count of bytes.
pub(crate) fn size(call: &'static str, returned: isize) -> Result<usize> {
    usize::try_from(returned).map_err(|_| Error::last(call))
}

/// Threads' convention: the error number itself is returned, 0 means done.
pub(crate) fn number(call: &'static str, returned: c_int) -> Result<()> {
    if returned == 0 { Ok(()) } else { Err(Error::new(call, returned)) }
}

/// -1 means `errno`; anything else is a new descriptor, owned from here on.
///
/// # Safety
///
/// `returned` is what a call that makes a descriptor returned, and nobody else owns it.
pub(crate) unsafe fn fd(call: &'static str, returned: c_int) -> Result<OwnedFd> {
    let number = int(call, returned)?;
    // SAFETY: the caller's contract: open, and ours alone.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// The number of a borrowed descriptor; it stays open as long as `fd` lives, so for the whole call.
pub(crate) fn raw(fd: &impl AsFd) -> c_int {
    fd.as_fd().as_raw_fd()
}

/// A NULL-able C string.
pub(crate) fn pointer(string: Option<&CStr>) -> *const c_char {
    string.map_or(std::ptr::null(), CStr::as_ptr)
}
