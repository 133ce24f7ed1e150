//! (Non-)Blocking I/O: solution C, non-blocking sockets
//!
//! **Changes** against iterative: every socket is non-blocking. A call that would have to wait fails
//! with EAGAIN, which is the same as EWOULDBLOCK, and is tried again in the next round. So one
//! process can have many clients, at whatever point of their requests they are.
//!
//! **Breaks**: an unclean design, as the lecture says: it has to keep asking. A round in which
//! nothing happened is followed by 10 ms of sleep, or it would burn a CPU; so it wakes a hundred
//! times a second for nothing, and a client may wait 10 ms for nothing. A costly request stops
//! everybody else.

#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;

use crate::posix::Result;
use crate::posix::fcntl::*;
use crate::posix::sys_socket::*;
use crate::posix::time::*;
use crate::posix::unistd::*;
use crate::server::*;
use crate::service::fibonacci::{Exchange, Progress};

const NAME: &str = "nonblocking";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "(Non-)Blocking I/O: non-blocking sockets",
    changes: "O_NONBLOCK: many clients in one process, asked in turn",
    transport: Transport::Tcp,
    service: Service::Fibonacci,
    promises: Promises {
        serves: Serves::Forever,
        silent: Silent::Harmless,
        deferred: None,
        heavy: Heavy::Stalls,
        per_client: PerClient::Descriptor,
        pool: Pool::None,
        idle: Idle::Polls,
        descriptors: None,
        calls: None,
    },
    serve,
};

const ROUND: timespec = timespec { tv_sec: 0, tv_nsec: 10_000_000 };

struct Client {
    connfd: OwnedFd,
    exchange: Exchange,
}

fn serve(options: &Options) -> Result<()> {
    let servaddr = &options.servaddr;
    let listenfd = socket(servaddr.ss_family.into(), SOCK_STREAM, 0)?;
    setsockopt(&listenfd, SOL_SOCKET, SO_REUSEADDR, &1)?;
    bind(&listenfd, servaddr)?;
    listen(&listenfd, 5)?;
    fcntl(&listenfd, F_SETFL, O_NONBLOCK)?;
    lifecycle::ready(NAME, &listenfd)?;

    let mut clients: Vec<Client> = vec![];
    loop {
        let mut idle = true;
        match accept(&listenfd) {
            Ok((connfd, _cliaddr)) => {
                fcntl(&connfd, F_SETFL, O_NONBLOCK)?;
                clients.push(Client { connfd, exchange: Exchange::new(options.max_n) });
                idle = false;
            }
            Err(_) if lifecycle::stopping() => break,
            // EAGAIN: nobody is waiting.
            Err(error) => {
                lifecycle::survive(error)?;
            }
        }
        let mut i = 0;
        while i < clients.len() && !lifecycle::stopping() {
            let client = &mut clients[i];
            let progress = client.exchange.advance(&client.connfd);
            if progress != Progress::Blocked {
                idle = false;
            }
            if progress == Progress::Done {
                let _ = close(clients.swap_remove(i).connfd);
            } else {
                i += 1;
            }
        }
        if idle {
            // A signal may end it early.
            let _ = nanosleep(&ROUND);
        }
    }
    close(listenfd)?;
    for client in clients {
        let _ = close(client.connfd);
    }
    Ok(())
}
