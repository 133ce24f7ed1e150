//! Events and Threads: hybrid
//!
//! **Changes** against epoll: the loop computes nothing costly. Below n = 20 it answers by itself;
//! whatever takes longer goes to a few threads of the lowest priority, so that the loop has the
//! processor whenever it has something to do. A silent client costs a descriptor, a costly request
//! waits for other costly requests, and nobody else notices either.
//!
//! It is the design to deploy, so everything in it has a limit:
//!
//! | what | option |
//! |---|---|
//! | clients | `--max-clients`, `--max-per-address` |
//! | the time that a request takes to arrive, and an answer to be taken | `--deadline` |
//! | costly requests that wait | `--max-queue` |
//! | what a request computes | `--max-n` |
//! | how long it takes to stop | `--drain` |
//! | what a server can do that somebody else has taken over | `--sandbox` |
//!
//! Which of the lecture's warnings is answered where:
//!
//! | warning | answer |
//! |---|---|
//! | a server that waits forever for a client that never sends | the deadline of the whole request, in [`clients`]: no byte puts it off |
//! | "keep polling" is unclean | one epoll_wait(), which has a time limit only while a client's time runs |
//! | memory is shared, "leading to the usual problems" | [`pool`]: loop and threads share none |
//! | a process or a thread for each client | a descriptor and 144 bytes for each, and [`limits`] |
//! | "Avoid zombies", "otherwise it will never be released" | no children; a descriptor has one owner |
//! | Ctrl-C in the middle of a request | [`events`]: what has been asked for is answered, and then it ends |
//!
//! **Breaks**: on a machine that is busy with something else costly requests get what that leaves
//! over. What is being computed is computed to its end, whether or not the client is still there; and a
//! client that closes is not told from one that only sends no more.

#![forbid(unsafe_code)]

mod clients;
mod counters;
mod events;
mod limits;
mod pool;

use std::ffi::c_int;

use events::Server;
use pool::Pool as Threads;

use crate::linux::epoll::*;
use crate::linux::sandbox::{forbid_calls, forbid_files};
use crate::posix::Result;
use crate::posix::fcntl::*;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;
use crate::server::*;

const NAME: &str = "hybrid";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "Events and Threads: hybrid",
    changes: "a loop that waits, and a few threads that compute",
    transport: Transport::Tcp,
    service: Service::Fibonacci,
    promises: Promises {
        serves: Serves::Forever,
        silent: Silent::Harmless,
        deferred: None,
        heavy: Heavy::Harmless,
        per_client: PerClient::Descriptor,
        pool: Pool::Threads,
        idle: Idle::Sleeps,
        descriptors: None,
        calls: Some(5),
    },
    serve,
};

/// What the kernel gives back with an event: a client's descriptor, or one of these.
const LISTENING: u64 = 1 << 32;
const SIGNALS: u64 = 2 << 32;
/// The thread's number is added.
const RESULTS: u64 = 3 << 32;

fn serve(options: &Options) -> Result<()> {
    let servaddr = &options.servaddr;
    let listenfd = socket(servaddr.ss_family.into(), SOCK_STREAM, 0)?;
    setsockopt(&listenfd, SOL_SOCKET, SO_REUSEADDR, &1)?;
    bind(&listenfd, servaddr)?;
    listen(&listenfd, SOMAXCONN)?;
    fcntl(&listenfd, F_SETFL, O_NONBLOCK)?;
    let line = lifecycle::readiness(NAME, &listenfd)?;
    let sigfd = lifecycle::signal_descriptor()?;
    let epfd = epoll_create1(0)?;
    epoll_ctl(&epfd, EPOLL_CTL_ADD, &listenfd, Some(&epoll_event::new(EPOLLIN, LISTENING)))?;
    epoll_ctl(&epfd, EPOLL_CTL_ADD, &sigfd, Some(&epoll_event::new(EPOLLIN, SIGNALS)))?;
    if options.sandbox {
        forbid_files()?;
    }
    let clients = limits::room(options.limits.clients, options.workers)?;
    let threads = Threads::start(options.workers, &epfd)?;
    if options.sandbox {
        forbid_calls()?;
    }
    lifecycle::announce(&line)?;

    let mut server = Server::new(options, clients, listenfd, epfd, threads);
    let mut ready = [epoll_event::new(0, 0); 64];
    while server.goes_on()? {
        let nready = match epoll_wait(&server.epfd, &mut ready, server.patience()?) {
            Ok(nready) => nready as usize,
            Err(error) => {
                if lifecycle::survive(error)? {
                    lifecycle::pause();
                }
                continue;
            }
        };
        server.listen_again()?;
        let mut signalled = false;
        for event in &ready[..nready] {
            match event.data() {
                LISTENING => drop(server.accept_client()?),
                // Last, since it may close those who have asked just now.
                SIGNALS => signalled = true,
                data @ RESULTS.. => server.finish_job((data - RESULTS) as usize)?,
                connfd => server.advance_client(connfd as c_int)?,
            }
        }
        server.send_late_away()?;
        if signalled {
            server.obey(&sigfd)?;
        }
    }
    server.end()?;
    close(sigfd)
}
