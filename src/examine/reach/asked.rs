//! I3: asked by another of the machine's addresses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{is_wildcard, sockets};
use crate::examine::loose::Loose;
use crate::examine::server::{Probe, Server};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "I3",
    name: "another of the machine's addresses",
    does: "asks a server that is bound to the wildcard address at 127.0.0.2",
    sees: "whether the answer comes from the address that was asked",
    matters: "over UDP the kernel takes the sender's address of an answer from the way back: a client that has connected its \
              socket, and a firewall, know nobody of that address",
    remedy: "a socket for each address; or IP_PKTINFO, which tells which one was asked and says which one answers",
    source: "ip(7), IP_PKTINFO; RFC 1122 4.1.3.5; UNIX Network Programming 22.6",
    over: Over::Both,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let server = exam.start()?;
    let (over4, over6) = sockets(&server)?;
    let is_dual = |row: &crate::linux::sock_diag::inet_diag_msg| {
        row.v6only == Some(false) && is_wildcard(row)
    };
    if !over4.iter().any(is_wildcard) && !over6.iter().any(is_dual) {
        return Ok(Outcome::not_applicable("it is not bound to the wildcard address of IPv4"));
    }
    if !server.is_tcp {
        return datagram(&server);
    }
    Ok(match super::ask(&server, OTHER)? {
        Probe::Right => Outcome::pass(format!("{OTHER} is answered like the others"))
            .with(format!("asked at {OTHER}:{}: the right answer", server.addr.port())),
        other => Outcome::fail(format!("a good request at {OTHER} is {}", other.words()))
            .with_all(server.scene()),
    })
}

fn datagram(server: &Server) -> Result<Outcome, Trouble> {
    let asked = SocketAddr::new(IpAddr::V4(OTHER), server.addr.port());
    let client = Loose::open(&asked, 0, &server.log)?;
    client.send(&server.protocol.request, &asked)?;
    let mut heard = None;
    server.until_or_stuck(|| {
        heard = client.hear(std::time::Duration::ZERO)?;
        Ok(heard.is_some())
    })?;
    Ok(match heard {
        None => Outcome::fail(format!("a good request at {OTHER} is not answered"))
            .with_all(server.scene()),
        Some((_, from)) if from == asked => Outcome::pass(format!("{OTHER} is asked, and answers"))
            .with(format!("asked {asked}, answered by {from}")),
        Some((_, from)) => {
            let what = format!(
                "{OTHER} is asked, and {} answers: a connected client does not hear it",
                from.ip()
            );
            Outcome::new(Verdict::Weak, what).with(format!("asked {asked}, answered by {from}"))
        }
    })
}
