//! I/O Multiplexing: poll
//!
//! **Changes** against select: a list of descriptors with the events that are asked for, instead of
//! three sets of bits. So there is no largest descriptor, and what was asked stays apart from what
//! was found.
//!
//! **Breaks**: the list is read through in every round, whoever is ready: with ten thousand idle
//! clients one request costs ten times what it costs alone. A costly request stops everybody else.

#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;

use crate::posix::Result;
use crate::posix::fcntl::*;
use crate::posix::poll::*;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;
use crate::server::*;
use crate::service::fibonacci::{Exchange, Progress};

const NAME: &str = "poll";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "I/O Multiplexing: poll",
    changes: "poll() instead of select(): no largest descriptor",
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

struct Client {
    connfd: OwnedFd,
    exchange: Exchange,
}

fn serve(options: &Options) -> Result<()> {
    let servaddr = &options.servaddr;
    let listenfd = socket(servaddr.ss_family.into(), SOCK_STREAM, 0)?;
    setsockopt(&listenfd, SOL_SOCKET, SO_REUSEADDR, &1)?;
    bind(&listenfd, servaddr)?;
    listen(&listenfd, SOMAXCONN)?;
    fcntl(&listenfd, F_SETFL, O_NONBLOCK)?;
    lifecycle::ready(NAME, &listenfd)?;

    let mut clients: Vec<Client> = vec![];
    let mut fds: Vec<pollfd> = vec![];
    let mut short = false;
    loop {
        // Short of descriptors, new clients wait a while; the others do not.
        fds.clear();
        fds.push(pollfd::new(&listenfd, if short { 0 } else { POLLIN }));
        for client in &clients {
            let events = if client.exchange.is_answering() { POLLOUT } else { POLLIN };
            fds.push(pollfd::new(&client.connfd, events));
        }
        match poll(&mut fds, if short { lifecycle::PAUSE } else { -1 }) {
            Ok(_nready) => {}
            Err(error) => {
                if lifecycle::survive(error)? {
                    lifecycle::pause();
                }
                continue;
            }
        }
        short = false;
        // Backwards: the last client takes the place of one that is closed.
        for i in (0..clients.len()).rev() {
            let client = &mut clients[i];
            let ready = fds[i + 1].revents() != 0 && !lifecycle::stopping();
            if ready && client.exchange.advance(&client.connfd) == Progress::Done {
                let _ = close(clients.swap_remove(i).connfd);
            }
        }
        if fds[0].revents() != 0 {
            match accept4(&listenfd, SOCK_NONBLOCK) {
                Ok((connfd, _cliaddr)) => {
                    let mut exchange = Exchange::new(options.max_n);
                    // The request mostly comes right behind its connection.
                    if exchange.advance(&connfd) == Progress::Done {
                        let _ = close(connfd);
                    } else {
                        clients.push(Client { connfd, exchange });
                    }
                }
                Err(_) if lifecycle::stopping() => break,
                Err(error) => short = lifecycle::survive(error)?,
            }
        }
    }
    close(listenfd)?;
    for client in clients {
        let _ = close(client.connfd);
    }
    Ok(())
}
