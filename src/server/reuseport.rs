//! I/O Multiplexing: SO_REUSEPORT
//!
//! **Changes** against epoll_shared: SO_REUSEPORT. As many listening sockets at one address as there
//! are workers, each with a queue of its own. The kernel shares the clients out by a hash of their
//! addresses before anybody is woken, so nobody is woken in vain. The parent keeps all of the sockets
//! open: a worker that ends leaves its queue to the one that takes its place.
//!
//! SO_REUSEPORT would let this server be started twice, by mistake. So the first socket takes the port
//! without it.
//!
//! **Breaks**: the hash does not know who is busy. Those whom it gives to a worker that computes wait,
//! though others sleep; and where a worker can't be made, whoever the hash gives to its queue waits
//! until one can. A socket that is closed resets whoever waits in its queue. Any other program of the
//! same user that sets SO_REUSEPORT as well may join, and takes its share of the clients.

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

const NAME: &str = "reuseport";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "I/O Multiplexing: SO_REUSEPORT",
    changes: "SO_REUSEPORT: a listening socket for each of the processes",
    transport: Transport::Tcp,
    service: Service::Fibonacci,
    promises: Promises {
        serves: Serves::Forever,
        silent: Silent::Harmless,
        deferred: None,
        heavy: Heavy::StallsShare,
        per_client: PerClient::Descriptor,
        pool: Pool::Processes,
        idle: Idle::Sleeps,
        descriptors: None,
        calls: Some(5),
    },
    serve,
};

fn serve(options: &Options) -> Result<()> {
    let mut servaddr = options.servaddr;
    let mut listenfds = vec![];
    for i in 0..options.workers {
        let listenfd = socket(servaddr.ss_family.into(), SOCK_STREAM, 0)?;
        setsockopt(&listenfd, SOL_SOCKET, SO_REUSEADDR, &1)?;
        // The first takes the port as if it were alone; then the others share it.
        setsockopt(&listenfd, SOL_SOCKET, SO_REUSEPORT, &c_int::from(i > 0))?;
        bind(&listenfd, &servaddr)?;
        setsockopt(&listenfd, SOL_SOCKET, SO_REUSEPORT, &1)?;
        listen(&listenfd, SOMAXCONN)?;
        fcntl(&listenfd, F_SETFL, O_NONBLOCK)?;
        // Port 0 is any free one for the first, and for the others the one that it got.
        servaddr = getsockname(&listenfd)?;
        listenfds.push(listenfd);
    }
    lifecycle::ready(NAME, &listenfds[0])?;
    for listenfd in &listenfds[1..] {
        lifecycle::also_listening(listenfd);
    }

    lifecycle::hold_signals()?;
    while lifecycle::lacks_worker(options.workers)? {
        let place = lifecycle::vacancy();
        // SAFETY: this server has one thread.
        match unsafe { fork() } {
            // No process to be had: it is tried again after a while.
            Err(error) => lifecycle::report(error),
            // The child.
            Ok(0) => {
                lifecycle::worker()?;
                let listenfd = listenfds.remove(place);
                for other in listenfds {
                    close(other)?;
                }
                return serve_clients(listenfd, options);
            }
            // The parent.
            Ok(childpid) => lifecycle::child_started(childpid),
        }
    }
    for listenfd in listenfds {
        close(listenfd)?;
    }
    lifecycle::end_children()
}

fn serve_clients(listenfd: OwnedFd, options: &Options) -> Result<()> {
    let listening = epoll_event::new(EPOLLIN, listenfd.as_raw_fd() as u64);
    let nothing = epoll_event::new(0, listening.data());
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
            epoll_ctl(&epfd, EPOLL_CTL_MOD, &listenfd, Some(&listening))?;
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
                    if short {
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
