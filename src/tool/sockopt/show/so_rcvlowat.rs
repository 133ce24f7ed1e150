//! `SO_RCVLOWAT`: what it means to `select` and to `recv`.

use std::os::fd::OwnedFd;
use std::time::Instant;

use super::{Demonstration, Journal};
use crate::net::to_c;
use crate::posix::Result;
use crate::posix::poll::POLLIN;
use crate::posix::sys_socket::*;
use crate::posix::unistd::close;
use crate::tool::loopback::*;
use crate::tool::readiness::Readiness;

pub(super) const DEMONSTRATION: Demonstration = Demonstration {
    name: "SO_RCVLOWAT",
    shows: "what is too little for select(), poll(), epoll and recv()",
    also: &[],
    run,
    inside: run,
};

fn run(journal: &mut Journal<'_>) -> Result<()> {
    let mut buf = [0; 64];
    journal.case("TCP, SO_RCVLOWAT=10: five bytes have arrived");
    let (client, server) = connected()?;
    set(&server, SO_RCVLOWAT, 10)?;
    send(&client, b"12345", 0)?;
    wait_for_bytes(&server, 5)?;
    readable(journal, &server, "no")?;
    let start = Instant::now();
    setsockopt(&server, SOL_SOCKET, SO_RCVTIMEO, &timeval { tv_sec: 0, tv_usec: 200_000 })?;
    let waited = received(recv(&server, &mut buf, MSG_PEEK));
    let long = start.elapsed().as_millis() >= 190;
    journal.is("recv() waits for ten, until SO_RCVTIMEO=0.2 is over, and returns", waited, 5);
    journal.holds("after", seconds(start.elapsed()), "at least 0.19 s", long);
    journal.is(
        "with MSG_DONTWAIT it returns at once",
        received(recv(&server, &mut buf, MSG_PEEK | MSG_DONTWAIT)),
        5,
    );

    journal.case("ten bytes have arrived");
    send(&client, b"67890", 0)?;
    wait_for(&server, POLLIN)?;
    readable(journal, &server, "yes")?;
    journal.is("recv() returns", received(recv(&server, &mut buf, 0)), 10);

    journal.case("five bytes, and a mark that changes");
    send(&client, b"12345", 0)?;
    wait_for_bytes(&server, 5)?;
    readable(journal, &server, "no")?;
    set(&server, SO_RCVLOWAT, 5)?;
    journal.case("the same five, SO_RCVLOWAT=5");
    readable(journal, &server, "yes")?;
    set(&server, SO_RCVLOWAT, 10)?;
    journal.case("the same five, SO_RCVLOWAT=10 again");
    readable(journal, &server, "no")?;
    journal.case("the same five, and the peer has closed");
    close(client)?;
    wait_for(&server, POLLIN)?;
    readable(journal, &server, "yes")?;

    journal.case("UDP, SO_RCVLOWAT=10: a datagram of five bytes has arrived");
    let (receiver, addr) = bound(udp()?)?;
    set(&receiver, SO_RCVLOWAT, 10)?;
    sendto(udp()?, b"12345", 0, &to_c(&addr))?;
    wait_for_bytes(&receiver, 5)?;
    readable(journal, &receiver, "yes")
}

fn readable(journal: &mut Journal<'_>, sockfd: &OwnedFd, expected: &str) -> Result<()> {
    let ready = Readiness::of(sockfd)?;
    for (who, ready) in [
        ("select() says readable", ready.select.readable),
        ("poll() says POLLIN", ready.poll.has(POLLIN)),
        ("epoll says EPOLLIN", ready.epoll.has(POLLIN)),
    ] {
        journal.is(who, if ready { "yes" } else { "no" }, expected);
    }
    Ok(())
}
