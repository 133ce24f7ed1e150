//! TCP Fibonacci Service - Forked
//!
//! **Changes** against iterative: fork() after accept(). The child serves the client while the
//! parent accepts the next one. The parent closes the connected socket, or it would never be
//! released and the client would see no end of file; the child closes the listening one. SIGCHLD
//! is ignored, so that children leave no zombies.
//!
//! **Breaks**: a process for each client, without limit; making one costs ten times what the rest
//! of a short request costs.

#![expect(unsafe_code, reason = "fork() is the design")]

use crate::posix::Result;
use crate::posix::signal::*;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;
use crate::server::*;
use crate::service::fibonacci::handle_request;

const NAME: &str = "forked";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "TCP Fibonacci Service - Forked",
    changes: "fork() after accept(): a child process for each client",
    transport: Transport::Tcp,
    service: Service::Fibonacci,
    promises: Promises {
        serves: Serves::Forever,
        silent: Silent::Harmless,
        deferred: None,
        heavy: Heavy::Harmless,
        per_client: PerClient::Process,
        pool: Pool::None,
        idle: Idle::Sleeps,
        descriptors: None,
        calls: Some(8),
    },
    serve,
};

fn serve(options: &Options) -> Result<()> {
    let servaddr = &options.servaddr;
    let listenfd = socket(servaddr.ss_family.into(), SOCK_STREAM, 0)?;
    setsockopt(&listenfd, SOL_SOCKET, SO_REUSEADDR, &1)?;
    bind(&listenfd, servaddr)?;
    listen(&listenfd, 5)?;
    signal(SIGCHLD, SIG_IGN)?; // no zombies
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
        // SAFETY: this server has one thread.
        match unsafe { fork() } {
            // No process to be had: this client is closed, the server goes on.
            Err(error) => {
                lifecycle::report(error);
                let _ = close(connfd);
            }
            // The child. Its end closes the connected socket.
            Ok(0) => {
                lifecycle::serving(&connfd);
                close(listenfd)?;
                handle_request(&connfd, options.max_n);
                _exit(0);
            }
            // The parent.
            Ok(childpid) => {
                lifecycle::child_started(childpid);
                let _ = close(connfd);
            }
        }
    }
    close(listenfd)?;
    lifecycle::end_children()
}
