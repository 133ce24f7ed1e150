//! I/O Multiplexing: epoll, edge-triggered
//!
//! **Changes** against epoll: EPOLLET. The kernel tells of a change once, not of a state again and
//! again, so a socket is asked until it would block, and is added once for all that can happen to it.
//! What is left over, nobody tells of any more: this server has a list of those who can go on, the
//! listening socket among them when it is short of descriptors.
//!
//! It pays where the same connection is waited for many times. Here every round of accept() ends with
//! one that fails, which is one call more than epoll makes.
//!
//! **Breaks**: a costly request stops everybody else.
//!
//! [epoll(7)](https://man7.org/linux/man-pages/man7/epoll.7.html), "Starvation (edge-triggered)"

#![forbid(unsafe_code)]

use std::ffi::c_int;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::linux::epoll::*;
use crate::posix::Result;
use crate::posix::error::EAGAIN;
use crate::posix::fcntl::*;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;
use crate::server::clients::{Clients, wait_for};
use crate::server::*;
use crate::service::fibonacci::Progress;

const NAME: &str = "epoll_edge";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "I/O Multiplexing: epoll, edge-triggered",
    changes: "EPOLLET: told of each change once, so every socket is drained",
    transport: Transport::Tcp,
    service: Service::Fibonacci,
    promises: Promises {
        serves: Serves::Forever,
        silent: Silent::Harmless,
        deferred: None,
        heavy: Heavy::Stalls,
        per_client: PerClient::Descriptor,
        pool: Pool::None,
        idle: Idle::Sleeps,
        descriptors: None,
        calls: Some(6),
    },
    serve,
};

/// How often each of those who can go on has its turn before the kernel is asked for others.
const TURNS: usize = 64;

fn serve(options: &Options) -> Result<()> {
    let servaddr = &options.servaddr;
    let listenfd = socket(servaddr.ss_family.into(), SOCK_STREAM, 0)?;
    setsockopt(&listenfd, SOL_SOCKET, SO_REUSEADDR, &1)?;
    bind(&listenfd, servaddr)?;
    listen(&listenfd, SOMAXCONN)?;
    fcntl(&listenfd, F_SETFL, O_NONBLOCK)?;
    let listening = epoll_event::new(EPOLLIN | EPOLLET, listenfd.as_raw_fd() as u64);
    let epfd = epoll_create1(0)?;
    epoll_ctl(&epfd, EPOLL_CTL_ADD, &listenfd, Some(&listening))?;
    lifecycle::ready(NAME, &listenfd)?;

    let mut clients = Clients::new(options.max_n);
    let mut events = [epoll_event::new(0, 0); 64];
    let mut ready = vec![]; // the clients that can go on
    let mut accepting = false; // the listening socket can
    let mut short = false;
    while !lifecycle::stopping() {
        // Short of descriptors, new clients wait a while; the others do not.
        let mut timeout = if short { lifecycle::PAUSE } else { -1 };
        if accepting || !ready.is_empty() {
            timeout = 0;
        }
        let nready = match epoll_wait(&epfd, &mut events, timeout) {
            Ok(nready) => nready as usize,
            Err(error) => {
                if lifecycle::survive(error)? {
                    lifecycle::pause();
                }
                continue;
            }
        };
        // Those who wait to be accepted are not told of again.
        accepting |= short;
        short = false;
        for event in &events[..nready] {
            let connfd = event.data() as c_int;
            if event.data() == listening.data() {
                accepting = true;
            } else if let Some(client) = clients.client_of(connfd)
                && !client.is_ready
            {
                client.is_ready = true;
                ready.push(connfd);
            }
        }
        // In turn, so that nobody who sends for ever keeps the others waiting.
        for _ in 0..TURNS {
            if accepting {
                match accept4(&listenfd, SOCK_NONBLOCK) {
                    Ok((connfd, _cliaddr)) => ready.push(clients.add_client(connfd)),
                    Err(_) if lifecycle::stopping() => break,
                    Err(error) => {
                        short = lifecycle::survive(error)?;
                        accepting = !short && error.errno() != EAGAIN;
                    }
                }
            }
            // Backwards: the last one takes the place of one that can't go on.
            for i in (0..ready.len()).rev() {
                if !advance_ready(&epfd, &mut clients, ready[i]) {
                    ready.swap_remove(i);
                }
            }
            if !accepting && ready.is_empty() {
                break;
            }
        }
    }
    close(listenfd)?;
    clients.close_clients();
    close(epfd)
}

/// Serves a client one step further and returns whether it can go on at once. Otherwise it is waited
/// for, or it is gone.
fn advance_ready(epfd: &OwnedFd, clients: &mut Clients, connfd: c_int) -> bool {
    let Some(client) = clients.client_of(connfd) else { return false };
    let progress = client.exchange.advance(&client.connfd);
    client.is_ready = progress == Progress::More;
    let everything = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    match progress {
        Progress::More => {}
        Progress::Blocked if wait_for(epfd, client, everything) => {}
        _ => clients.close_client(connfd),
    }
    progress == Progress::More
}
