//! The side that calls.

use std::ffi::{CString, c_int};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use super::listen::File;
use super::{Attempt, Event, Failure, Options, Place, Report, path_of};
use crate::net::{self, Deadline, wait};
use crate::posix::error::{EAGAIN, EINPROGRESS, EINTR, ETIMEDOUT};
use crate::posix::netdb::getservbyport;
use crate::posix::poll::{POLLOUT, pollfd};
use crate::posix::sys_socket::*;
use crate::posix::sys_un::sockaddr_un;
use crate::posix::{Error, Result};

/// Connects to the first address of the host that takes it, telling how each went.
///
/// # Errors
///
/// The resolver's, and [`Failure::Told`] where no address took it.
pub fn to_host(
    host: &str,
    port: u16,
    options: &Options,
    report: Report<'_>,
) -> std::result::Result<OwnedFd, Failure> {
    let addrs = net::resolve(host, port, options.family, options.flags())
        .map_err(|error| Failure::Line(unresolved(host, port, &error)))?;
    for addr in addrs {
        let attempt = attempt(host, &addr, options);
        match to_addr(&addr, options) {
            Ok(sockfd) => {
                // A port of UDP has said nothing yet: who scans asks it first.
                if !options.datagrams {
                    report(Event::Connected(attempt));
                }
                return Ok(sockfd);
            }
            Err(error) if error == TIMED_OUT => report(Event::TimedOut(attempt)),
            Err(error) => report(Event::Failed(attempt, reason(&error))),
        }
    }
    Err(Failure::Told)
}

fn unresolved(host: &str, port: u16, error: &Error) -> String {
    let reason = reason(error);
    format!("getaddrinfo for host \"{host}\" port {port}: {reason}")
}

/// What an error says, without the call.
pub(super) fn reason(error: &Error) -> String {
    let text = error.to_string();
    match text.split_once(": ") {
        Some(("connect" | "getaddrinfo", reason)) => reason.to_owned(),
        _ => text,
    }
}

pub(super) fn attempt(host: &str, addr: &SocketAddr, options: &Options) -> Attempt {
    let protocol = options.protocol();
    let service = || {
        let proto = CString::new(protocol).ok()?;
        let service = getservbyport(i32::from(addr.port().to_be()), Some(&proto))?;
        Some(service.s_name.to_string_lossy().into_owned())
    };
    Attempt {
        host: host.to_owned(),
        ip: addr.ip(),
        port: addr.port(),
        protocol,
        service: if options.numeric { None } else { service() },
    }
}

/// The end of `-w`; no kernel's time limit is called `poll`.
const TIMED_OUT: Error = Error::new("poll", ETIMEDOUT);

/// A socket that does not block, connected to an address.
fn to_addr(addr: &SocketAddr, options: &Options) -> Result<OwnedFd> {
    let family = net::family(addr);
    let sockfd = socket(family, options.r#type() | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)?;
    options.apply(&sockfd, family)?;
    options.bind_source(&sockfd, family)?;
    finish(connect(&sockfd, &net::to_c(addr)), &sockfd, options)?;
    Ok(sockfd)
}

/// Waits for a connection that is being made.
fn finish(begun: Result<()>, sockfd: &OwnedFd, options: &Options) -> Result<()> {
    match begun {
        Err(error) if matches!(error.errno(), EINPROGRESS | EINTR) => {}
        done => return done,
    }
    let deadline = options.timeout.map_or(Deadline::NEVER, Deadline::after);
    if !wait(&mut [pollfd::new(sockfd, POLLOUT)], deadline)? {
        return Err(TIMED_OUT);
    }
    match getsockopt::<i32>(sockfd, SOL_SOCKET, SO_ERROR)? {
        0 => Ok(()),
        number => Err(Error::new("connect", number)),
    }
}

/// Connects to a path. A datagram socket gets an address of its own, so that it can be answered: `-s`, or
/// a name in the abstract namespace that the kernel chooses and that leaves no file behind.
///
/// # Errors
///
/// Those of the calls, with the path.
pub fn to_path(
    word: &str,
    options: &Options,
    report: Report<'_>,
) -> std::result::Result<(OwnedFd, Option<File>), Failure> {
    let failed = |error: Error| {
        let text = error.to_string();
        let reason = text.split_once(": ").map_or(text.as_str(), |(_, reason)| reason);
        Failure::Line(format!("{word}: {reason}"))
    };
    let servaddr = sockaddr_un(&path_of(word)).map_err(failed)?;
    let r#type = options.r#type() | SOCK_CLOEXEC;
    let sockfd = socket(AF_UNIX, r#type, 0).map_err(failed)?;
    options.apply(&sockfd, AF_UNIX).map_err(failed)?;
    let mut file = None;
    if options.datagrams {
        let source = options.source.as_deref().unwrap_or_default();
        let bound = sockaddr_un(&path_of(source)).and_then(|addr| bind(&sockfd, &addr));
        bound.map_err(|error| Failure::of(error, source))?;
        let name = getsockname(&sockfd).map_err(failed)?;
        report(Event::Bound(Place::of(&name, true)));
        file = (!source.is_empty()).then(|| File(source.to_owned()));
    }
    queue(&sockfd, &servaddr, options).map_err(failed)?;
    Ok((sockfd, file))
}

/// Blocking: a full backlog is waited for, and not `EAGAIN`; but no longer than `-w`, which only a time limit of the
/// socket can say.
fn queue(sockfd: &OwnedFd, servaddr: &sockaddr_un, options: &Options) -> Result<()> {
    let deadline = options.timeout.map_or(Deadline::NEVER, Deadline::after);
    let limit = |milliseconds: c_int| {
        let (tv_sec, tv_usec) = (milliseconds / 1000, milliseconds % 1000 * 1000);
        let limit = timeval { tv_sec: tv_sec.into(), tv_usec: tv_usec.into() };
        setsockopt(sockfd, SOL_SOCKET, SO_SNDTIMEO, &limit)
    };
    while !deadline.is_over() {
        if options.timeout.is_some() {
            limit(deadline.milliseconds().max(1))?;
        }
        match connect(sockfd, servaddr) {
            Err(error) if matches!(error.errno(), EAGAIN | EINTR) => {}
            Err(error) => return Err(error),
            // What is sent has no limit.
            Ok(()) => return limit(0),
        }
    }
    Err(TIMED_OUT)
}
