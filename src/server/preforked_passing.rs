//! TCP Fibonacci Service - Preforked, Descriptor Passing
//!
//! **Changes** against preforked: only the parent accepts, and hands the connected socket to a child
//! that is free, through a Unix socket (SCM_RIGHTS). The child says by one byte that it is free again,
//! and by the end of file that it has ended. While no child is free, clients wait in the queue.
//!
//! **Breaks**: as many silent clients, or costly requests, as there are children stop everybody else.
//! Handing over costs more than what the rest of a short request costs, and all of it goes through
//! one process. A client dies with the child that it is handed to.
//!
//! UNIX Network Programming, volume 1, section 30.9.

#![expect(unsafe_code, reason = "fork() is the design")]

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};

use crate::posix::error::{ECONNRESET, EMFILE};
use crate::posix::fcntl::*;
use crate::posix::netinet_in::IPPROTO_TCP;
use crate::posix::netinet_tcp::TCP_DEFER_ACCEPT;
use crate::posix::poll::*;
use crate::posix::signal::*;
use crate::posix::sys_socket::*;
use crate::posix::time::*;
use crate::posix::unistd::*;
use crate::posix::{Error, Result};
use crate::server::*;
use crate::service::fibonacci::handle_request;

const NAME: &str = "preforked_passing";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "TCP Fibonacci Service - Preforked, Descriptor Passing",
    changes: "the parent accepts and passes the socket to a free child",
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
        calls: Some(11),
    },
    serve,
};

struct Child {
    pipefd: OwnedFd,
    is_free: bool,
}

fn is_free(children: &[Child]) -> bool {
    children.iter().any(|child| child.is_free)
}

/// In milliseconds.
fn now() -> Result<i64> {
    let now = clock_gettime(CLOCK_MONOTONIC)?;
    Ok(now.tv_sec * 1000 + now.tv_nsec / 1_000_000)
}

fn hand_over(children: &mut Vec<Child>, connfd: &OwnedFd) {
    while let Some(i) = children.iter().position(|child| child.is_free) {
        let iov = [IoSlice::new(&[0])];
        let msg = msghdr { msg_iov: &iov, msg_rights: &[connfd.as_fd()], ..msghdr::default() };
        if sendmsg(&children[i].pipefd, &msg, 0).is_ok() {
            children[i].is_free = false;
            break;
        }
        // It has ended, or ends now that its socket is closed: another one takes the client.
        let _ = close(children.swap_remove(i).pipefd);
    }
}

/// A connected socket from the parent, or nothing when the parent has closed its end, be it with
/// something unread.
fn take_over(pipefd: &OwnedFd) -> Result<Option<OwnedFd>> {
    let (mut byte, mut control) = ([0], [0; CMSG_SPACE(size_of::<i32>())]);
    match recvmsg(pipefd, &mut [IoSliceMut::new(&mut byte)], &mut control, 0) {
        Ok((0, _)) => Ok(None),
        Err(error) if error.errno() == ECONNRESET => Ok(None),
        Err(error) => Err(error),
        // MSG_CTRUNC: this process has no descriptor left, and the client is gone.
        Ok((_, mut received)) => {
            received.msg_rights.pop().map(Some).ok_or(Error::new("recvmsg", EMFILE))
        }
    }
}

fn serve_clients(pipefd: OwnedFd, options: &Options) -> Result<()> {
    while !lifecycle::stopping() {
        match take_over(&pipefd) {
            Ok(Some(connfd)) => {
                lifecycle::serving(&connfd);
                handle_request(&connfd, options.max_n);
                lifecycle::served();
                let _ = close(connfd);
            }
            Ok(None) => break,
            Err(error) => {
                if !lifecycle::survive(error)? {
                    continue;
                }
                lifecycle::pause();
            }
        }
        // Free again. The parent may be gone.
        if write(&pipefd, &[0]).is_err() {
            break;
        }
    }
    close(pipefd)
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
    fcntl(&listenfd, F_SETFL, O_NONBLOCK)?;
    signal(SIGCHLD, SIG_IGN)?; // no zombies
    lifecycle::ready(NAME, &listenfd)?;

    let mut children: Vec<Child> = vec![];
    let mut fds: Vec<pollfd> = vec![];
    let mut due = 0;
    loop {
        // All that are lacking, and the next ones a pause later, in case they all end at once.
        let is_due = children.len() < options.workers && now()? >= due;
        if is_due {
            due = now()? + i64::from(lifecycle::PAUSE);
        }
        while is_due && children.len() < options.workers {
            let [pipefd, childfd] = match socketpair(AF_UNIX, SOCK_STREAM, 0) {
                Ok(sv) => sv,
                Err(error) => {
                    lifecycle::report(error);
                    break;
                }
            };
            // SAFETY: this server has one thread.
            match unsafe { fork() } {
                // No process to be had: it is tried again after a while.
                Err(error) => {
                    lifecycle::report(error);
                    let _ = close(pipefd);
                    let _ = close(childfd);
                    break;
                }
                // The child. With a copy of another child's socket it would keep that one alive.
                Ok(0) => {
                    lifecycle::worker()?;
                    close(listenfd)?;
                    close(pipefd)?;
                    for child in children {
                        close(child.pipefd)?;
                    }
                    return serve_clients(childfd, options);
                }
                // The parent.
                Ok(childpid) => {
                    lifecycle::child_started(childpid);
                    children.push(Child { pipefd, is_free: true });
                }
            }
            close(childfd)?;
        }
        fds.clear();
        fds.push(pollfd::new(&listenfd, if is_free(&children) { POLLIN } else { 0 }));
        for child in &children {
            fds.push(pollfd::new(&child.pipefd, POLLIN));
        }
        let timeout = if children.len() < options.workers { lifecycle::PAUSE } else { -1 };
        match poll(&mut fds, timeout) {
            Ok(_nready) => {}
            Err(error) => {
                if lifecycle::survive(error)? {
                    lifecycle::pause();
                }
                continue;
            }
        }
        // Backwards: the last child takes the place of one that has ended.
        for i in (0..children.len()).rev() {
            if fds[i + 1].revents() != 0 {
                match read(&children[i].pipefd, &mut [0]) {
                    Ok(1) => children[i].is_free = true,
                    _ => {
                        let _ = close(children.swap_remove(i).pipefd);
                    }
                }
            }
        }
        if fds[0].revents() != 0 && (is_free(&children) || lifecycle::stopping()) {
            match accept(&listenfd) {
                Ok((connfd, _cliaddr)) => {
                    hand_over(&mut children, &connfd);
                    let _ = close(connfd);
                }
                Err(_) if lifecycle::stopping() => break,
                Err(error) => {
                    if lifecycle::survive(error)? {
                        lifecycle::pause();
                    }
                }
            }
        }
    }
    close(listenfd)?;
    // The end of file: a child that is about to wait for the next client ends.
    for child in children {
        let _ = close(child.pipefd);
    }
    lifecycle::end_children()
}
