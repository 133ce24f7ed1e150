//! `-z`: who answers, and nothing is transferred.

use std::time::Duration;

use super::connect::{attempt, reason};
use super::{Event, Failure, Options, Report, connect, interrupted};
use crate::net::{self, Deadline, wait};
use crate::posix::error::{EAGAIN, ECONNREFUSED};
use crate::posix::poll::{POLLIN, pollfd};
use crate::posix::sys_socket::*;
use crate::posix::{Error, Result};
use crate::tool::icmp::{self, Entry};

/// How long a silent port of UDP is asked without `-w`, as OpenBSD's nc does.
const PATIENCE: Duration = Duration::from_secs(3);
/// After this long the question is repeated: a host sends one ICMP error a second and no more.
const AGAIN: Duration = Duration::from_secs(1);

/// Whether a port is open.
///
/// # Errors
///
/// [`Failure::Told`] where it is not, or does not say; otherwise the resolver's.
pub fn port(
    host: &str,
    port: u16,
    options: &Options,
    report: Report<'_>,
) -> std::result::Result<(), Failure> {
    let sockfd = connect::to_host(host, port, options, report)?;
    if !options.datagrams {
        return Ok(());
    }
    let failed = |error| Failure::of(error, format_args!("{host} port {port}"));
    let peer = getpeername(&sockfd).map_err(failed)?;
    let Some(addr) = net::from_c(&peer) else { return Err(Failure::Told) };
    let attempt = attempt(host, &addr, options);
    // Who says so, if somebody does.
    icmp::ask(&sockfd, net::family(&addr)).map_err(failed)?;
    match ask(&sockfd, options.timeout.unwrap_or(PATIENCE)) {
        Ok(true) => {
            report(Event::Connected(attempt));
            Ok(())
        }
        Ok(false) => {
            report(Event::NoAnswer(attempt));
            Err(Failure::Told)
        }
        Err(error) => {
            let text = error.to_string();
            let why = text.split_once(": ").map_or(reason(&error), |(_, why)| why.to_owned());
            let closed = if error.errno() == ECONNREFUSED { "closed: " } else { "" };
            let says = match icmp::take(&sockfd) {
                Ok(Some(Entry::Icmp(icmp))) => format!(" ({closed}{icmp})"),
                _ => String::new(),
            };
            report(Event::Failed(attempt, why + &says));
            Err(Failure::Told)
        }
    }
}

/// Sends a byte, and again, until there is an answer or an error.
fn ask(sockfd: &impl std::os::fd::AsFd, patience: Duration) -> Result<bool> {
    let end = Deadline::after(patience);
    loop {
        match send(sockfd, b"X", MSG_NOSIGNAL) {
            Err(error) if !interrupted(&error) => return Err(error),
            _ => {}
        }
        let again = Deadline::after(AGAIN);
        let sooner = if end.milliseconds() < again.milliseconds() { end } else { again };
        if wait(&mut [pollfd::new(sockfd, POLLIN)], sooner)? {
            match recv(sockfd, &mut [0; 1], MSG_DONTWAIT) {
                Ok(_) => return Ok(true),
                Err(error) if error.errno() == EAGAIN || interrupted(&error) => {}
                Err(error) => return Err(Error { call: "recv", ..error }),
            }
        }
        if end.is_over() {
            return Ok(false);
        }
    }
}
