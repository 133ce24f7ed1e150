//! TCP Fibonacci Service - inetd
//!
//! **Changes** against forked: the child does not serve, it becomes another program, which does:
//! descriptors 0 and 1 are the connected socket, and execv(). The program neither listens nor accepts.
//! The half that waits for clients is any super-server's: this one is its own, and under
//! another (inetd, tcpserver, systemd) it finds the socket that it was started with. If that is a
//! connected one it serves it and ends; if it is a listening one ("wait") it serves one client after
//! the other.
//!
//! **Breaks**: a process for each client, without limit; making one and loading a program into it
//! costs many times what forked costs.
//!
//! UNIX Network Programming, volume 1, section 13.5.

#![expect(unsafe_code, reason = "fork() is the design, and a socket that it was started with")]

use std::ffi::{CString, c_int};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::posix::error::EINVAL;
use crate::posix::fcntl::*;
use crate::posix::signal::*;
use crate::posix::sys_select::*;
use crate::posix::sys_socket::*;
use crate::posix::unistd::*;
use crate::posix::{Error, Result};
use crate::server::*;
use crate::service::fibonacci::handle_request;

const NAME: &str = "inetd";

pub(super) const DESIGN: Design = Design {
    name: NAME,
    slide: "TCP Fibonacci Service - inetd",
    changes: "fork(), dup2() and execv(): a program for each client",
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
        calls: None,
    },
    serve,
};

/// The first descriptor that systemd hands over.
const SD_LISTEN_FDS_START: RawFd = 3;

/// The socket that the process was started with: the one that LISTEN_FDS names, if LISTEN_PID says
/// that it is for us, or the one that standard input and output both are. Several are refused: whoever
/// asks at the others would wait for ever.
fn given() -> Result<Option<RawFd>> {
    let says = |name: &str, value: String| std::env::var(name).is_ok_and(|said| said == value);
    if says("LISTEN_PID", getpid().to_string()) && !says("LISTEN_FDS", 0.to_string()) {
        if says("LISTEN_FDS", 1.to_string()) {
            return Ok(Some(SD_LISTEN_FDS_START));
        }
        return Err(Error::new("LISTEN_FDS", EINVAL));
    }
    let cookie = |fd: BorrowedFd<'_>| getsockopt::<[u8; 8]>(fd, SOL_SOCKET, SO_COOKIE).ok();
    let input = cookie(std::io::stdin().as_fd());
    let output = cookie(std::io::stdout().as_fd());
    Ok(if input.is_some() && input == output { Some(STDIN_FILENO) } else { None })
}

fn serve_client(connfd: &OwnedFd, options: &Options) -> ! {
    lifecycle::serving(connfd);
    handle_request(connfd, options.max_n);
    _exit(0)
}

/// The listening socket is the super-server's too, so that no signal may shut it down: signals are let
/// in while nobody is served only in pselect(), and end it.
fn serve_clients(listenfd: &OwnedFd, options: &Options) -> Result<()> {
    let flags = fcntl(listenfd, F_GETFL, 0)?;
    fcntl(listenfd, F_SETFL, flags | O_NONBLOCK)?;
    let mask = lifecycle::hold_stops()?;
    while !lifecycle::stopping() {
        let mut rset = FD_ZERO();
        FD_SET(listenfd, &mut rset)?;
        let maxfd = listenfd.as_raw_fd();
        let _ = pselect(maxfd + 1, Some(&mut rset), None, None, None, Some(&mask));
        let (connfd, _cliaddr) = match accept(listenfd) {
            Ok(accepted) => accepted,
            Err(error) => {
                if lifecycle::survive(error)? {
                    lifecycle::pause();
                }
                continue;
            }
        };
        sigprocmask(SIG_SETMASK, Some(&mask))?;
        lifecycle::serving(&connfd);
        handle_request(&connfd, options.max_n);
        lifecycle::served();
        let _ = close(connfd);
        lifecycle::hold_stops()?;
    }
    fcntl(listenfd, F_SETFL, flags)?;
    Ok(())
}

/// This program again, for one client, which is its standard input and output. A request to stop that
/// comes from here on is kept for it.
fn become_server(connfd: OwnedFd, options: &Options) -> Result<()> {
    lifecycle::hold_stops()?;
    if lifecycle::stopping() {
        _exit(0);
    }
    dup2(&connfd, std::io::stdin())?;
    dup2(&connfd, std::io::stdout())?;
    close(connfd)?;
    let max_n = CString::new(options.max_n.to_string()).unwrap_or_default();
    let argv = [c"socklab", c"serve", c"inetd", c"--max-n", &max_n];
    Err(execv(c"/proc/self/exe", &argv))
}

fn serve(options: &Options) -> Result<()> {
    if let Some(fd) = given()? {
        // SAFETY: open since the start, and whoever started us says that it is ours; never closed.
        let fd = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(fd) });
        let is_listening: c_int = getsockopt(fd.as_fd(), SOL_SOCKET, SO_ACCEPTCONN)?;
        lifecycle::heed_stops()?;
        if is_listening == 0 {
            serve_client(&fd, options);
        }
        return serve_clients(&fd, options);
    }

    let servaddr = &options.servaddr;
    let listenfd = socket(servaddr.ss_family.into(), SOCK_STREAM, 0)?;
    setsockopt(&listenfd, SOL_SOCKET, SO_REUSEADDR, &1)?;
    bind(&listenfd, servaddr)?;
    listen(&listenfd, SOMAXCONN)?;
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
            // The child.
            Ok(0) => {
                close(listenfd)?;
                return become_server(connfd, options);
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
