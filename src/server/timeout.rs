//! (Non-)Blocking I/O: solution B, timeouts
//!
//! **Changes** against iterative: no recv() and no send() on a connected socket may take longer
//! than `--timeout` seconds. Python's `settimeout` is `SO_RCVTIMEO` and `SO_SNDTIMEO` here: a call
//! whose time is over fails with EAGAIN.
//!
//! **Breaks**: a silent client still stops everybody else, for that long. The limit is each call's,
//! not the request's: a client that sends one byte in time, and then one more, is never cut. And
//! nothing limits the computing.

#![forbid(unsafe_code)]

use crate::posix::Result;
use crate::posix::netinet_in::IPPROTO_TCP;
use crate::posix::netinet_tcp::TCP_DEFER_ACCEPT;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;
use crate::server::*;
use crate::service::fibonacci::handle_request;

const NAME: &str = "timeout";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "(Non-)Blocking I/O: blocking with a timeout",
    changes: "SO_RCVTIMEO and SO_SNDTIMEO on the connected socket",
    transport: Transport::Tcp,
    service: Service::Fibonacci,
    promises: Promises {
        serves: Serves::Forever,
        silent: Silent::StallsUntilTimeout,
        deferred: Some(Silent::Harmless),
        heavy: Heavy::Stalls,
        per_client: PerClient::Descriptor,
        pool: Pool::None,
        idle: Idle::Sleeps,
        descriptors: None,
        calls: Some(6),
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
    listen(&listenfd, 5)?;
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
        // Not on the listening socket, which would hand them on: accept() would time out as well.
        let limited = setsockopt(&connfd, SOL_SOCKET, SO_RCVTIMEO, &options.timeout)
            .and_then(|()| setsockopt(&connfd, SOL_SOCKET, SO_SNDTIMEO, &options.timeout));
        if let Err(error) = limited {
            // Nobody is served without a limit.
            lifecycle::report(error);
        } else {
            lifecycle::serving(&connfd);
            handle_request(&connfd, options.max_n);
            lifecycle::served();
        }
        let _ = close(connfd);
    }
    close(listenfd)
}
