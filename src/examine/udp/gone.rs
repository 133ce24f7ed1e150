//! J5: a client that does not wait for its answer.

use super::ONCE;
use crate::examine::counters;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "J5",
    name: "client gone over UDP",
    does: "stops the server (SIGSTOP), sends a request and closes the socket, lets the server go on, and asks with another client",
    sees: "whether the answer that nobody waits for (ICMP: port unreachable) hurts the server or the other client",
    matters: "such an ICMP message may come back as an error of the next recvfrom() or sendto(), which is nobody's fault here",
    remedy: "go on after an error of sendto(), and after ECONNREFUSED of recvfrom()",
    source: "udp(7), error handling; UNIX Network Programming 8.9",
    over: Over::Udp,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable(ONCE));
    }
    let server = exam.start()?;
    server.settles()?;
    let before = counters::udp("NoPorts")?;
    server.while_stopped(|| {
        let client = server.connect()?;
        if client.send(&server.protocol.request)? == 0 {
            return Err(Trouble::Broken(String::from("the request could not be sent")));
        }
        client.close();
        Ok(())
    })?;
    let is_sent = server
        .until_or_stuck(|| Ok(counters::udp("NoPorts")? > before || server.ended().is_some()))?;
    if !is_sent {
        return Err(Trouble::Broken(String::from("the client that has gone was never answered")));
    }
    let line = format!("NoPorts {before} before, {} after", counters::udp("NoPorts")?);
    Ok(server
        .ailment()?
        .unwrap_or_else(|| {
            Outcome::pass("the answer goes nowhere, and the next client is answered")
        })
        .with(line))
}
