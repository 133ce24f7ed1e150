//! `SO_RCVTIMEO`: how long a call waits.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Instant;

use super::{Demonstration, Journal};
use crate::net::to_c;
use crate::posix::Result;
use crate::posix::sys_socket::*;
use crate::tool::loopback::*;
use crate::tool::returned::{done, said};

pub(super) const DEMONSTRATION: Demonstration = Demonstration {
    name: "SO_RCVTIMEO",
    shows: "recv() and accept() that do not wait for ever",
    also: &[],
    run,
    inside: run,
};

fn limit(sockfd: &OwnedFd, tv_sec: i64, tv_usec: i64) -> Result<()> {
    let time = timeval { tv_sec, tv_usec };
    setsockopt(sockfd, SOL_SOCKET, SO_RCVTIMEO, &time)
}

fn run(journal: &mut Journal<'_>) -> Result<()> {
    let mut buf = [0; 16];
    journal.case("SO_RCVTIMEO=0.25, and nothing comes");
    let (listenfd, addr) = listener()?;
    let (client, server) = connected_to(&listenfd)?;
    limit(&server, 0, 250_000)?;
    let start = Instant::now();
    let result = received(recv(&server, &mut buf, 0));
    at_least(journal, "recv() fails with", &result, "EAGAIN", start);
    let (receiver, _) = bound(udp()?)?;
    limit(&receiver, 0, 250_000)?;
    let start = Instant::now();
    let result = received(recv(&receiver, &mut buf, 0));
    at_least(journal, "recv() of UDP fails with", &result, "EAGAIN", start);
    limit(&listenfd, 0, 250_000)?;
    let start = Instant::now();
    let result = said(accept4(&listenfd, SOCK_CLOEXEC).map(|_| 0));
    at_least(journal, "accept() fails with", &result, "EAGAIN", start);

    journal.case("the same, and something is there");
    send(&client, b"12345", 0)?;
    wait_for_bytes(&server, 5)?;
    journal.is("recv() returns", received(recv(&server, &mut buf, 0)), 5);

    journal.case("the same, and less than MSG_WAITALL asks for comes");
    send(&client, b"12345", 0)?;
    wait_for_bytes(&server, 5)?;
    let start = Instant::now();
    let result = received(recv(&server, &mut buf, MSG_WAITALL));
    at_least(journal, "recv() of 16 bytes returns", &result, "5", start);

    journal.case("who inherits it");
    let (_client, accepted) = connected_at(&listenfd, &addr)?;
    let time: timeval = getsockopt(&accepted, SOL_SOCKET, SO_RCVTIMEO)?;
    let inherited = format!("{}.{:06} s", time.tv_sec, time.tv_usec);
    let quarter = time.tv_sec == 0 && (250_000..300_000).contains(&time.tv_usec);
    journal.holds(
        "the accepted socket has",
        inherited,
        "what the listening one has, 0.25",
        quarter,
    );

    journal.case("times that are none");
    journal.is(
        "setsockopt() of 1000000 microseconds returns",
        done(limit(&server, 0, 1_000_000)),
        "EDOM",
    );
    journal.is("of -1 microseconds", done(limit(&server, 0, -1)), "EDOM");
    Ok(())
}

fn connected_at(listenfd: &OwnedFd, addr: &SocketAddr) -> Result<(OwnedFd, OwnedFd)> {
    let client = tcp()?;
    connect(&client, &to_c(addr))?;
    let (accepted, _) = accept4(listenfd, SOCK_CLOEXEC)?;
    Ok((client, accepted))
}

fn at_least(journal: &mut Journal<'_>, what: &str, seen: &str, expected: &str, start: Instant) {
    let took = start.elapsed();
    journal.is(what, seen, expected);
    journal.holds("after", seconds(took), "at least 0.24 s", took.as_millis() >= 240);
}
