//! TCP Fibonacci Service - Preforked, File Lock
//!
//! **Changes** against preforked: the children take turns at accept(), with a record lock of a file.
//! Where the kernel would wake all that wait in accept() for one client, one waits there, and the
//! others for the lock. A child's lock ends with the child.
//!
//! **Breaks**: as many silent clients, or costly requests, as there are children stop everybody else.
//! Linux wakes one child for a client even without the lock, which costs two calls and a turn.
//!
//! UNIX Network Programming, volume 1, section 30.7.

#![expect(unsafe_code, reason = "fork() is the design")]

use std::ffi::{c_int, c_short};
use std::os::fd::OwnedFd;

use crate::linux::sys_mman::memfd_create;
use crate::posix::Result;
use crate::posix::fcntl::*;
use crate::posix::netinet_in::IPPROTO_TCP;
use crate::posix::netinet_tcp::TCP_DEFER_ACCEPT;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;
use crate::server::*;
use crate::service::fibonacci::handle_request;

const NAME: &str = "preforked_fcntl";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "TCP Fibonacci Service - Preforked, File Lock",
    changes: "the children take turns at accept(), with a lock of a file",
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
        calls: Some(6),
    },
    serve,
};

/// Takes the lock of the whole file, however long, or gives it up.
fn lock(lockfd: &OwnedFd, l_type: c_int) -> Result<()> {
    let l_whence = SEEK_SET as c_short;
    let mut lock = flock { l_type: l_type as c_short, l_whence, l_start: 0, l_len: 0, l_pid: 0 };
    fcntl_lock(lockfd, F_SETLKW, &mut lock)?;
    Ok(())
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
    // A file that needs no folder: somewhere to write to is not to be had everywhere.
    let lockfd = memfd_create(c"accept", 0)?;
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
                return serve_clients(listenfd, lockfd, options);
            }
            // The parent.
            Ok(childpid) => lifecycle::child_started(childpid),
        }
    }
    close(listenfd)?;
    close(lockfd)?;
    lifecycle::end_children()
}

fn serve_clients(listenfd: OwnedFd, lockfd: OwnedFd, options: &Options) -> Result<()> {
    while !lifecycle::stopping() {
        if let Err(error) = lock(&lockfd, F_WRLCK) {
            if lifecycle::survive(error)? {
                lifecycle::pause();
            }
            continue;
        }
        let accepted = accept(&listenfd);
        lock(&lockfd, F_UNLCK)?;
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
    close(lockfd)?;
    close(listenfd)
}
