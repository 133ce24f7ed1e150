//! The side that is called.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;

use super::transfer::Transfer;
use super::{Event, Failure, Options, Place, Report, interrupted, path_of};
use crate::net::{self, Deadline, wait};
use crate::posix::error::{EADDRINUSE, ECONNABORTED, ECONNREFUSED, EINVAL};
use crate::posix::netdb::AI_PASSIVE;
use crate::posix::poll::{POLLIN, pollfd};
use crate::posix::sys_socket::*;
use crate::posix::sys_un::{sockaddr_un, sun_path};
use crate::posix::{Error, Result};

/// Those who may wait while one is served.
const BACKLOG: i32 = 5;

/// Where to listen.
#[derive(Debug, Clone)]
pub enum Where {
    /// An address (without one: all of them) and a port.
    Port(Option<String>, u16),
    /// A path of the Unix domain.
    Path(String),
}

/// A path that was bound: removed when it is no longer listened on.
pub struct File(pub(super) String);

impl Drop for File {
    fn drop(&mut self) {
        if !self.0.starts_with('@') {
            // Who has removed it already has done what was wanted.
            let _ = std::fs::remove_file(&self.0);
        }
    }
}

/// Waits for a client and serves it; with `keep` one after the other, for ever.
///
/// # Errors
///
/// Those of the calls, with the address, and those of the transfer.
pub fn serve(
    place: &Where,
    keep: bool,
    options: &Options,
    transfer: &mut Transfer,
    report: Report<'_>,
) -> std::result::Result<(), Failure> {
    let (listenfd, _file) = match place {
        Where::Port(host, port) => (at_port(host.as_deref(), *port, options)?, None),
        Where::Path(path) => {
            let made = at_path(path, options).map_err(|error| Failure::of(error, path))?;
            (made, Some(File(path.clone())))
        }
    };
    let failed = |error: Error| Failure::Line(error.to_string());
    let place = Place::of(&getsockname(&listenfd).map_err(failed)?, options.numeric);
    let path = matches!(place, Place::Path(_));
    if options.datagrams || path {
        report(Event::Bound(place.clone()));
    }
    if options.datagrams {
        if keep {
            return transfer.only_receive(&listenfd);
        }
        return datagrams(&listenfd, &place, options, transfer, report);
    }
    listen(&listenfd, BACKLOG).map_err(failed)?;
    report(Event::Listening(place.clone()));
    loop {
        let (connfd, cliaddr) = match accept4(&listenfd, SOCK_NONBLOCK | SOCK_CLOEXEC) {
            Ok(accepted) => accepted,
            Err(error) if interrupted(&error) || error.errno() == ECONNABORTED => continue,
            Err(error) => return Err(failed(error)),
        };
        let client = if path { place.clone() } else { Place::of(&cliaddr, options.numeric) };
        report(Event::Received(client.clone()));
        if !keep {
            drop(listenfd);
            return transfer.run(&connfd, &client.to_string());
        }
        match transfer.run(&connfd, &client.to_string()) {
            Err(Failure::Line(line)) => report(Event::Lost(line)),
            done => done?,
        }
    }
}

/// The first sender becomes the peer.
fn datagrams(
    sockfd: &OwnedFd,
    place: &Place,
    options: &Options,
    transfer: &mut Transfer,
    report: Report<'_>,
) -> std::result::Result<(), Failure> {
    let failed = |error: Error| Failure::Line(error.to_string());
    wait(&mut [pollfd::new(sockfd, POLLIN)], Deadline::NEVER).map_err(failed)?;
    let (_, cliaddr) = recvfrom(sockfd, &mut [], MSG_PEEK).map_err(failed)?;
    let nameless = sun_path(&cliaddr).is_some_and(|path| path.is_empty());
    let path = matches!(place, Place::Path(_));
    let client = if path { place.clone() } else { Place::of(&cliaddr, options.numeric) };
    report(Event::Received(client.clone()));
    if nameless {
        // There is nobody to answer.
        return transfer.only_receive(sockfd);
    }
    connect(sockfd, &cliaddr).map_err(failed)?;
    transfer.run(sockfd, &client.to_string())
}

/// A socket bound to the first of the addresses that can be had.
fn at_port(
    host: Option<&str>,
    port: u16,
    options: &Options,
) -> std::result::Result<OwnedFd, Failure> {
    let any = if options.family == AF_INET6 { "::" } else { "0.0.0.0" };
    let host = host.unwrap_or(any);
    let named = |error| Failure::of(error, format_args!("{host} port {port}"));
    let flags = AI_PASSIVE | options.flags();
    let mut failure = Error::new("bind", EINVAL);
    for addr in net::resolve(host, port, options.family, flags).map_err(named)? {
        let family = net::family(&addr);
        let bound = || -> Result<OwnedFd> {
            let sockfd = socket(family, options.r#type() | SOCK_CLOEXEC, 0)?;
            if !options.datagrams {
                setsockopt(&sockfd, SOL_SOCKET, SO_REUSEADDR, &1)?;
            }
            options.apply(&sockfd, family)?;
            bind(&sockfd, &net::to_c(&addr))?;
            Ok(sockfd)
        };
        match bound() {
            Ok(sockfd) => return Ok(sockfd),
            Err(error) => failure = error,
        }
    }
    Err(named(failure))
}

/// A socket bound to a path. A socket's file that nobody listens on any more is removed first.
fn at_path(path: &str, options: &Options) -> Result<OwnedFd> {
    let addr = sockaddr_un(&path_of(path))?;
    let fresh = || socket(AF_UNIX, options.r#type() | SOCK_CLOEXEC, 0);
    let sockfd = fresh()?;
    options.apply(&sockfd, AF_UNIX)?;
    match bind(&sockfd, &addr) {
        Err(error)
            if error.errno() == EADDRINUSE && is_socket(path) && is_left_over(fresh()?, &addr) =>
        {
            // bind() says it if this did not help.
            let _ = std::fs::remove_file(path);
            bind(&sockfd, &addr)?;
        }
        done => done?,
    }
    Ok(sockfd)
}

fn is_socket(path: &str) -> bool {
    !path.starts_with('@')
        && std::fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket())
}

/// Whether a socket's file belongs to nobody.
fn is_left_over(sockfd: impl AsFd, addr: &sockaddr_un) -> bool {
    connect(sockfd, addr).is_err_and(|error| error.errno() == ECONNREFUSED)
}
