//! Threads and mutexes.

use std::ffi::c_void;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};

use nix::sys::resource::{Resource, setrlimit};
use socklab::posix::error::{EAGAIN, EBUSY, EDEADLK, EINVAL, ENOTRECOVERABLE, EOWNERDEAD, EPERM};
use socklab::posix::pthread::{
    PTHREAD_CREATE_DETACHED, PTHREAD_CREATE_JOINABLE, PTHREAD_MUTEX_INITIALIZER,
    PTHREAD_MUTEX_ROBUST, PTHREAD_PROCESS_SHARED, PTHREAD_STACK_MIN, SCHED_IDLE, SCHED_OTHER,
    pthread_attr_destroy, pthread_attr_getdetachstate, pthread_attr_getstacksize,
    pthread_attr_init, pthread_attr_setdetachstate, pthread_attr_setstacksize, pthread_attr_t,
    pthread_create, pthread_create_raw, pthread_detach, pthread_join, pthread_mutex_consistent,
    pthread_mutex_init, pthread_mutex_lock, pthread_mutex_t, pthread_mutex_trylock,
    pthread_mutex_unlock, pthread_mutexattr_init, pthread_mutexattr_setpshared,
    pthread_mutexattr_setrobust, pthread_setschedparam, pthread_t, sched_param,
};
use socklab::posix::sys_mman::{MAP_SHARED, mmap};
use socklab::posix::unistd::{close, pipe, read};

use crate::support::{
    alone, become_nobody, errno_of, forked, row, skip, status, until, until_blocked,
};

fn attr_with(detachstate: i32) -> pthread_attr_t {
    let mut attr = pthread_attr_init().expect("pthread_attr_init");
    pthread_attr_setdetachstate(&mut attr, detachstate).expect("pthread_attr_setdetachstate");
    attr
}

#[test]
fn attributes() {
    let mut attr = pthread_attr_init().expect("pthread_attr_init");
    assert_eq!(pthread_attr_getdetachstate(&attr), Ok(PTHREAD_CREATE_JOINABLE));
    assert!(pthread_attr_getstacksize(&attr).is_ok_and(|size| size >= PTHREAD_STACK_MIN));
    for state in [PTHREAD_CREATE_DETACHED, PTHREAD_CREATE_JOINABLE] {
        pthread_attr_setdetachstate(&mut attr, state).expect("pthread_attr_setdetachstate");
        assert_eq!(pthread_attr_getdetachstate(&attr), Ok(state));
    }
    for size in [PTHREAD_STACK_MIN, 1 << 20] {
        pthread_attr_setstacksize(&mut attr, size).expect("pthread_attr_setstacksize");
        assert_eq!(pthread_attr_getstacksize(&attr), Ok(size));
    }
    let small = pthread_attr_setstacksize(&mut attr, PTHREAD_STACK_MIN - 1);
    row("pthread_attr_setstacksize", "a small stack", small, EINVAL);
    let bad = pthread_attr_setdetachstate(&mut attr, 99);
    row("pthread_attr_setdetachstate", "no such state", bad, EINVAL);
    assert_eq!(pthread_attr_getdetachstate(&attr), Ok(PTHREAD_CREATE_JOINABLE), "unchanged");
    assert_eq!(pthread_attr_destroy(attr), Ok(()));
}

#[test]
fn a_thread_is_joined() {
    let (sender, receiver) = channel();
    let start = |sender: Sender<u32>| sender.send(7).expect("send");
    let thread = pthread_create(None, start, sender).expect("a thread");
    assert_eq!(pthread_join(thread), Ok(()));
    assert_eq!(receiver.try_recv(), Ok(7), "it ended before the join did");
}

#[test]
fn a_thread_is_detached() {
    let start = |(receiver, sender): (Receiver<()>, Sender<u32>)| {
        receiver.recv().expect("recv");
        sender.send(7).expect("send");
    };
    let run = |attr: Option<&pthread_attr_t>, detach: fn(pthread_t)| {
        let ((go, wait), (sender, receiver)) = (channel(), channel());
        let thread = pthread_create(attr, start, (wait, sender)).expect("a thread");
        detach(thread);
        go.send(()).expect("send");
        assert_eq!(receiver.recv(), Ok(7), "it runs on");
        assert!(receiver.recv().is_err(), "and gives up what it had");
    };
    run(None, |thread| assert_eq!(pthread_detach(thread), Ok(())));
    let attr = attr_with(PTHREAD_CREATE_DETACHED);
    run(Some(&attr), drop);
    run(Some(&attr), |thread| {
        row("pthread_join", "a thread made detached", pthread_join(thread), EINVAL);
    });
    run(Some(&attr), |thread| {
        row("pthread_detach", "a thread made detached", pthread_detach(thread), EINVAL);
    });
}

#[test]
fn a_thread_made_detached_is_refused_after_its_end() {
    alone(|| {
        let running = || std::fs::read_dir("/proc/self/task").expect("threads").count();
        let before = running();
        let mut attr = attr_with(PTHREAD_CREATE_DETACHED);
        // More than the C library keeps for the next threads, so that some of it is unmapped.
        pthread_attr_setstacksize(&mut attr, 64 << 20).expect("pthread_attr_setstacksize");
        let wait = |receiver: Receiver<()>| assert!(receiver.recv().is_err());
        let (senders, threads): (Vec<Sender<()>>, Vec<pthread_t>) = (0..4)
            .map(|_| {
                let (sender, receiver) = channel();
                (sender, pthread_create(Some(&attr), wait, receiver).expect("a thread"))
            })
            .unzip();
        assert_eq!(running(), before + 4);
        drop(senders);
        until(|| running() == before);
        for thread in threads {
            row("pthread_join", "its memory is gone", pthread_join(thread), EINVAL);
        }
    });
}

#[test]
fn a_thread_that_joins_itself() {
    let (give, take) = channel();
    let (sender, receiver) = channel();
    let start = |(take, sender): (Receiver<pthread_t>, Sender<socklab::posix::Result<()>>)| {
        sender.send(pthread_join(take.recv().expect("recv"))).expect("send");
    };
    let thread = pthread_create(None, start, (take, sender)).expect("a thread");
    give.send(thread).expect("send");
    row("pthread_join", "itself", receiver.recv().expect("recv"), EDEADLK);
}

#[test]
fn untyped_threads() {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    extern "C" fn start(arg: *mut c_void) -> *mut c_void {
        COUNT.fetch_add(arg as usize as u32, SeqCst);
        std::ptr::null_mut()
    }
    // SAFETY: `start` takes its argument as a number and touches an atomic.
    let thread = unsafe { pthread_create_raw(None, start, std::ptr::without_provenance_mut(9)) };
    assert_eq!(pthread_join(thread.expect("a thread")), Ok(()));
    assert_eq!(COUNT.load(SeqCst), 9);
}

#[test]
fn without_a_thread_the_argument_comes_back() {
    alone(|| {
        let mut attr = attr_with(PTHREAD_CREATE_JOINABLE);
        pthread_attr_setstacksize(&mut attr, 1 << 60).expect("pthread_attr_setstacksize");
        let argument = vec![1, 2, 3];
        let (error, argument) = pthread_create(Some(&attr), drop, argument).expect_err("no room");
        row("pthread_create", "a stack of 2^60 bytes", Err::<(), _>(error), EAGAIN);
        assert_eq!(argument, [1, 2, 3]);
        if !become_nobody() {
            return skip("pthread_create under RLIMIT_NPROC", "root can't be given up here");
        }
        setrlimit(Resource::RLIMIT_NPROC, 0, 0).expect("setrlimit");
        let (error, argument) = pthread_create(None, drop, argument).expect_err("no thread left");
        row("pthread_create", "RLIMIT_NPROC", Err::<(), _>(error), EAGAIN);
        assert_eq!(argument, [1, 2, 3]);
        // SAFETY: the only other thread waits for this one; no child is made.
        let child = unsafe { socklab::posix::unistd::fork() };
        row("fork", "RLIMIT_NPROC", child, EAGAIN);
    });
}

#[test]
fn a_mutex_excludes() {
    static MUTEX: pthread_mutex_t = PTHREAD_MUTEX_INITIALIZER();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    fn add(times: u32) {
        for _ in 0..times {
            pthread_mutex_lock(&MUTEX).expect("pthread_mutex_lock");
            let count = COUNT.load(SeqCst);
            COUNT.store(count + 1, SeqCst);
            pthread_mutex_unlock(&MUTEX).expect("pthread_mutex_unlock");
        }
    }
    let threads = [(); 4].map(|()| pthread_create(None, add, 1000).expect("a thread"));
    for thread in threads {
        pthread_join(thread).expect("pthread_join");
    }
    assert_eq!(COUNT.load(SeqCst), 4000);
    assert_eq!(pthread_mutex_trylock(&MUTEX), Ok(()));
    row("pthread_mutex_trylock", "it is held", pthread_mutex_trylock(&MUTEX), EBUSY);
    assert_eq!(pthread_mutex_unlock(&MUTEX), Ok(()));
    let consistent = pthread_mutex_consistent(&MUTEX);
    row("pthread_mutex_consistent", "not a robust mutex", consistent, EINVAL);
}

#[test]
fn a_mutex_made_without_attributes() {
    let mutex = Box::leak(Box::new(PTHREAD_MUTEX_INITIALIZER()));
    let mutex = pthread_mutex_init(mutex, None).expect("pthread_mutex_init");
    assert_eq!(pthread_mutex_lock(mutex), Ok(()));
    row("pthread_mutex_trylock", "it is held", pthread_mutex_trylock(mutex), EBUSY);
    assert_eq!(pthread_mutex_unlock(mutex), Ok(()));
    let mut attr = pthread_mutexattr_init().expect("pthread_mutexattr_init");
    let bad = pthread_mutexattr_setpshared(&mut attr, 99);
    row("pthread_mutexattr_setpshared", "no such kind", bad, EINVAL);
    let bad = pthread_mutexattr_setrobust(&mut attr, 99);
    row("pthread_mutexattr_setrobust", "no such kind", bad, EINVAL);
}

/// A mutex in memory that forked children share.
fn shared_mutex(robust: bool) -> &'static pthread_mutex_t {
    let mut attr = pthread_mutexattr_init().expect("pthread_mutexattr_init");
    pthread_mutexattr_setpshared(&mut attr, PTHREAD_PROCESS_SHARED).expect("pshared");
    if robust {
        pthread_mutexattr_setrobust(&mut attr, PTHREAD_MUTEX_ROBUST).expect("robust");
    }
    let memory = mmap::<pthread_mutex_t>(MAP_SHARED).expect("mmap");
    pthread_mutex_init(memory, Some(&attr)).expect("pthread_mutex_init")
}

#[test]
fn processes_share_a_mutex() {
    alone(|| {
        let mutex = shared_mutex(false);
        pthread_mutex_lock(mutex).expect("pthread_mutex_lock");
        assert_eq!(status(forked(|| errno_of(pthread_mutex_trylock(mutex)))), EBUSY);
        let waiting = forked(|| errno_of(pthread_mutex_lock(mutex)));
        until_blocked(waiting);
        pthread_mutex_unlock(mutex).expect("pthread_mutex_unlock");
        assert_eq!(status(waiting), 0);
        row("pthread_mutex_trylock", "its holder died", pthread_mutex_trylock(mutex), EBUSY);
    });
}

#[test]
fn a_robust_mutex_outlives_its_holder() {
    alone(|| {
        let mutex = shared_mutex(true);
        let die_holding = || assert_eq!(status(forked(|| errno_of(pthread_mutex_lock(mutex)))), 0);
        die_holding();
        row("pthread_mutex_lock", "its holder died", pthread_mutex_lock(mutex), EOWNERDEAD);
        assert_eq!(pthread_mutex_consistent(mutex), Ok(()));
        let again = pthread_mutex_consistent(mutex);
        row("pthread_mutex_consistent", "it is consistent", again, EINVAL);
        let other = forked(|| errno_of(pthread_mutex_unlock(mutex)));
        assert_eq!(status(other), EPERM, "another process holds it");
        assert_eq!(pthread_mutex_unlock(mutex), Ok(()));
        assert_eq!(pthread_mutex_lock(mutex), Ok(()), "as good as new");
        assert_eq!(pthread_mutex_unlock(mutex), Ok(()));

        die_holding();
        let trylock = pthread_mutex_trylock(mutex);
        row("pthread_mutex_trylock", "its holder died", trylock, EOWNERDEAD);
        assert_eq!(pthread_mutex_unlock(mutex), Ok(()), "without making it consistent");
        let lost = pthread_mutex_lock(mutex);
        row("pthread_mutex_lock", "given up for lost", lost, ENOTRECOVERABLE);

        let mutex = shared_mutex(true);
        pthread_mutex_lock(mutex).expect("pthread_mutex_lock");
        let waiting = forked(|| errno_of(pthread_mutex_lock(mutex)));
        until_blocked(waiting);
        pthread_mutex_unlock(mutex).expect("pthread_mutex_unlock");
        assert_eq!(status(waiting), 0, "it dies holding the mutex");
        row("pthread_mutex_lock", "as it did", pthread_mutex_lock(mutex), EOWNERDEAD);
    });
}

/// `SCHED_IDLE` needs no privilege; the 41st number of a thread's stat is its policy.
#[test]
fn a_thread_of_idle_priority() {
    alone(|| {
        let [wait, go] = pipe().expect("pipe");
        let start = |wait: OwnedFd| assert_eq!(read(wait, &mut [0]), Ok(0));
        let thread =
            pthread_create(None, start, wait).map_err(|(error, _)| error).expect("pthread_create");
        let param = sched_param { sched_priority: 0 };
        pthread_setschedparam(&thread, SCHED_IDLE, &param).expect("pthread_setschedparam");
        let policies: Vec<i32> = std::fs::read_dir("/proc/self/task")
            .expect("tasks")
            .map(|task| {
                let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
                let numbers = stat.rsplit_once(") ").unwrap().1;
                numbers.split(' ').nth(38).unwrap().parse().unwrap()
            })
            .collect();
        assert_eq!(policies.iter().filter(|&&policy| policy == SCHED_IDLE).count(), 1);
        let one = sched_param { sched_priority: 1 };
        let refused = pthread_setschedparam(&thread, SCHED_IDLE, &one);
        row("pthread_setschedparam", "a priority that there is not", refused, EINVAL);
        close(go).expect("close");
        pthread_join(thread).expect("pthread_join");

        let mut attr = pthread_attr_init().expect("attr");
        pthread_attr_setdetachstate(&mut attr, PTHREAD_CREATE_DETACHED).expect("detached");
        let detached = pthread_create(Some(&attr), |()| (), ()).map_err(|(error, ())| error);
        let refused = pthread_setschedparam(&detached.expect("made"), SCHED_OTHER, &param);
        row("pthread_setschedparam", "a detached thread", refused, EINVAL);
    });
}
