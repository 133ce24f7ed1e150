//! `SO_REUSEADDR`: a server that starts again while connections of the old one are left.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use super::{Demonstration, Journal};
use crate::net::to_c;
use crate::posix::Result;
use crate::posix::sys_socket::*;
use crate::posix::unistd::close;
use crate::tool::loopback::*;
use crate::tool::returned::{done, said};

pub(super) const DEMONSTRATION: Demonstration = Demonstration {
    name: "SO_REUSEADDR",
    shows: "who may bind to a port where connections are left, or a socket listens",
    also: &[],
    run,
    inside,
};

/// In a network of its own no port is anybody else's, and its table is short enough to be read at once. Where none can be
/// had, on the machine's.
fn run(journal: &mut Journal<'_>) -> Result<()> {
    if journal.alone("SO_REUSEADDR") { Ok(()) } else { inside(journal) }
}

fn inside(journal: &mut Journal<'_>) -> Result<()> {
    for time_wait in [true, false] {
        let state = if time_wait { "TIME_WAIT" } else { "ESTABLISHED" };
        journal.case(format!("the old server has closed; a connection of it is in {state}"));
        for (old, new) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let (listenfd, addr) = bound_with(old)?;
            listen(&listenfd, 5)?;
            let (client, server) = connected_to(&listenfd)?;
            let far = name(&client)?;
            let mut established = Some((client, server));
            if time_wait && let Some((client, server)) = established.take() {
                close(server)?;
                close(client)?;
                until(|| Ok(state_between(addr, far) == state))?;
            }
            close(listenfd)?;
            let is = |flag| if flag == 1 { "with" } else { "without" };
            let what = format!("old {}, new {}: bind() returns", is(old), is(new));
            let next = tcp()?;
            set(&next, SO_REUSEADDR, new)?;
            let expected = if (old, new) == (1, 1) { "0" } else { "EADDRINUSE" };
            journal.is(what, done(bind(&next, &to_c(&addr))), expected);
            if expected == "0" {
                journal.is("and listen()", done(listen(&next, 5)), 0);
            }
            let found = state_between(addr, far);
            journal.is("meanwhile the connection is in", found, state);
            drop(established);
        }
    }

    journal.case("a socket listens there, and all have SO_REUSEADDR");
    let (old, addr) = bound_with(1)?;
    let beside = tcp()?;
    set(&beside, SO_REUSEADDR, 1)?;
    journal.is(
        "before it listens: bind() of another returns",
        done(bind(&beside, &to_c(&addr))),
        0,
    );
    journal.is("listen() of the first", done(listen(&old, 5)), 0);
    journal.is("listen() of the other", done(listen(&beside, 5)), "EADDRINUSE");
    let third = tcp()?;
    set(&third, SO_REUSEADDR, 1)?;
    journal.is("bind() of a third", done(bind(&third, &to_c(&addr))), "EADDRINUSE");

    journal.case("UDP, all have SO_REUSEADDR");
    let (first, addr) = {
        let sockfd = udp()?;
        set(&sockfd, SO_REUSEADDR, 1)?;
        bound(sockfd)?
    };
    let last = udp()?;
    set(&last, SO_REUSEADDR, 1)?;
    journal.is("bind() of another returns", done(bind(&last, &to_c(&addr))), 0);
    if name(&last)?.port() != addr.port() {
        return Ok(());
    }
    sendto(udp()?, b"12345", 0, &to_c(&addr))?;
    wait_for_bytes(&last, 5)?;
    let mut buf = [0; 8];
    journal.is(
        "a datagram comes: recv() of the last one to bind returns",
        said(recv(&last, &mut buf, MSG_DONTWAIT)),
        5,
    );
    journal.is("recv() of the first", said(recv(&first, &mut buf, MSG_DONTWAIT)), "EAGAIN");
    Ok(())
}

fn bound_with(reuse: i32) -> Result<(OwnedFd, SocketAddr)> {
    let sockfd = tcp()?;
    set(&sockfd, SO_REUSEADDR, reuse)?;
    bound(sockfd)
}
