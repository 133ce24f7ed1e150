//! TCP Fibonacci Service - Iterative
//!
//! **Changes**: TCP instead of UDP. A listening socket, and for each client a connected one, served
//! from its request to its answer before the next client is accepted.
//!
//! **Breaks**: a client that connects and says nothing stops everybody else, and so does one whose
//! request takes long. With a backlog of 1 two more can wait; the others' connects are not answered
//! and tried again by their kernels after 1, 3, 7 s.

#![forbid(unsafe_code)]

use crate::posix::Result;
use crate::posix::netinet_in::IPPROTO_TCP;
use crate::posix::netinet_tcp::TCP_DEFER_ACCEPT;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;
use crate::server::*;
use crate::service::fibonacci::handle_request;

const NAME: &str = "iterative";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "TCP Fibonacci Service - Iterative",
    changes: "TCP: a listening socket, a connected one for each client in turn",
    transport: Transport::Tcp,
    service: Service::Fibonacci,
    promises: Promises {
        serves: Serves::Forever,
        silent: Silent::Stalls,
        deferred: Some(Silent::Harmless),
        heavy: Heavy::Stalls,
        per_client: PerClient::Descriptor,
        pool: Pool::None,
        idle: Idle::Sleeps,
        descriptors: None,
        calls: Some(4),
    },
    serve,
};

fn serve(options: &Options) -> Result<()> {
    let servaddr = &options.servaddr;
    let listenfd = socket(servaddr.ss_family.into(), SOCK_STREAM, 0)?;
    setsockopt(&listenfd, SOL_SOCKET, SO_REUSEADDR, &1)?;
    if let Some(seconds) = options.defer_accept {
        setsockopt(&listenfd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds)?;
    }
    bind(&listenfd, servaddr)?;
    listen(&listenfd, 1)?;
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
        lifecycle::serving(&connfd);
        handle_request(&connfd, options.max_n);
        lifecycle::served();
        let _ = close(connfd);
    }
    close(listenfd)
}
