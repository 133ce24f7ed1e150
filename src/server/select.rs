//! I/O Multiplexing: select
//!
//! **Changes** against nonblocking: instead of asking every socket in turn, ask select() which ones
//! are ready, and sleep until one is. A socket is asked for one thing when it is ready for it, and
//! never blocks.
//!
//! **Breaks**: a set has room for the descriptors below FD_SETSIZE, 1024; a client beyond is told so
//! and closed. The sets are built anew and read through in every round, whoever is ready. A costly
//! request stops everybody else.

#![forbid(unsafe_code)]

use std::os::fd::{AsRawFd, OwnedFd};

use crate::posix::error::EMFILE;
use crate::posix::fcntl::*;
use crate::posix::sys_select::*;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;
use crate::posix::{Error, Result};
use crate::server::*;
use crate::service::fibonacci::{Exchange, Progress};

const NAME: &str = "select";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "I/O Multiplexing: select",
    changes: "select() says which sockets are ready",
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
        descriptors: Some(FD_SETSIZE),
        calls: Some(5),
    },
    serve,
};

const FULL: &[u8] = b"error: no room: select() knows descriptors below 1024 only\n";

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
    if listenfd.as_raw_fd() >= FD_SETSIZE as i32 {
        return Err(Error::new("FD_SET", EMFILE));
    }
    fcntl(&listenfd, F_SETFL, O_NONBLOCK)?;
    lifecycle::ready(NAME, &listenfd)?;

    let mut clients: Vec<Client> = vec![];
    let mut short = false;
    loop {
        let mut rset = FD_ZERO();
        let mut wset = FD_ZERO();
        let mut maxfd = listenfd.as_raw_fd();
        let mut timeout = timeval { tv_sec: 0, tv_usec: i64::from(lifecycle::PAUSE) * 1000 };
        if !short {
            FD_SET(&listenfd, &mut rset)?;
        }
        for client in &clients {
            let set = if client.exchange.is_answering() { &mut wset } else { &mut rset };
            FD_SET(&client.connfd, set)?;
            maxfd = maxfd.max(client.connfd.as_raw_fd());
        }
        // Short of descriptors, new clients wait a while; the others do not.
        let timeout = if short { Some(&mut timeout) } else { None };
        match select(maxfd + 1, Some(&mut rset), Some(&mut wset), None, timeout) {
            Ok(_nready) => {}
            Err(error) => {
                if lifecycle::survive(error)? {
                    lifecycle::pause();
                }
                continue;
            }
        }
        short = false;
        let mut i = 0;
        while i < clients.len() && !lifecycle::stopping() {
            let client = &mut clients[i];
            let ready = FD_ISSET(&client.connfd, &rset) || FD_ISSET(&client.connfd, &wset);
            if ready && client.exchange.advance(&client.connfd) == Progress::Done {
                let _ = close(clients.swap_remove(i).connfd);
            } else {
                i += 1;
            }
        }
        if FD_ISSET(&listenfd, &rset) {
            match accept4(&listenfd, SOCK_NONBLOCK) {
                Ok((connfd, _cliaddr)) if connfd.as_raw_fd() >= FD_SETSIZE as i32 => {
                    lifecycle::report("select: a client refused: its descriptor is not below 1024");
                    // Said once, to a socket whose buffer is empty; then it is closed.
                    let _ = send(&connfd, FULL, 0);
                    // The end of file before the reset that closing makes of an unread request.
                    let _ = shutdown(&connfd, SHUT_WR);
                    let _ = close(connfd);
                }
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
