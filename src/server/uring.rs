//! I/O Completion: io_uring
//!
//! **Changes** against epoll: the kernel is not asked which sockets are ready; it is told what to
//! do, and says what is done. What is to be done stands in one ring, what is done in another, both in
//! memory that is shared with the kernel: one system call hands over any number of requests and waits
//! for their completions. One request accepts all clients to come; what a client sends arrives in a
//! buffer that the kernel takes when there is something to put into it; a send and the close after
//! it are one chain.
//!
//! **Breaks**: many containers forbid it. A costly request stops everybody else.

#![forbid(unsafe_code)]

use std::os::fd::AsRawFd;

use crate::linux::io_uring::*;
use crate::posix::Result;
use crate::posix::error::ENOBUFS;
use crate::posix::fcntl::*;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;
use crate::server::*;
use crate::service::fibonacci::{Exchange, Progress, RECEIVE_MAX, fib};

const NAME: &str = "uring";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "I/O Completion: io_uring",
    changes: "io_uring_enter() hands over requests and brings what is done",
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
        calls: Some(2),
    },
    serve,
};

/// Of the submission queue.
const ENTRIES: u32 = 256;

const _: () = assert!(BUFFER_SIZE == RECEIVE_MAX);

fn serve(options: &Options) -> Result<()> {
    let servaddr = &options.servaddr;
    let listenfd = socket(servaddr.ss_family.into(), SOCK_STREAM, 0)?;
    setsockopt(&listenfd, SOL_SOCKET, SO_REUSEADDR, &1)?;
    bind(&listenfd, servaddr)?;
    listen(&listenfd, SOMAXCONN)?;
    let flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    let mut ring = io_uring_queue_init(ENTRIES, flags)?;
    provide_buffers(&mut ring)?;
    prep_accept(&mut ring, &listenfd)?;
    lifecycle::ready(NAME, &listenfd)?;

    // What is remembered of a client, at its descriptor's number.
    let mut clients: Vec<Exchange> = vec![];
    while !lifecycle::stopping() {
        // Also when that fails: completions that nobody takes may be the reason (EBUSY).
        if let Err(error) = io_uring_submit_and_wait(&mut ring, 1)
            && lifecycle::survive(error)?
        {
            lifecycle::pause();
        }
        while !lifecycle::stopping()
            && let Some(completion) = next_completion(&mut ring)
        {
            match completion {
                Completion::Accept(accepted, is_over) => {
                    let mut short = false;
                    match accepted {
                        Ok(connfd) => {
                            let fd = connfd.as_raw_fd() as usize;
                            let client = || Exchange::new(options.max_n);
                            clients.resize_with(clients.len().max(fd + 1), client);
                            clients[fd] = client();
                            prep_recv(&mut ring, connfd)?;
                        }
                        Err(_) if lifecycle::stopping() => break,
                        Err(error) => short = lifecycle::survive(error)?,
                    }
                    if is_over && short {
                        // Short of descriptors, new clients wait a while; the others do not.
                        prep_timeout(&mut ring, lifecycle::PAUSE)?;
                    } else if is_over {
                        prep_accept(&mut ring, &listenfd)?;
                    }
                }
                Completion::Timeout => prep_accept(&mut ring, &listenfd)?,
                Completion::Recv(connfd, received) => {
                    let exchange = &mut clients[connfd.as_raw_fd() as usize];
                    let progress = match received {
                        Ok(received) => exchange.take(received.bytes()),
                        // More has come at once than there are buffers; they are free again.
                        Err(error) if error.errno() == ENOBUFS => Progress::More,
                        Err(_) => Progress::Done,
                    };
                    if let Some(n) = exchange.requested() {
                        exchange.answer(fib(n));
                    }
                    if progress == Progress::Done {
                        prep_close(&mut ring, connfd)?;
                    } else if !exchange.is_answering() {
                        prep_recv(&mut ring, connfd)?;
                    } else if exchange.has_more() {
                        // An end of file has to go before the close, and rarely: by calls of its own.
                        let _ = fcntl(&connfd, F_SETFL, O_NONBLOCK);
                        let _ = exchange.transmit(&connfd);
                        prep_close(&mut ring, connfd)?;
                    } else {
                        prep_send_and_close(&mut ring, connfd, exchange.unsent())?;
                    }
                }
                // Only a failure is told, and it is that client's trouble.
                Completion::Failed(_) => {}
            }
        }
    }
    let _ = io_uring_submit(&mut ring);
    io_uring_queue_exit(ring);
    close(listenfd)
}
