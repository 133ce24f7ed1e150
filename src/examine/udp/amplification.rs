//! J7: how much is sent for how little.

use std::time::Duration;

use super::ONCE;
use crate::examine::log::quoted;
use crate::examine::loose::Loose;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "J7",
    name: "amplification",
    does: "sends a good request, an empty one, and ones of one byte, and counts all that comes back for each",
    sees: "the bytes of the answers and of the request, each with the headers of IP and UDP",
    matters: "whoever forges the sender's address has the answers sent to a victim: a server that answers with much more than it \
              is asked with is an amplifier for attacks",
    remedy: "answer with little; refuse requests that are shorter than a third of their answer",
    source: "RFC 9000 8.1 (three times at most); RFC 8085 6; CISA TA14-017A",
    over: Over::Udp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

/// Three times is what QUIC allows itself.
const MUCH: f64 = 3.0;
const TOO_MUCH: f64 = 10.0;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable(ONCE));
    }
    let mut server = exam.start()?;
    let headers = if server.addr.is_ipv4() { 20 + 8 } else { 40 + 8 };
    let good = server.protocol.request.clone();
    let mut worst: f64 = 0.0;
    let mut lines = Vec::new();
    for request in [&good[..], b"", b"x", b"\n", b"\0"] {
        // A socket of its own, which no late answer to another reaches.
        let client = Loose::open(&server.addr, 0, &server.log)?;
        client.send(request, &server.addr)?;
        server.until(|| Ok(server.waiting_bytes()? == 0 || server.ended().is_some()))?;
        server.settles()?;
        let (mut count, mut payload) = (0, 0);
        while let Some((answer, _)) = client.hear(Duration::ZERO)? {
            (count, payload) = (count + 1, payload + answer.len());
        }
        if count == 0 && request == good {
            return Err(Trouble::Broken(String::from("a good request is not answered")));
        }
        if count > 0 {
            let ratio = (payload + count * headers) as f64 / (request.len() + headers) as f64;
            worst = worst.max(ratio);
            lines.push(format!(
                "{}: {} bytes of request, {count} answers of {payload} bytes, {ratio:.1} times as much on the wire",
                quoted(request),
                request.len()
            ));
        }
        // Which request it dies of is asked elsewhere.
        if let Some(status) = server.ended() {
            lines.push(format!("{}: the server ended ({status})", quoted(request)));
            drop(server);
            server = exam.restart()?;
        }
    }
    let what = format!("it sends {worst:.1} times as much as it is sent");
    let verdict = if worst > TOO_MUCH {
        Verdict::Fail
    } else if worst > MUCH {
        Verdict::Weak
    } else {
        Verdict::Pass
    };
    Ok(Outcome::new(verdict, what).with_all(lines))
}
