//! `<pwd.h>`: users.

use std::ffi::{CStr, CString};
use std::sync::{Mutex, PoisonError};

pub use libc::uid_t;

use super::ffi::manual;

/// What is read of a `struct passwd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct passwd {
    /// The user's name.
    pub pw_name: CString,
    /// Its number.
    pub pw_uid: uid_t,
}

/// `struct passwd *getpwuid(uid_t uid)`: a user by its number. The answer is copied out of the C
/// library's static storage, under a lock.
#[doc = manual!("getpwuid", "3")]
pub fn getpwuid(uid: uid_t) -> Option<passwd> {
    static STORAGE: Mutex<()> = Mutex::new(());
    let _static_storage = STORAGE.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: takes an int; nobody else calls it while the lock is held.
    let entry = unsafe { libc::getpwuid(uid) };
    // SAFETY: null, or the C library's struct, which stays as it is while the lock is held.
    let entry = unsafe { entry.as_ref() }?;
    // SAFETY: a string that ends in NUL, in the same storage.
    let name = unsafe { CStr::from_ptr(entry.pw_name) };
    Some(passwd { pw_name: name.to_owned(), pw_uid: entry.pw_uid })
}
