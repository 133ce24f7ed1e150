//! I/O Multiplexing: epoll
//!
//! **Changes** against poll: the kernel keeps the list. A descriptor is added once, closing it removes
//! it, and what comes back is only who is ready, so that ten thousand idle clients cost an active one
//! nothing. Level-triggered: who is still ready is told again.
//!
//! A request mostly comes right behind its connection, so it is looked for before the socket is added,
//! which then is not necessary.
//!
//! **Breaks**: a costly request stops everybody else.

#![forbid(unsafe_code)]

use std::ffi::c_int;
use std::os::fd::AsRawFd;

use crate::linux::epoll::*;
use crate::posix::Result;
use crate::posix::fcntl::*;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;
use crate::server::clients::Clients;
use crate::server::*;

const NAME: &str = "epoll";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "I/O Multiplexing: epoll",
    changes: "epoll: the kernel remembers who is waited for",
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
        calls: Some(5),
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
    let listening = listenfd.as_raw_fd() as u64;
    let epfd = epoll_create1(0)?;
    epoll_ctl(&epfd, EPOLL_CTL_ADD, &listenfd, Some(&epoll_event::new(EPOLLIN, listening)))?;
    lifecycle::ready(NAME, &listenfd)?;

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
            epoll_ctl(
                &epfd,
                EPOLL_CTL_MOD,
                &listenfd,
                Some(&epoll_event::new(EPOLLIN, listening)),
            )?;
        }
        for event in &events[..nready] {
            if event.data() != listening {
                clients.advance_client(&epfd, event.data() as c_int);
                continue;
            }
            match accept4(&listenfd, SOCK_NONBLOCK) {
                Ok((connfd, _cliaddr)) => clients.serve_client(&epfd, connfd),
                Err(_) if lifecycle::stopping() => break,
                Err(error) => {
                    short = lifecycle::survive(error)?;
                    if short {
                        let nothing = epoll_event::new(0, listening);
                        epoll_ctl(&epfd, EPOLL_CTL_MOD, &listenfd, Some(&nothing))?;
                    }
                }
            }
        }
    }
    close(listenfd)?;
    clients.close_clients();
    close(epfd)
}
