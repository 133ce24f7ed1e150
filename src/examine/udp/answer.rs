//! J1: the answer, and from where it comes.

use crate::examine::loose::Loose;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "J1",
    name: "answer over UDP",
    does: "sends a good request from a socket that is not connected, and takes whatever answer comes from wherever",
    sees: "the answer, and its sender's address and port",
    matters: "a client that has connected its socket hears nothing but what comes from the address and port that it asks",
    remedy: "answer by the socket on which the request came: sendto() with the address that recvfrom() has filled in",
    source: "slide 'UDP Time Service'; udp(7); UNIX Network Programming 8.9",
    over: Over::Udp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let server = exam.start()?;
    let client = Loose::open(&server.addr, 0, &server.log)?;
    client.send(&server.protocol.request, &server.addr)?;
    let mut heard = None;
    // Who answers does so before it rests; whatever has been sent by then is there.
    server.until_or_stuck(|| {
        heard = client.hear(std::time::Duration::ZERO)?;
        Ok(heard.is_some() || server.ended().is_some())
    })?;
    if heard.is_none() {
        heard = client.hear(std::time::Duration::ZERO)?;
    }
    let Some((bytes, from)) = heard else {
        return Ok(match server.ended() {
            Some(status) => server.died(status),
            None => Outcome::fail("a good request is not answered").with_all(server.scene()),
        });
    };
    let line = format!(
        "asked {}, answered by {from}: {}",
        server.addr,
        crate::examine::log::quoted(&bytes)
    );
    Ok(if !server.protocol.is_right(&bytes) {
        Outcome::fail("the answer is wrong")
    } else if from != server.addr {
        Outcome::fail(format!("the answer comes from {from}, and {} was asked", server.addr))
    } else {
        Outcome::pass("the right answer, from where it was asked")
    }
    .with(line))
}
