//! J3: a datagram of no byte.

use super::{ONCE, deliver};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "J3",
    name: "zero-length datagram",
    does: "sends a datagram without a byte, waits until it is read, and asks with another client",
    sees: "whether the process lives, whether it sleeps, and the other client's answer",
    matters: "over UDP 0 from recvfrom() is a datagram like any other and no end of file: who takes it for one ends",
    remedy: "take 0 from recvfrom() for an empty request",
    source: "slide 'recvfrom'; recv(2); UNIX Network Programming 8.2",
    over: Over::Udp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable(ONCE));
    }
    let server = exam.start()?;
    let client = server.connect()?;
    deliver(&server, &client, b"")?;
    server.if_well(Outcome::pass("it is read, and the next client is answered"))
}
