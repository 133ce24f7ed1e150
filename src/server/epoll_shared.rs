//! I/O Multiplexing: epoll, shared
//!
//! **Changes** against epoll: worker processes, made before there are clients, each with a loop and an
//! epoll instance of its own, wait at one listening socket. Under EPOLLEXCLUSIVE the kernel wakes one
//! of those who sleep for a new client, not all of them. Who is woken may still come too late, so the
//! socket does not block.
//!
//! **Breaks**: as many costly requests as there are workers stop everybody else; one stops those whom
//! its worker has accepted already. The work is not spread: the kernel wakes the same worker as long
//! as it sleeps.

#![expect(unsafe_code, reason = "fork() is the design")]

use std::ffi::c_int;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::linux::epoll::*;
use crate::posix::Result;
use crate::posix::fcntl::*;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;
use crate::server::clients::Clients;
use crate::server::*;

const NAME: &str = "epoll_shared";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "I/O Multiplexing: epoll, shared",
    changes: "fork() before epoll: processes, each with a loop, at one listening socket",
    transport: Transport::Tcp,
    service: Service::Fibonacci,
    promises: Promises {
        serves: Serves::Forever,
        silent: Silent::Harmless,
        deferred: None,
        heavy: Heavy::StallsPool,
        per_client: PerClient::Descriptor,
        pool: Pool::Processes,
        idle: Idle::Sleeps,
        descriptors: None,
        // Two workers may be awake when a client comes, and both call accept().
        calls: None,
    },
    serve,
};

fn serve(options: &Options) -> Result<()> {
    let servaddr = &options.servaddr;
    let listenfd = socket(servaddr.ss_family.into(), SOCK_STREAM, 0)?;
    setsockopt(&listenfd, SOL_SOCKET, SO_REUSEADDR, &1)?;
    bind(&listenfd, servaddr)?;
    listen(&listenfd, SOMAXCONN)?;
    fcntl(&listenfd, F_SETFL, O_NONBLOCK)?;
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
                return serve_clients(listenfd, options);
            }
            // The parent.
            Ok(childpid) => lifecycle::child_started(childpid),
        }
    }
    close(listenfd)?;
    lifecycle::end_children()
}

fn serve_clients(listenfd: OwnedFd, options: &Options) -> Result<()> {
    let listening = epoll_event::new(EPOLLIN | EPOLLEXCLUSIVE, listenfd.as_raw_fd() as u64);
    // Made by the child: one made by the parent would tell each child of the others' clients.
    let epfd = epoll_create1(0)?;
    epoll_ctl(&epfd, EPOLL_CTL_ADD, &listenfd, Some(&listening))?;

    let mut clients = Clients::new(options.max_n);
    let mut events = [epoll_event::new(0, 0); 64];
    let mut short = false;
    while !lifecycle::stopping() {
        // Short of descriptors, new clients wait a while; the others do not.
        let timeout = if short { lifecycle::PAUSE } else { -1 };
        let nready = match epoll_wait(&epfd, &mut events, timeout) {
            Ok(nready) => nready as usize,
            Err(error) => {
                if lifecycle::survive(error)? {
                    lifecycle::pause();
                }
                continue;
            }
        };
        if short {
            short = false;
            epoll_ctl(&epfd, EPOLL_CTL_ADD, &listenfd, Some(&listening))?;
        }
        for event in &events[..nready] {
            if event.data() != listening.data() {
                clients.advance_client(&epfd, event.data() as c_int);
                continue;
            }
            match accept4(&listenfd, SOCK_NONBLOCK) {
                Ok((connfd, _cliaddr)) => clients.serve_client(&epfd, connfd),
                Err(_) if lifecycle::stopping() => break,
                Err(error) => {
                    short = lifecycle::survive(error)?;
                    // What is added with EPOLLEXCLUSIVE can be removed, but not changed.
                    if short {
                        epoll_ctl(&epfd, EPOLL_CTL_DEL, &listenfd, None)?;
                    }
                }
            }
        }
    }
    close(listenfd)?;
    clients.close_clients();
    close(epfd)
}
