//! TCP Fibonacci Service - Prethreaded, with a queue
//!
//! **Changes** against prethreaded: only the main thread accepts. It puts each client into a queue,
//! from which the worker threads take them: producer and consumers, with a semaphore for the room
//! that is left and one for the clients that wait. While there is no room nobody is accepted, and
//! the kernel's queue, the backlog, holds those who come.
//!
//! **Breaks**: as prethreaded does. A client that is handed over wakes a thread once more, and who
//! is queued is connected but not served. UNIX Network Programming's server ends when its queue is
//! full.
//!
//! UNIX Network Programming, volume 1, section 30.12.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use crate::posix::Result;
use crate::posix::netinet_in::IPPROTO_TCP;
use crate::posix::netinet_tcp::TCP_DEFER_ACCEPT;
use crate::posix::pthread::*;
use crate::posix::semaphore::*;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;
use crate::server::*;
use crate::service::fibonacci::handle_request;

const NAME: &str = "prethreaded_queue";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "TCP Fibonacci Service - Prethreaded, with a queue",
    changes: "the main thread accepts; a bounded queue hands over to the threads",
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

/// How many clients the queue has room for.
const QUEUE: u32 = 32;

static QUEUED: Mutex<VecDeque<OwnedFd>> = Mutex::new(VecDeque::new());
static ROOM: sem_t = sem_t();
static FILLED: sem_t = sem_t();

fn enqueue(connfd: OwnedFd) {
    QUEUED.lock().unwrap_or_else(PoisonError::into_inner).push_back(connfd);
}

fn dequeue() -> Option<OwnedFd> {
    QUEUED.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

fn start(max_n: u64) {
    serve_clients(max_n).unwrap_or_else(|error| lifecycle::die(error));
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
    sem_init(&ROOM, 0, QUEUE)?;
    sem_init(&FILLED, 0, 0)?;
    lifecycle::wakes(&ROOM);
    lifecycle::ready(NAME, &listenfd)?;

    let mut threads = vec![];
    for _ in 0..options.workers {
        let thread = pthread_create(Some(&attr), start, options.max_n);
        threads.push(thread.map_err(|(error, _)| error)?);
    }
    loop {
        sem_wait(&ROOM)?;
        // What a request to stop has given is no room.
        if lifecycle::stopping() {
            break;
        }
        let (connfd, _cliaddr) = match accept(&listenfd) {
            Ok(accepted) => accepted,
            Err(_) if lifecycle::stopping() => break,
            Err(error) => {
                if lifecycle::survive(error)? {
                    lifecycle::pause();
                }
                sem_post(&ROOM)?;
                continue;
            }
        };
        enqueue(connfd);
        sem_post(&FILLED)?;
    }
    close(listenfd)?;
    lifecycle::end_connected();
    // Once more: whoever finds nobody knows that this is the end.
    sem_post(&FILLED)?;
    for thread in threads {
        pthread_join(thread)?;
    }
    Ok(())
}

fn serve_clients(max_n: u64) -> Result<()> {
    loop {
        sem_wait(&FILLED)?;
        let Some(connfd) = dequeue() else { break };
        sem_post(&ROOM)?;
        lifecycle::connected(&connfd);
        handle_request(&connfd, max_n);
        lifecycle::close_connected(connfd);
    }
    // The next one is to find nobody too.
    sem_post(&FILLED)
}
