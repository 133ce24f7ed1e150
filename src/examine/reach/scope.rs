//! I4: an address that is good on one link only.

use std::net::{Ipv6Addr, SocketAddrV6};

use super::{ask_at, is_wildcard, sockets};
use crate::examine::server::Probe;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::linux::net_if::siocsifaddr6;
use crate::net::to_c;
use crate::posix::sys_socket::{AF_INET6, SOCK_CLOEXEC, SOCK_DGRAM, bind, socket};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "I4",
    name: "link-local client",
    does: "gives the loopback interface the address fe80::1, and asks a server with a socket of AF_INET6 on the wildcard address \
           there, from there",
    sees: "the answer",
    matters: "an address of a link means nothing without the interface (sin6_scope_id): who answers it, logs it or looks it up by \
              its 16 bytes alone reaches nobody, or has no room for fe80::1%lo",
    remedy: "keep the whole struct sockaddr_in6 that accept() or recvfrom() has filled in, and print it by getnameinfo()",
    source: "ipv6(7), sin6_scope_id; RFC 4007; UNIX Network Programming 3.2",
    over: Over::Both,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
/// Of a new network, the loopback interface is the first.
const LO: u32 = 1;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let is_single_use = exam.is_single_use()?;
    let server = exam.start()?;
    let (_, over6) = sockets(&server)?;
    if !over6.iter().any(is_wildcard) {
        return Ok(Outcome::not_applicable("no socket of it has the wildcard address of IPv6"));
    }
    if !exam.plan.is_alone() {
        return Err(Trouble::Blocked(String::from(
            "no address is added to the machine's own network",
        )));
    }
    let sockfd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)?;
    siocsifaddr6(&sockfd, LINK_LOCAL.octets(), 64, LO as i32)
        .map_err(|error| Trouble::Blocked(format!("fe80::1 can't be added: {error}")))?;
    // The kernel makes sure that nobody else has the address, and lets it be used then.
    let own = to_c(&SocketAddrV6::new(LINK_LOCAL, 0, 0, LO).into());
    if !server.until(|| Ok(bind(&sockfd, &own).is_ok()))? {
        return Err(Trouble::Broken(String::from("fe80::1 does not come into use")));
    }
    let addr = SocketAddrV6::new(LINK_LOCAL, server.addr.port(), 0, LO);
    let probe = ask_at(&server, addr.into())?;
    if probe != Probe::Right {
        let what = format!("a good request at {LINK_LOCAL}%lo is {}", probe.words());
        if matches!(&probe, Probe::Wrong(answer) if !answer.bytes.is_empty()) {
            // It has found the way back: whom it serves is its own affair.
            return Ok(Outcome::new(Verdict::Info, what));
        }
        return Ok(Outcome::fail(what).with_all(server.scene()));
    }
    let outcome = Outcome::pass(format!("{LINK_LOCAL}%lo is answered like the others"))
        .with(format!("asked at {addr}: the right answer"));
    if is_single_use { Ok(outcome) } else { server.if_well(outcome) }
}
