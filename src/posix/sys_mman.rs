//! `<sys/mman.h>`: memory that processes share.

use std::ffi::c_int;
use std::mem::{align_of, size_of};

pub use libc::{MAP_PRIVATE, MAP_SHARED};

use super::error::{Error, Result};
use super::ffi::manual;

/// A type whose value can be all bytes zero, as fresh memory is.
///
/// # Safety
///
/// All bytes zero is a value of the type, and its alignment is at most a page's.
pub unsafe trait Zeroed {}

/// `void *mmap(NULL, sizeof(T), PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0)`: fresh memory
/// for a `T`, for as long as the process lives; with `MAP_SHARED`, shared with children.
#[doc = manual!("mmap", "2")]
pub fn mmap<T: Zeroed>(flags: c_int) -> Result<&'static mut T> {
    const { assert!(align_of::<T>() <= 4096 && size_of::<T>() > 0) };
    let flags = (flags & (MAP_SHARED | MAP_PRIVATE)) | libc::MAP_ANONYMOUS;
    let prot = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: no address is asked for, so no mapping of ours is replaced.
    let returned = unsafe { libc::mmap(std::ptr::null_mut(), size_of::<T>(), prot, flags, -1, 0) };
    if returned == libc::MAP_FAILED {
        return Err(Error::last("mmap"));
    }
    // SAFETY: a fresh mapping of at least this size, aligned to a page, zero (a T by its contract),
    // known to nobody else and never unmapped.
    Ok(unsafe { &mut *returned.cast() })
}
