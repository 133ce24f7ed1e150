//! TCP Fibonacci Service - Prethreaded
//!
//! **Changes** against threaded: the threads are made before there are clients, and each of them
//! accepts and serves one client after the other. They take turns at accept() under a mutex. The main
//! thread accepts nobody; it waits for signals.
//!
//! **Breaks**: as many silent clients, or costly requests, as there are threads stop everybody else.
//! Linux wakes one thread for a client even without the mutex, which costs a turn.
//!
//! UNIX Network Programming, volume 1, section 30.11.

#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::posix::Result;
use crate::posix::netinet_in::IPPROTO_TCP;
use crate::posix::netinet_tcp::TCP_DEFER_ACCEPT;
use crate::posix::pthread::*;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;
use crate::server::*;
use crate::service::fibonacci::handle_request;

const NAME: &str = "prethreaded";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "TCP Fibonacci Service - Prethreaded",
    changes: "threads that wait for clients, taking turns at accept()",
    transport: Transport::Tcp,
    service: Service::Fibonacci,
    promises: Promises {
        serves: Serves::Forever,
        silent: Silent::StallsPool,
        deferred: Some(Silent::Harmless),
        heavy: Heavy::StallsPool,
        per_client: PerClient::Descriptor,
        pool: Pool::Threads,
        idle: Idle::Sleeps,
        descriptors: None,
        calls: Some(4),
    },
    serve,
};

static ACCEPTING: pthread_mutex_t = PTHREAD_MUTEX_INITIALIZER();

struct Worker {
    listenfd: Arc<OwnedFd>,
    max_n: u64,
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
    let mut attr = pthread_attr_init()?;
    pthread_attr_setstacksize(&mut attr, lifecycle::STACK_SIZE)?;
    lifecycle::ready(NAME, &listenfd)?;

    lifecycle::hold_signals()?;
    let listenfd = Arc::new(listenfd);
    let mut threads = vec![];
    for _ in 0..options.workers {
        let worker = Worker { listenfd: Arc::clone(&listenfd), max_n: options.max_n };
        threads.push(pthread_create(Some(&attr), start, worker).map_err(|(error, _)| error)?);
    }
    lifecycle::wait_for_stop()?;
    lifecycle::end_connected();
    for thread in threads {
        pthread_join(thread)?;
    }
    // The threads have given theirs up.
    match Arc::into_inner(listenfd) {
        Some(listenfd) => close(listenfd),
        None => Ok(()),
    }
}

fn start(worker: Worker) {
    serve_clients(&worker).unwrap_or_else(|error| lifecycle::die(error));
}

fn serve_clients(worker: &Worker) -> Result<()> {
    while !lifecycle::stopping() {
        pthread_mutex_lock(&ACCEPTING)?;
        let accepted = accept(&worker.listenfd);
        pthread_mutex_unlock(&ACCEPTING)?;
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
        lifecycle::connected(&connfd);
        handle_request(&connfd, worker.max_n);
        lifecycle::close_connected(connfd);
    }
    Ok(())
}
