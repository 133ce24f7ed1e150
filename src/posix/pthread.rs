//! `<pthread.h>`: threads and mutexes.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;

pub use libc::{
    PTHREAD_CREATE_DETACHED, PTHREAD_CREATE_JOINABLE, PTHREAD_MUTEX_ROBUST, PTHREAD_MUTEX_STALLED,
    PTHREAD_PROCESS_PRIVATE, PTHREAD_PROCESS_SHARED, PTHREAD_STACK_MIN, SCHED_IDLE, SCHED_OTHER,
    sched_param,
};

use super::error::{EINVAL, Error, Result};
use super::ffi::{self, manual};
use super::sys_mman::Zeroed;

/// `pthread_t`: a thread that is to be joined or detached, once, unless it was made detached.
#[derive(Debug)]
pub struct pthread_t {
    id: libc::pthread_t,
    detachstate: c_int,
}

/// `pthread_attr_t`: how a thread is to be made.
pub struct pthread_attr_t {
    inner: libc::pthread_attr_t,
    detachstate: c_int,
}

/// `int pthread_attr_init(pthread_attr_t *attr)`: the defaults.
#[doc = manual!("pthread_attr_init", "3")]
pub fn pthread_attr_init() -> Result<pthread_attr_t> {
    let mut attr = MaybeUninit::uninit();
    // SAFETY: `attr` has room for the struct that is written.
    let returned = unsafe { libc::pthread_attr_init(attr.as_mut_ptr()) };
    ffi::number("pthread_attr_init", returned)?;
    // SAFETY: pthread_attr_init() has succeeded, so it has written all of it.
    let inner = unsafe { attr.assume_init() };
    Ok(pthread_attr_t { inner, detachstate: PTHREAD_CREATE_JOINABLE })
}

/// `int pthread_attr_destroy(pthread_attr_t *attr)`: gives the attributes up.
#[doc = manual!("pthread_attr_destroy", "3")]
pub fn pthread_attr_destroy(mut attr: pthread_attr_t) -> Result<()> {
    // SAFETY: initialised by pthread_attr_init() and, being taken by value, not used again.
    let returned = unsafe { libc::pthread_attr_destroy(&raw mut attr.inner) };
    ffi::number("pthread_attr_destroy", returned)
}

/// `int pthread_attr_setdetachstate(pthread_attr_t *attr, int detachstate)`: whether the thread is
/// detached from the start.
#[doc = manual!("pthread_attr_setdetachstate", "3")]
pub fn pthread_attr_setdetachstate(attr: &mut pthread_attr_t, detachstate: c_int) -> Result<()> {
    // SAFETY: `attr` is initialised and exclusively borrowed.
    let returned = unsafe { libc::pthread_attr_setdetachstate(&raw mut attr.inner, detachstate) };
    ffi::number("pthread_attr_setdetachstate", returned)?;
    attr.detachstate = detachstate;
    Ok(())
}

/// `int pthread_attr_getdetachstate(const pthread_attr_t *attr, int *detachstate)`: reads it.
#[doc = manual!("pthread_attr_getdetachstate", "3")]
pub fn pthread_attr_getdetachstate(attr: &pthread_attr_t) -> Result<c_int> {
    let mut detachstate = 0;
    // SAFETY: `attr` is initialised, `detachstate` a writable int.
    let returned =
        unsafe { c::pthread_attr_getdetachstate(&raw const attr.inner, &raw mut detachstate) };
    ffi::number("pthread_attr_getdetachstate", returned)?;
    Ok(detachstate)
}

mod c {
    use std::ffi::{c_int, c_void};

    use super::Argument;

    // In the C library, but not in the libc crate; or there with a pointer for the argument.
    unsafe extern "C" {
        pub(super) fn pthread_create(
            thread: *mut libc::pthread_t,
            attr: *const libc::pthread_attr_t,
            start_routine: extern "C" fn(Argument) -> *mut c_void,
            arg: Argument,
        ) -> c_int;

        pub(super) fn pthread_attr_getdetachstate(
            attr: *const libc::pthread_attr_t,
            detachstate: *mut c_int,
        ) -> c_int;
    }
}

/// `int pthread_attr_setstacksize(pthread_attr_t *attr, size_t stacksize)`: the size of the stack in
/// bytes.
#[doc = manual!("pthread_attr_setstacksize", "3")]
pub fn pthread_attr_setstacksize(attr: &mut pthread_attr_t, stacksize: usize) -> Result<()> {
    // SAFETY: `attr` is initialised and exclusively borrowed.
    let returned = unsafe { libc::pthread_attr_setstacksize(&raw mut attr.inner, stacksize) };
    ffi::number("pthread_attr_setstacksize", returned)
}

/// `int pthread_attr_getstacksize(const pthread_attr_t *attr, size_t *stacksize)`: reads it.
#[doc = manual!("pthread_attr_getstacksize", "3")]
pub fn pthread_attr_getstacksize(attr: &pthread_attr_t) -> Result<usize> {
    let mut stacksize = 0;
    // SAFETY: `attr` is initialised, `stacksize` a writable integer.
    let returned =
        unsafe { libc::pthread_attr_getstacksize(&raw const attr.inner, &raw mut stacksize) };
    ffi::number("pthread_attr_getstacksize", returned)?;
    Ok(stacksize)
}

/// `int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start_routine)(void *),
/// void *arg)`: starts a thread that runs `start_routine(arg)`. An `arg` that is no larger than a
/// pointer travels in its place, as a cast has it in C; a larger one in a box, which the thread
/// frees. On failure `arg` is still the caller's. A panic in `start_routine` aborts the process.
#[doc = manual!("pthread_create", "3")]
pub fn pthread_create<F, T>(
    attr: Option<&pthread_attr_t>,
    start_routine: F,
    arg: T,
) -> std::result::Result<pthread_t, (Error, T)>
where
    F: Fn(T) + Copy + Send + 'static,
    T: Send + 'static,
{
    extern "C" fn start<F: Fn(T), T>(arg: Argument) -> *mut c_void {
        // SAFETY: without a size there is nothing to read; it is the F that was given, which is Copy
        // and Send.
        let start_routine = unsafe { ptr::NonNull::<F>::dangling().read() };
        // SAFETY: what pthread_create() below gave to this one call; T is Send.
        start_routine(unsafe { taken_out(arg) });
        ptr::null_mut()
    }
    const { assert!(size_of::<F>() == 0, "a function, or a closure that captures nothing") };
    let _ = start_routine;
    let arg = put_in(arg);
    let detachstate = attr.map_or(PTHREAD_CREATE_JOINABLE, |attr| attr.detachstate);
    let attr = attr.map_or(ptr::null(), |attr| &raw const attr.inner);
    let mut thread = MaybeUninit::uninit();
    // SAFETY: `thread` has room for the id, `attr` is null or initialised; `start::<F, T>` takes
    // `arg` over, in one thread.
    let returned = unsafe { c::pthread_create(thread.as_mut_ptr(), attr, start::<F, T>, arg) };
    if let Err(error) = ffi::number("pthread_create", returned) {
        // SAFETY: no thread was made, so it is still ours.
        return Err((error, unsafe { taken_out(arg) }));
    }
    // SAFETY: pthread_create() has succeeded, so it has written the id.
    Ok(pthread_t { id: unsafe { thread.assume_init() }, detachstate })
}

/// What passes for `void *`; an argument in its place may have bytes that nobody has written.
type Argument = MaybeUninit<*mut c_void>;

const fn fits<T>() -> bool {
    size_of::<T>() <= size_of::<Argument>() && align_of::<T>() <= align_of::<Argument>()
}

fn put_in<T>(value: T) -> Argument {
    if !fits::<T>() {
        return Argument::new(Box::into_raw(Box::new(value)).cast());
    }
    let mut arg = Argument::uninit();
    // SAFETY: there is room for a T, and it is aligned.
    unsafe { arg.as_mut_ptr().cast::<T>().write(value) };
    arg
}

/// # Safety
///
/// `arg` is what [`put_in`] has returned for this type, and is given here once.
unsafe fn taken_out<T>(arg: Argument) -> T {
    if fits::<T>() {
        // SAFETY: a T was written there, which is ours alone from here on.
        return unsafe { arg.as_ptr().cast::<T>().read() };
    }
    // SAFETY: a pointer was written there.
    let boxed = unsafe { arg.assume_init() };
    // SAFETY: from Box::into_raw, and ours alone.
    *unsafe { Box::from_raw(boxed.cast::<T>()) }
}

/// [`pthread_create`] as C has it: an untyped function and pointer.
///
/// # Safety
///
/// `start_routine(arg)` is sound in another thread, at any time from now on.
pub unsafe fn pthread_create_raw(
    attr: Option<&pthread_attr_t>,
    start_routine: extern "C" fn(*mut c_void) -> *mut c_void,
    arg: *mut c_void,
) -> Result<pthread_t> {
    let detachstate = attr.map_or(PTHREAD_CREATE_JOINABLE, |attr| attr.detachstate);
    let attr = attr.map_or(ptr::null(), |attr| &raw const attr.inner);
    let mut thread = MaybeUninit::uninit();
    // SAFETY: `thread` has room for the id, `attr` is null or initialised; the rest is the caller's
    // contract.
    let returned = unsafe { libc::pthread_create(thread.as_mut_ptr(), attr, start_routine, arg) };
    ffi::number("pthread_create", returned)?;
    // SAFETY: pthread_create() has succeeded, so it has written the id.
    Ok(pthread_t { id: unsafe { thread.assume_init() }, detachstate })
}

/// `int pthread_detach(pthread_t thread)`: lets the thread's memory go when it ends. Refuses,
/// with `EINVAL`, a thread that was made detached, whose memory may be gone.
#[doc = manual!("pthread_detach", "3")]
pub fn pthread_detach(thread: pthread_t) -> Result<()> {
    if thread.detachstate != PTHREAD_CREATE_JOINABLE {
        return Err(Error::new("pthread_detach", EINVAL));
    }
    // SAFETY: made joinable, and a pthread_t is given up by the first join or detach, so this
    // thread was neither.
    let returned = unsafe { libc::pthread_detach(thread.id) };
    ffi::number("pthread_detach", returned)
}

/// `int pthread_join(pthread_t thread, void **retval)`: waits for the thread's end. Refuses, with
/// `EINVAL`, a thread that was made detached, whose memory may be gone.
#[doc = manual!("pthread_join", "3")]
pub fn pthread_join(thread: pthread_t) -> Result<()> {
    if thread.detachstate != PTHREAD_CREATE_JOINABLE {
        return Err(Error::new("pthread_join", EINVAL));
    }
    // SAFETY: made joinable, and a pthread_t is given up by the first join or detach, so this
    // thread was neither.
    let returned = unsafe { libc::pthread_join(thread.id, ptr::null_mut()) };
    ffi::number("pthread_join", returned)
}

/// `int pthread_setschedparam(pthread_t thread, int policy, const struct sched_param *param)`: sets
/// how a thread gets its share of the processors. `SCHED_IDLE`, which is Linux's: what nobody else
/// wants. Refuses, with `EINVAL`, a thread that was made detached, which may be gone.
#[doc = manual!("pthread_setschedparam", "3")]
pub fn pthread_setschedparam(thread: &pthread_t, policy: c_int, param: &sched_param) -> Result<()> {
    if thread.detachstate != PTHREAD_CREATE_JOINABLE {
        return Err(Error::new("pthread_setschedparam", EINVAL));
    }
    // SAFETY: made joinable, and borrowed, so neither joined nor detached; `param` is a whole struct.
    let returned = unsafe { libc::pthread_setschedparam(thread.id, policy, param) };
    ffi::number("pthread_setschedparam", returned)
}

/// `pthread_mutexattr_t`: what kind of mutex is to be made.
pub struct pthread_mutexattr_t(libc::pthread_mutexattr_t);

/// `int pthread_mutexattr_init(pthread_mutexattr_t *attr)`: the defaults.
#[doc = manual!("pthread_mutexattr_init", "3")]
pub fn pthread_mutexattr_init() -> Result<pthread_mutexattr_t> {
    let mut attr = MaybeUninit::uninit();
    // SAFETY: `attr` has room for the struct that is written.
    let returned = unsafe { libc::pthread_mutexattr_init(attr.as_mut_ptr()) };
    ffi::number("pthread_mutexattr_init", returned)?;
    // SAFETY: pthread_mutexattr_init() has succeeded, so it has written all of it.
    Ok(pthread_mutexattr_t(unsafe { attr.assume_init() }))
}

/// `int pthread_mutexattr_setpshared(pthread_mutexattr_t *attr, int pshared)`: whether processes
/// may share it.
#[doc = manual!("pthread_mutexattr_setpshared", "3")]
pub fn pthread_mutexattr_setpshared(attr: &mut pthread_mutexattr_t, pshared: c_int) -> Result<()> {
    // SAFETY: `attr` is initialised and exclusively borrowed.
    let returned = unsafe { libc::pthread_mutexattr_setpshared(&raw mut attr.0, pshared) };
    ffi::number("pthread_mutexattr_setpshared", returned)
}

/// `int pthread_mutexattr_setrobust(pthread_mutexattr_t *attr, int robustness)`: whether the death
/// of its holder frees it.
#[doc = manual!("pthread_mutexattr_setrobust", "3")]
pub fn pthread_mutexattr_setrobust(
    attr: &mut pthread_mutexattr_t,
    robustness: c_int,
) -> Result<()> {
    // SAFETY: `attr` is initialised and exclusively borrowed.
    let returned = unsafe { libc::pthread_mutexattr_setrobust(&raw mut attr.0, robustness) };
    ffi::number("pthread_mutexattr_setrobust", returned)
}

/// `pthread_mutex_t`: a lock. For processes to share it, it lies in shared memory
/// ([`mmap`](super::sys_mman::mmap)) and is made with `PTHREAD_PROCESS_SHARED`.
pub struct pthread_mutex_t(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: made to be used by many threads at once.
unsafe impl Sync for pthread_mutex_t {}
// SAFETY: it is locked only where it is borrowed for ever, so a locked one never moves.
unsafe impl Send for pthread_mutex_t {}
// SAFETY: on Linux PTHREAD_MUTEX_INITIALIZER is all zeros.
unsafe impl Zeroed for pthread_mutex_t {}

/// `PTHREAD_MUTEX_INITIALIZER`: an unlocked mutex of this process.
pub const fn PTHREAD_MUTEX_INITIALIZER() -> pthread_mutex_t {
    pthread_mutex_t(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER))
}

/// `int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr)`: makes it a
/// mutex of the kind that `attr` says. From here on it is shared, so it is given back as such.
#[doc = manual!("pthread_mutex_init", "3")]
pub fn pthread_mutex_init(
    mutex: &'static mut pthread_mutex_t,
    attr: Option<&pthread_mutexattr_t>,
) -> Result<&'static pthread_mutex_t> {
    let attr = attr.map_or(ptr::null(), |attr| &raw const attr.0);
    // SAFETY: exclusively borrowed for ever, so it was never locked before; `attr` is null or
    // initialised.
    let returned = unsafe { libc::pthread_mutex_init(mutex.0.get(), attr) };
    ffi::number("pthread_mutex_init", returned)?;
    Ok(mutex)
}

/// `int pthread_mutex_lock(pthread_mutex_t *mutex)`: waits until it is ours. After `EOWNERDEAD`
/// (robust mutexes) it is ours too, and [`pthread_mutex_consistent`] is due.
#[doc = manual!("pthread_mutex_lock", "3")]
pub fn pthread_mutex_lock(mutex: &'static pthread_mutex_t) -> Result<()> {
    // SAFETY: initialised at birth; the mutex itself orders its users.
    let returned = unsafe { libc::pthread_mutex_lock(mutex.0.get()) };
    ffi::number("pthread_mutex_lock", returned)
}

/// `int pthread_mutex_trylock(pthread_mutex_t *mutex)`: takes it if it is free, otherwise `EBUSY`.
#[doc = manual!("pthread_mutex_trylock", "3")]
pub fn pthread_mutex_trylock(mutex: &'static pthread_mutex_t) -> Result<()> {
    // SAFETY: initialised at birth; the mutex itself orders its users.
    let returned = unsafe { libc::pthread_mutex_trylock(mutex.0.get()) };
    ffi::number("pthread_mutex_trylock", returned)
}

/// `int pthread_mutex_unlock(pthread_mutex_t *mutex)`: lets the next one have it.
#[doc = manual!("pthread_mutex_unlock", "3")]
pub fn pthread_mutex_unlock(mutex: &'static pthread_mutex_t) -> Result<()> {
    // SAFETY: initialised at birth and never moved since; the mutex guards no memory that Rust
    // knows of, so that unlocking one that is not ours harms only those who rely on it.
    let returned = unsafe { libc::pthread_mutex_unlock(mutex.0.get()) };
    ffi::number("pthread_mutex_unlock", returned)
}

/// `int pthread_mutex_consistent(pthread_mutex_t *mutex)`: makes a robust mutex usable again after
/// its holder died.
#[doc = manual!("pthread_mutex_consistent", "3")]
pub fn pthread_mutex_consistent(mutex: &'static pthread_mutex_t) -> Result<()> {
    // SAFETY: initialised at birth; the call refuses a mutex that is not in that state.
    let returned = unsafe { libc::pthread_mutex_consistent(mutex.0.get()) };
    ffi::number("pthread_mutex_consistent", returned)
}
