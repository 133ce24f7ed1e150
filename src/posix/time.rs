//! `<time.h>`: clocks and the calendar.

use std::ffi::{CStr, c_int};
use std::mem::MaybeUninit;

pub use libc::{CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, time_t, timespec};

use super::error::{Error, Result};
use super::ffi::{self, manual};

/// `struct tm`: a date and a time of day, as [`localtime_r`] and [`gmtime_r`] make it; its fields can
/// be read by their names.
#[derive(Clone, Copy)]
pub struct tm {
    inner: libc::tm,
}

impl std::ops::Deref for tm {
    type Target = libc::tm;

    fn deref(&self) -> &libc::tm {
        &self.inner
    }
}

/// `time_t time(time_t *tloc)`: seconds since 1970-01-01T00:00:00Z.
#[doc = manual!("time", "2")]
pub fn time() -> time_t {
    // SAFETY: with a null pointer it writes nothing and can't fail.
    unsafe { libc::time(std::ptr::null_mut()) }
}

/// `int clock_gettime(clockid_t clockid, struct timespec *tp)`: the time of a clock.
#[doc = manual!("clock_gettime", "3")]
pub fn clock_gettime(clockid: c_int) -> Result<timespec> {
    let mut tp = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `tp` is a writable struct for the whole call.
    let returned = unsafe { libc::clock_gettime(clockid, &raw mut tp) };
    ffi::unit("clock_gettime", returned)?;
    Ok(tp)
}

/// `int nanosleep(const struct timespec *duration, struct timespec *rem)`: sleeps; a signal ends it
/// early with `EINTR`.
#[doc = manual!("nanosleep", "2")]
pub fn nanosleep(duration: &timespec) -> Result<()> {
    // SAFETY: `duration` is a whole struct; a null `rem` is not written.
    let returned = unsafe { libc::nanosleep(duration, std::ptr::null_mut()) };
    ffi::unit("nanosleep", returned)
}

/// `struct tm *localtime_r(const time_t *timep, struct tm *result)`: broken down in local time.
#[doc = manual!("localtime_r", "3")]
pub fn localtime_r(timep: time_t) -> Result<tm> {
    let mut result = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: `timep` is readable and `result` has room for a struct.
    let returned = unsafe { libc::localtime_r(&raw const timep, result.as_mut_ptr()) };
    if returned.is_null() {
        return Err(Error::last("localtime_r"));
    }
    // SAFETY: zeroed, then written; integers and a pointer to the C library's own zone names.
    Ok(tm { inner: unsafe { result.assume_init() } })
}

/// `struct tm *gmtime_r(const time_t *timep, struct tm *result)`: broken down in UTC.
#[doc = manual!("gmtime_r", "3")]
pub fn gmtime_r(timep: time_t) -> Result<tm> {
    let mut result = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: `timep` is readable and `result` has room for a struct.
    let returned = unsafe { libc::gmtime_r(&raw const timep, result.as_mut_ptr()) };
    if returned.is_null() {
        return Err(Error::last("gmtime_r"));
    }
    // SAFETY: zeroed, then written; integers and a pointer to the C library's own zone names.
    Ok(tm { inner: unsafe { result.assume_init() } })
}

/// `size_t strftime(char *s, size_t max, const char *format, const struct tm *tm)`: writes the time
/// as `format` says; returns the length without the NUL, or 0 if it did not fit.
#[doc = manual!("strftime", "3")]
pub fn strftime(s: &mut [u8], format: &CStr, tm: &tm) -> usize {
    // SAFETY: `s` is `max` writable bytes, `format` ends in NUL, and the zone name in `tm` is the C
    // library's own: no other code can make one.
    unsafe { libc::strftime(s.as_mut_ptr().cast(), s.len(), format.as_ptr(), &raw const tm.inner) }
}
