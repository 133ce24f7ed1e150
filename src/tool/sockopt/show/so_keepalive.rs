//! `SO_KEEPALIVE`: a peer that has gone without a word.

use std::os::fd::OwnedFd;
use std::time::Instant;

use super::{Demonstration, Journal, alone};
use crate::posix::Result;
use crate::posix::error::EPERM;
use crate::posix::netinet_in::IPPROTO_TCP;
use crate::posix::netinet_tcp::{TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL};
use crate::posix::poll::POLLERR;
use crate::posix::sys_socket::{SO_KEEPALIVE, recv, setsockopt};
use crate::tool::loopback::*;

pub(super) const DEMONSTRATION: Demonstration = Demonstration {
    name: "SO_KEEPALIVE",
    shows: "a peer that has gone without a word is noticed; takes 3 s",
    also: &["TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"],
    run,
    inside,
};

/// A second of silence, then two probes, a second apart.
fn keep_alive(sockfd: &OwnedFd) -> Result<()> {
    for (optname, value) in [(TCP_KEEPIDLE, 1), (TCP_KEEPINTVL, 1), (TCP_KEEPCNT, 2)] {
        setsockopt(sockfd, IPPROTO_TCP, optname, &value)?;
    }
    set(sockfd, SO_KEEPALIVE, 1)
}

/// A peer can be made silent by who has the privilege, and that is anybody in namespaces of their own.
fn run(journal: &mut Journal<'_>) -> Result<()> {
    match inside(journal) {
        Err(error) if error.errno() == EPERM => {
            journal.namespaces("in namespaces", &alone("SO_KEEPALIVE"));
            Ok(())
        }
        done => done,
    }
}

fn inside(journal: &mut Journal<'_>) -> Result<()> {
    let (listenfd, _) = listener()?;
    let (probing, gone) = connected_to(&listenfd)?;
    let (patient, also_gone) = connected_to(&listenfd)?;
    let (probing_too, there) = connected_to(&listenfd)?;
    silence(&gone)?;
    silence(&also_gone)?;
    keep_alive(&probing_too)?;
    keep_alive(&probing)?;
    let start = Instant::now();
    wait_for(&probing, POLLERR)?;
    let took = start.elapsed();

    journal
        .case("TCP_KEEPIDLE 1, TCP_KEEPINTVL 1, TCP_KEEPCNT 2; the peer answers nothing any more");
    journal.is("recv() fails with", received(recv(&probing, &mut [0; 8], 0)), "ETIMEDOUT");
    let long = took.as_millis() >= 2500;
    journal.holds("after", seconds(took), "some 3 s, at least 2.5 s", long);
    journal.is("this end is then in", state_name(state(&probing)?), "CLOSE");
    journal.case("the same without SO_KEEPALIVE");
    journal.is("after as long this end is in", state_name(state(&patient)?), "ESTABLISHED");
    journal.case("the same with SO_KEEPALIVE; the peer has nothing to say, but is there");
    journal.is("after as long this end is in", state_name(state(&probing_too)?), "ESTABLISHED");
    drop(there);
    Ok(())
}
