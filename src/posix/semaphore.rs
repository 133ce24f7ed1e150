//! `<semaphore.h>`: semaphores.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_uint};
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use super::error::{EBUSY, EINVAL, Error, Result};
use super::ffi::{self, manual};
use super::sys_mman::Zeroed;

/// `sem_t`: a number that nobody sees below 0: who would make it so waits. For processes to share
/// it, it lies in shared memory ([`mmap`](super::sys_mman::mmap)) and is made with `pshared` 1.
pub struct sem_t {
    inner: UnsafeCell<libc::sem_t>,
    state: AtomicU32,
}

const NEW: u32 = 0;
const BEING_MADE: u32 = 1;
const MADE: u32 = 2;

// SAFETY: made to be used by many threads at once, and by none before sem_init() has ended.
unsafe impl Sync for sem_t {}
// SAFETY: it is used only where it is borrowed for ever, so one that is in use never moves.
unsafe impl Send for sem_t {}
// SAFETY: bytes and integers; a state of zero is one that sem_init() is still to make.
unsafe impl Zeroed for sem_t {}

/// `sem_t sem;`: one that [`sem_init`] is still to make.
pub const fn sem_t() -> sem_t {
    // SAFETY: bytes and an integer, for which all zeros is a value.
    let inner = unsafe { MaybeUninit::zeroed().assume_init() };
    sem_t { inner: UnsafeCell::new(inner), state: AtomicU32::new(NEW) }
}

impl sem_t {
    /// The semaphore for `call`, which refuses one that has not been made.
    fn made(&'static self, call: &'static str) -> Result<*mut libc::sem_t> {
        if self.state.load(SeqCst) == MADE {
            Ok(self.inner.get())
        } else {
            Err(Error::new(call, EINVAL))
        }
    }
}

/// `int sem_init(sem_t *sem, int pshared, unsigned value)`: makes it, for this process or for those
/// that share its memory. Refuses, with `EBUSY`, one that has been made: somebody may wait for it.
#[doc = manual!("sem_init", "3")]
pub fn sem_init(sem: &'static sem_t, pshared: c_int, value: c_uint) -> Result<()> {
    if sem.state.compare_exchange(NEW, BEING_MADE, SeqCst, SeqCst).is_err() {
        return Err(Error::new("sem_init", EBUSY));
    }
    // SAFETY: nobody else uses it before its state says that it is made.
    let returned = unsafe { libc::sem_init(sem.inner.get(), pshared, value) };
    let made = ffi::unit("sem_init", returned);
    sem.state.store(if made.is_ok() { MADE } else { NEW }, SeqCst);
    made
}

/// `int sem_wait(sem_t *sem)`: waits until it is above 0 and takes 1. Refuses, with `EINVAL`, one
/// that has not been made.
#[doc = manual!("sem_wait", "3")]
pub fn sem_wait(sem: &'static sem_t) -> Result<()> {
    let sem = sem.made("sem_wait")?;
    // SAFETY: made, borrowed for ever, and never destroyed.
    let returned = unsafe { libc::sem_wait(sem) };
    ffi::unit("sem_wait", returned)
}

/// `int sem_trywait(sem_t *sem)`: takes 1 if it is above 0, otherwise `EAGAIN`. Refuses, with
/// `EINVAL`, one that has not been made.
#[doc = manual!("sem_trywait", "3")]
pub fn sem_trywait(sem: &'static sem_t) -> Result<()> {
    let sem = sem.made("sem_trywait")?;
    // SAFETY: made, borrowed for ever, and never destroyed.
    let returned = unsafe { libc::sem_trywait(sem) };
    ffi::unit("sem_trywait", returned)
}

/// `int sem_post(sem_t *sem)`: gives 1, and wakes one that waits. Async-signal-safe. Refuses, with
/// `EINVAL`, one that has not been made.
#[doc = manual!("sem_post", "3")]
pub fn sem_post(sem: &'static sem_t) -> Result<()> {
    let sem = sem.made("sem_post")?;
    // SAFETY: made, borrowed for ever, and never destroyed.
    let returned = unsafe { libc::sem_post(sem) };
    ffi::unit("sem_post", returned)
}

/// `int sem_getvalue(sem_t *sem, int *sval)`: its value, which may have changed by now. Refuses, with
/// `EINVAL`, one that has not been made.
#[doc = manual!("sem_getvalue", "3")]
pub fn sem_getvalue(sem: &'static sem_t) -> Result<c_int> {
    let sem = sem.made("sem_getvalue")?;
    let mut sval = 0;
    // SAFETY: made, borrowed for ever, and never destroyed; `sval` is a writable int.
    let returned = unsafe { libc::sem_getvalue(sem, &raw mut sval) };
    ffi::unit("sem_getvalue", returned)?;
    Ok(sval)
}
