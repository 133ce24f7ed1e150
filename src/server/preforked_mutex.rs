//! TCP Fibonacci Service - Preforked, Mutex
//!
//! **Changes** against preforked_fcntl: a mutex in memory that the processes share, in place of the
//! file's lock. Nobody enters the kernel for a mutex that is free. It is robust: when a child dies
//! with it, the next one gets it and is told so.
//!
//! **Breaks**: as many silent clients, or costly requests, as there are children stop everybody else.
//! A mutex that is not robust would stop everybody for ever once its holder is killed.
//!
//! UNIX Network Programming, volume 1, section 30.8.

#![expect(unsafe_code, reason = "fork() is the design")]

use std::os::fd::OwnedFd;

use crate::posix::Result;
use crate::posix::error::EOWNERDEAD;
use crate::posix::netinet_in::IPPROTO_TCP;
use crate::posix::netinet_tcp::TCP_DEFER_ACCEPT;
use crate::posix::pthread::*;
use crate::posix::sys_mman::*;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;
use crate::server::*;
use crate::service::fibonacci::handle_request;

const NAME: &str = "preforked_mutex";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "TCP Fibonacci Service - Preforked, Mutex",
    changes: "a robust mutex in shared memory in place of the lock",
    transport: Transport::Tcp,
    service: Service::Fibonacci,
    promises: Promises {
        serves: Serves::Forever,
        silent: Silent::StallsPool,
        deferred: Some(Silent::Harmless),
        heavy: Heavy::StallsPool,
        per_client: PerClient::Descriptor,
        pool: Pool::Processes,
        idle: Idle::Sleeps,
        descriptors: None,
        calls: Some(4),
    },
    serve,
};

/// Takes the mutex, also from a child that has died with it.
fn lock(mutex: &'static pthread_mutex_t) -> Result<()> {
    match pthread_mutex_lock(mutex) {
        Err(error) if error.errno() == EOWNERDEAD => pthread_mutex_consistent(mutex),
        locked => locked,
    }
}

fn serve(options: &Options) -> Result<()> {
    let servaddr = &options.servaddr;
    let listenfd = socket(servaddr.ss_family.into(), SOCK_STREAM, 0)?;
    setsockopt(&listenfd, SOL_SOCKET, SO_REUSEADDR, &1)?;
    if let Some(seconds) = options.defer_accept {
        setsockopt(&listenfd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds)?;
    }
    bind(&listenfd, servaddr)?;
    listen(&listenfd, SOMAXCONN)?;
    let mut attr = pthread_mutexattr_init()?;
    pthread_mutexattr_setpshared(&mut attr, PTHREAD_PROCESS_SHARED)?;
    pthread_mutexattr_setrobust(&mut attr, PTHREAD_MUTEX_ROBUST)?;
    let mutex = mmap(MAP_SHARED)?;
    let mutex = pthread_mutex_init(mutex, Some(&attr))?;
    lifecycle::ready(NAME, &listenfd)?;

    lifecycle::hold_signals()?;
    while lifecycle::lacks_worker(options.workers)? {
        // SAFETY: this server has one thread.
        match unsafe { fork() } {
            // No process to be had: it is tried again after a while.
            Err(error) => lifecycle::report(error),
            // The child.
            Ok(0) => {
                lifecycle::worker()?;
                return serve_clients(listenfd, mutex, options);
            }
            // The parent.
            Ok(childpid) => lifecycle::child_started(childpid),
        }
    }
    close(listenfd)?;
    lifecycle::end_children()
}

fn serve_clients(
    listenfd: OwnedFd,
    mutex: &'static pthread_mutex_t,
    options: &Options,
) -> Result<()> {
    loop {
        lock(mutex)?;
        // No signal ends the wait for the mutex.
        if lifecycle::stopping() {
            pthread_mutex_unlock(mutex)?;
            break;
        }
        let accepted = accept(&listenfd);
        pthread_mutex_unlock(mutex)?;
        let (connfd, _cliaddr) = match accepted {
            Ok(accepted) => accepted,
            Err(_) if lifecycle::stopping() => break,
            Err(error) => {
                if lifecycle::survive(error)? {
                    lifecycle::pause();
                }
                continue;
            }
        };
        lifecycle::serving(&connfd);
        handle_request(&connfd, options.max_n);
        lifecycle::served();
        let _ = close(connfd);
    }
    close(listenfd)
}
