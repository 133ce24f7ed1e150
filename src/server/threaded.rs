//! TCP Fibonacci Service - Threaded
//!
//! **Changes** against forked: a thread instead of a process. It gets the function to run and the
//! connected socket; nothing is copied and nothing is closed twice. Detached, so that its memory is
//! released when it ends.
//!
//! **Breaks**: memory is shared, so what one thread breaks is broken for all; a thread for each
//! client, without limit.

#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::posix::Result;
use crate::posix::pthread::*;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;
use crate::server::*;
use crate::service::fibonacci::handle_request;

const NAME: &str = "threaded";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "TCP Fibonacci Service - Threaded",
    changes: "pthread_create() instead of fork(): a thread for each client",
    transport: Transport::Tcp,
    service: Service::Fibonacci,
    promises: Promises {
        serves: Serves::Forever,
        silent: Silent::Harmless,
        deferred: None,
        heavy: Heavy::Harmless,
        per_client: PerClient::Thread,
        pool: Pool::None,
        idle: Idle::Sleeps,
        descriptors: None,
        calls: Some(11),
    },
    serve,
};

/// Set before the first thread is made, and only read from then on.
static MAX_N: AtomicU64 = AtomicU64::new(0);

fn serve(options: &Options) -> Result<()> {
    let servaddr = &options.servaddr;
    let listenfd = socket(servaddr.ss_family.into(), SOCK_STREAM, 0)?;
    setsockopt(&listenfd, SOL_SOCKET, SO_REUSEADDR, &1)?;
    bind(&listenfd, servaddr)?;
    listen(&listenfd, 5)?;
    let mut attr = pthread_attr_init()?;
    pthread_attr_setdetachstate(&mut attr, PTHREAD_CREATE_DETACHED)?;
    pthread_attr_setstacksize(&mut attr, lifecycle::STACK_SIZE)?;
    MAX_N.store(options.max_n, Relaxed);
    lifecycle::ready(NAME, &listenfd)?;

    loop {
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
        lifecycle::connected(&connfd);
        // The descriptor itself is the argument: memory that is freed in a new thread has the
        // allocator set itself up there, which costs more than the client.
        if let Err((error, connfd)) = pthread_create(Some(&attr), serve_client, connfd) {
            // No thread to be had: this client is closed, the server goes on.
            lifecycle::report(error);
            lifecycle::close_connected(connfd);
        }
    }
    close(listenfd)?;
    lifecycle::end_connected();
    Ok(())
}

fn serve_client(connfd: OwnedFd) {
    handle_request(&connfd, MAX_N.load(Relaxed));
    lifecycle::close_connected(connfd);
}
