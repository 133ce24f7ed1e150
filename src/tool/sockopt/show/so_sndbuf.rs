//! `SO_SNDBUF`: what is asked, what is given, and how much `send` accepts.

use std::os::fd::OwnedFd;

use super::so_rcvbuf::doubling;
use super::{Demonstration, Journal};
use crate::net::to_c;
use crate::posix::Result;
use crate::posix::error::EAGAIN;
use crate::posix::poll::{POLLOUT, poll, pollfd};
use crate::posix::sys_socket::*;
use crate::tool::loopback::*;
use crate::tool::returned::{name as errno_name, said};

pub(super) const DEMONSTRATION: Demonstration = Demonstration {
    name: "SO_SNDBUF",
    shows: "the doubling, the limits, how much send() accepts, and when a socket is writable",
    also: &["SO_SNDLOWAT"],
    run,
    inside: run,
};

fn run(journal: &mut Journal<'_>) -> Result<()> {
    journal.case("a TCP socket: what is asked, and what getsockopt() then says");
    doubling(journal, SO_SNDBUF, 4608, sysctl("net/core/wmem_max", 0))?;

    journal.case("TCP: bytes that send() accepts for a peer that does not read");
    let mut accepted = Vec::new();
    for size in [2_000, 200_000, 2_000_000] {
        let client = small_window(size)?;
        let count = fill_up(&client.0)?;
        let more = accepted.last().is_none_or(|&before| count > before);
        journal.holds(format!("SO_SNDBUF={size}"), count, "more than with less", more);
        accepted.push(count);
    }

    journal.case("TCP, SO_SNDBUF not set: it grows by itself");
    let fresh: i32 = getsockopt(tcp()?, SOL_SOCKET, SO_SNDBUF)?;
    if let Some(expected) = sysctl("net/ipv4/tcp_wmem", 1) {
        journal.is("a fresh socket has net.ipv4.tcp_wmem's second", fresh, expected);
    }
    let (client, _server) = connected()?;
    let count = fill_up(&client)?;
    let grown: i32 = getsockopt(&client, SOL_SOCKET, SO_SNDBUF)?;
    journal.holds("once connected, with all that fits queued", grown, "more", grown > fresh);
    let more = count > usize::try_from(fresh).unwrap_or_default();
    journal.holds("bytes that send() has accepted", count, "more than a fresh one has", more);

    journal.case("TCP, SO_SNDBUF=200000: writable is not that a byte fits");
    let (client, _server) = small_window(200_000)?;
    let (mut writable_up_to, mut total) = (0, 0);
    let full = loop {
        let mut fds = [pollfd::new(&client, POLLOUT)];
        if poll(&mut fds, 0)? == 1 {
            writable_up_to = total;
        }
        match send(&client, &[b'x'; 1000], MSG_DONTWAIT | MSG_NOSIGNAL) {
            Ok(sent) => total += sent,
            Err(error) => break errno_name(error.errno()),
        }
    };
    journal.is("send() of 1000 bytes, again and again, at last returns", full, errno_name(EAGAIN));
    let gap = total.saturating_sub(writable_up_to) > 50_000;
    journal.holds(
        "poll() says writable up to",
        writable_up_to,
        "some 50000 less than accepted",
        gap,
    );
    journal.holds("send() accepts up to", total, "some 50000 more than writable", gap);

    journal.case("SO_SNDLOWAT, which the slide has beside it");
    let lowat: i32 = getsockopt(&client, SOL_SOCKET, SO_SNDLOWAT)?;
    journal.is("getsockopt() says", lowat, 1);
    let setting = set(&client, SO_SNDLOWAT, 1).map(|()| 0);
    journal.is("setsockopt() to 1 returns", said(setting), "ENOPROTOOPT");
    Ok(())
}

/// A client with such a send buffer, and its peer, whose receive buffer is as small as can be.
fn small_window(sndbuf: i32) -> Result<(OwnedFd, OwnedFd)> {
    let (listenfd, _) = bound(tcp()?)?;
    set(&listenfd, SO_RCVBUF, 1)?;
    listen(&listenfd, 5)?;
    let client = tcp()?;
    set(&client, SO_SNDBUF, sndbuf)?;
    connect(&client, &to_c(&name(&listenfd)?))?;
    let (server, _) = accept4(&listenfd, SOCK_CLOEXEC)?;
    Ok((client, server))
}
