//! `<semaphore.h>`: semaphores.

use std::ffi::c_int;
use std::sync::OnceLock;

use socklab::posix::error::{EAGAIN, EBUSY, EINTR, EINVAL, EOVERFLOW};
use socklab::posix::pthread::{pthread_create, pthread_join};
use socklab::posix::semaphore::{sem_getvalue, sem_init, sem_post, sem_t, sem_trywait, sem_wait};
use socklab::posix::signal::{SA_RESTART, SIGUSR1, SIGUSR2, handler, kill, sigaction, sigemptyset};
use socklab::posix::sys_mman::{MAP_SHARED, mmap};
use socklab::posix::unistd::pid_t;

use crate::support::{alone, errno_of, forked, row, status, until, until_blocked};

/// As large as an int is.
const SEM_VALUE_MAX: u32 = c_int::MAX as u32;

#[test]
fn a_semaphore_counts() {
    static SEM: sem_t = sem_t();
    assert_eq!(sem_init(&SEM, 0, 2), Ok(()));
    assert_eq!(sem_getvalue(&SEM), Ok(2));
    assert_eq!(sem_wait(&SEM), Ok(()));
    assert_eq!(sem_trywait(&SEM), Ok(()));
    assert_eq!(sem_getvalue(&SEM), Ok(0));
    row("sem_trywait", "nothing is left", sem_trywait(&SEM), EAGAIN);
    assert_eq!(sem_post(&SEM), Ok(()));
    assert_eq!(sem_getvalue(&SEM), Ok(1));
    row("sem_init", "it is in use", sem_init(&SEM, 0, 5), EBUSY);
    assert_eq!(sem_getvalue(&SEM), Ok(1), "unchanged");
}

#[test]
fn a_semaphore_that_has_not_been_made() {
    static SEM: sem_t = sem_t();
    row("sem_wait", "not made", sem_wait(&SEM), EINVAL);
    row("sem_trywait", "not made", sem_trywait(&SEM), EINVAL);
    row("sem_post", "not made", sem_post(&SEM), EINVAL);
    row("sem_getvalue", "not made", sem_getvalue(&SEM), EINVAL);
    row("sem_init", "too large", sem_init(&SEM, 0, SEM_VALUE_MAX + 1), EINVAL);
    row("sem_post", "still not made", sem_post(&SEM), EINVAL);
    assert_eq!(sem_init(&SEM, 0, SEM_VALUE_MAX), Ok(()));
    row("sem_post", "as large as can be", sem_post(&SEM), EOVERFLOW);
    assert_eq!(sem_getvalue(&SEM), Ok(SEM_VALUE_MAX as c_int));
}

/// One thread gives and the other takes: as often as it was given, and no more.
#[test]
fn threads_share_a_semaphore() {
    static GIVEN: sem_t = sem_t();
    static TAKEN: sem_t = sem_t();
    for sem in [&GIVEN, &TAKEN] {
        sem_init(sem, 0, 0).expect("sem_init");
    }
    fn take(times: u32) {
        for _ in 0..times {
            sem_wait(&GIVEN).expect("sem_wait");
            sem_post(&TAKEN).expect("sem_post");
        }
    }
    let thread = pthread_create(None, take, 1000).expect("a thread");
    for _ in 0..1000 {
        sem_post(&GIVEN).expect("sem_post");
    }
    pthread_join(thread).expect("pthread_join");
    assert_eq!(sem_getvalue(&GIVEN), Ok(0));
    assert_eq!(sem_getvalue(&TAKEN), Ok(1000));
}

/// A semaphore in memory that forked children share.
fn shared() -> &'static sem_t {
    let sem: &sem_t = mmap::<sem_t>(MAP_SHARED).expect("mmap");
    sem_init(sem, 1, 0).expect("sem_init");
    sem
}

#[test]
fn processes_share_a_semaphore() {
    alone(|| {
        let sem = shared();
        assert_eq!(status(forked(|| errno_of(sem_trywait(sem)))), EAGAIN);
        let waiting = forked(|| errno_of(sem_wait(sem)));
        until_blocked(waiting);
        sem_post(sem).expect("sem_post");
        assert_eq!(status(waiting), 0);
        assert_eq!(sem_getvalue(sem), Ok(0));
    });
}

static AWAITED: sem_t = sem_t();
static HANDLED: OnceLock<&sem_t> = OnceLock::new();

/// SIGUSR1 is handled, SIGUSR2 gives what is waited for too.
extern "C" fn give(signum: c_int) {
    if signum == SIGUSR2 {
        let _ = sem_post(&AWAITED);
    }
    HANDLED.get().map(|sem| sem_post(sem));
}

/// A child that waits, with handlers of these flags.
fn waiting(sa_flags: c_int) -> pid_t {
    let child = forked(|| {
        sem_init(&AWAITED, 0, 0).expect("sem_init");
        for signum in [SIGUSR1, SIGUSR2] {
            let act = sigaction { sa_handler: handler(give), sa_mask: sigemptyset(), sa_flags };
            // SAFETY: sem_post() is async-signal-safe; nothing here relies on errno.
            unsafe { sigaction(signum, Some(&act)) }.expect("sigaction");
        }
        errno_of(sem_wait(&AWAITED))
    });
    until_blocked(child);
    child
}

#[test]
fn a_signal_handler_may_give() {
    alone(|| {
        let handled = *HANDLED.get_or_init(shared);
        let child = waiting(0);
        kill(child, SIGUSR1).expect("kill");
        assert_eq!(status(child), EINTR);

        let child = waiting(SA_RESTART);
        let before = sem_getvalue(handled);
        kill(child, SIGUSR1).expect("kill");
        until(|| sem_getvalue(handled) != before);
        // It goes on waiting.
        until_blocked(child);
        kill(child, SIGUSR2).expect("kill");
        assert_eq!(status(child), 0);
    });
}
