//! J4: the largest datagram.

use super::{ONCE, deliver};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "J4",
    name: "largest datagram",
    does: "sends 65507 bytes, as many as a datagram over IPv4 can have, waits until they are read, and asks with another client",
    sees: "whether the process lives, whether it sleeps, and the other client's answer",
    matters: "recvfrom() cuts what has no room in the buffer, without a word; who trusts a length in the datagram, or has no room \
              for the NUL behind it, writes where nothing of his is",
    remedy: "trust the length that recvfrom() returns, and a buffer one byte longer than the longest request tells a longer one",
    source: "recv(2), MSG_TRUNC; udp(7); UNIX Network Programming 2.11",
    over: Over::Udp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

/// 65535 without the headers of IP and UDP.
const LARGEST: usize = 65507;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable(ONCE));
    }
    let server = exam.start()?;
    let mut health = None;
    for byte in [b'x', 0xff, 0] {
        let client = server.connect()?;
        deliver(&server, &client, &[byte; LARGEST])?;
        match server.health()? {
            Ok(line) => health = Some(line),
            Err(ill) => return Ok(ill.with(format!("{LARGEST} times the byte {byte:#04x}"))),
        }
    }
    Ok(Outcome::pass("it is read, and the next client is answered").with_all(health))
}
