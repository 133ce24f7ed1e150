//! TCP Fibonacci Service - Preforked
//!
//! **Changes** against forked: the children are made before there are clients, and each of them
//! accepts and serves one client after the other. The kernel wakes one of those that wait in accept()
//! on the same socket. The parent accepts nobody; it waits for signals and replaces a child that ends.
//!
//! **Breaks**: as many silent clients, or costly requests, as there are children stop everybody else.
//! How many children there should be is a guess.
//!
//! UNIX Network Programming, volume 1, section 30.6.

#![expect(unsafe_code, reason = "fork() is the design")]

use std::os::fd::OwnedFd;

use crate::posix::Result;
use crate::posix::netinet_in::IPPROTO_TCP;
use crate::posix::netinet_tcp::TCP_DEFER_ACCEPT;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;
use crate::server::*;
use crate::service::fibonacci::handle_request;

const NAME: &str = "preforked";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "TCP Fibonacci Service - Preforked",
    changes: "fork() before accept(): child processes that wait for clients",
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

fn serve(options: &Options) -> Result<()> {
    let servaddr = &options.servaddr;
    let listenfd = socket(servaddr.ss_family.into(), SOCK_STREAM, 0)?;
    setsockopt(&listenfd, SOL_SOCKET, SO_REUSEADDR, &1)?;
    if let Some(seconds) = options.defer_accept {
        setsockopt(&listenfd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds)?;
    }
    bind(&listenfd, servaddr)?;
    listen(&listenfd, SOMAXCONN)?;
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
    while !lifecycle::stopping() {
        let (connfd, _cliaddr) = match accept(&listenfd) {
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
