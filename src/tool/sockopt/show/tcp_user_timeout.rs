//! `TCP_USER_TIMEOUT`: data that nobody acknowledges.

use std::time::Instant;

use super::{Demonstration, Journal, alone};
use crate::posix::Result;
use crate::posix::error::EPERM;
use crate::posix::netinet_in::IPPROTO_TCP;
use crate::posix::netinet_tcp::TCP_USER_TIMEOUT;
use crate::posix::poll::POLLERR;
use crate::posix::sys_socket::{MSG_NOSIGNAL, recv, send, setsockopt};
use crate::tool::loopback::*;
use crate::tool::returned::said;

pub(super) const DEMONSTRATION: Demonstration = Demonstration {
    name: "TCP_USER_TIMEOUT",
    shows: "how long data may stay unacknowledged; takes a second or two",
    also: &[],
    run,
    inside,
};

/// A peer can be made silent by who has the privilege, and that is anybody in namespaces of their own.
fn run(journal: &mut Journal<'_>) -> Result<()> {
    match inside(journal) {
        Err(error) if error.errno() == EPERM => {
            journal.namespaces("in namespaces", &alone("TCP_USER_TIMEOUT"));
            Ok(())
        }
        done => done,
    }
}

fn inside(journal: &mut Journal<'_>) -> Result<()> {
    let (listenfd, _) = listener()?;
    let (limited, gone) = connected_to(&listenfd)?;
    let (patient, also_gone) = connected_to(&listenfd)?;
    silence(&gone)?;
    silence(&also_gone)?;
    setsockopt(&limited, IPPROTO_TCP, TCP_USER_TIMEOUT, &1000)?;

    journal.case("TCP_USER_TIMEOUT 1000 (milliseconds); the peer answers nothing any more");
    let start = Instant::now();
    let sent = [said(send(&patient, b"x", MSG_NOSIGNAL)), said(send(&limited, b"x", MSG_NOSIGNAL))];
    journal.is("send() of a byte returns", &sent[1], 1);
    wait_for(&limited, POLLERR)?;
    let took = start.elapsed();
    journal.is("recv() then fails with", received(recv(&limited, &mut [0; 8], 0)), "ETIMEDOUT");
    let long = took.as_millis() >= 950;
    journal.holds("after", seconds(took), "1 s and what is left of a retransmission's time", long);
    journal.is("this end is then in", state_name(state(&limited)?), "CLOSE");
    journal.case("without it");
    journal.is("send() of a byte returns", &sent[0], 1);
    journal.is("after as long this end is in", state_name(state(&patient)?), "ESTABLISHED");
    Ok(())
}
