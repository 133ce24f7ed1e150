//! I1: IPv4 and IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{ask, fresh, sockets};
use crate::examine::server::Probe;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::net::to_c;
use crate::posix::sys_socket::{AF_INET6, SOCK_CLOEXEC, SOCK_DGRAM, bind, socket};
use crate::report::Verdict;
use crate::subject::own_ip;

pub(in crate::examine) const CHECK: Check = Check {
    id: "I1",
    name: "IPv4 and IPv6",
    does: "asks at 127.0.0.1 and at ::1",
    sees: "who answers, and the addresses of the server's sockets in the kernel's table",
    matters: "localhost is ::1 as well as 127.0.0.1, for many programs in that order: they find nobody where a server has only \
              the other one, and have to try again",
    remedy: "a socket for each address that getaddrinfo() returns, or one of AF_INET6 with IPV6_V6ONLY off",
    source: "slide 'getaddrinfo'; ipv6(7); RFC 6761 6.3; UNIX Network Programming 11.6",
    over: Over::Both,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    exam.is_single_use()?;
    let mut server = exam.start()?;
    let (over4, over6) = sockets(&server)?;
    let port = server.addr.port();
    let rows: Vec<String> = over4
        .iter()
        .chain(&over6)
        .map(|row| match row.v6only {
            Some(false) => format!("a socket is bound to {} port {port}, v6only off", own_ip(row)),
            Some(true) => format!("a socket is bound to {} port {port}, v6only on", own_ip(row)),
            None => format!("a socket is bound to {} port {port}", own_ip(row)),
        })
        .collect();
    if !has_ipv6() {
        return Ok(Outcome::not_applicable("this system has no IPv6").with_all(rows));
    }
    let mut reached = Vec::new();
    let mut missed = Vec::new();
    for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        match ask(&server, ip)? {
            Probe::Right => {
                reached.push(ip.to_string());
                server = fresh(exam, server)?;
            }
            Probe::Refused => missed.push(ip.to_string()),
            other => {
                let what = format!("a good request at {ip} is {}", other.words());
                return Ok(Outcome::fail(what).with_all(rows).with_all(server.scene()));
            }
        }
    }
    Ok(match (&reached[..], &missed[..]) {
        ([], _) => {
            return Err(Trouble::Broken(String::from("neither 127.0.0.1 nor ::1 is answered")));
        }
        (_, []) => Outcome::pass("both are answered"),
        (reached, missed) => {
            let what = format!(
                "{} is answered, and at {} there is nobody",
                reached.join(", "),
                missed.join(", ")
            );
            Outcome::new(Verdict::Info, what)
        }
    }
    .with_all(rows))
}

/// Whether this network has ::1.
fn has_ipv6() -> bool {
    let sockfd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockfd.is_ok_and(|sockfd| bind(&sockfd, &to_c(&(Ipv6Addr::LOCALHOST, 0).into())).is_ok())
}
