//! I2: one socket for both.

use std::net::Ipv4Addr;

use super::{ask, is_wildcard, sockets};
use crate::examine::server::Probe;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "I2",
    name: "dual stack",
    does: "asks a server with a socket of AF_INET6 on the wildcard address over IPv4",
    sees: "v6only of the socket, as the kernel has it, and the answer",
    matters: "with IPV6_V6ONLY off, a client over IPv4 comes to such a socket as ::ffff:127.0.0.1 (v4-mapped); what the default is \
              the system's administrator decides",
    remedy: "set IPV6_V6ONLY to what is meant, before bind(), and expect v4-mapped addresses of clients if it is off",
    source: "ipv6(7), IPV6_V6ONLY; RFC 3493 5.3; UNIX Network Programming 12.2",
    over: Over::Both,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let is_single_use = exam.is_single_use()?;
    let server = exam.start()?;
    let (over4, over6) = sockets(&server)?;
    let Some(wild) = over6.iter().find(|row| is_wildcard(row)) else {
        return Ok(Outcome::not_applicable("no socket of it has the wildcard address of IPv6"));
    };
    let line = match wild.v6only {
        None => return Err(Trouble::Blocked(String::from("the kernel does not tell v6only"))),
        Some(true) => "v6only is on",
        Some(false) => "v6only is off",
    };
    let probe = ask(&server, Ipv4Addr::LOCALHOST)?;
    let is_mapped = wild.v6only == Some(false) && over4.is_empty();
    let outcome = match (probe, wild.v6only) {
        (Probe::Right, _) if is_mapped => {
            if !is_single_use && let Some(ill) = server.ailment()? {
                return Ok(ill.with(line));
            }
            Outcome::pass("one socket answers clients over both, those over IPv4 as v4-mapped ones")
        }
        (Probe::Right, _) => Outcome::pass("it has a socket for each, and answers over both"),
        (Probe::Refused, Some(true)) if over4.is_empty() => {
            Outcome::new(Verdict::Info, "its socket is for IPv6 only, and there is none for IPv4")
        }
        (other, _) => Outcome::fail(format!("over IPv4 a good request is {}", other.words()))
            .with_all(server.scene()),
    };
    Ok(outcome.with(line))
}
