//! D8: a client that leaves without a word.

use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "D8",
    name: "empty connection",
    does: "connects, closes the connection without a byte, and asks with another client",
    sees: "whether the process lives, whether it sleeps, and the other client's answer",
    matters: "recv() returns 0 at the end of file, at once and again and again: a loop that waits for a line's end and does \
              not look at the 0 spins for ever",
    remedy: "treat 0 from recv() as the client's end: close the connected socket and go on",
    source: "slide 'recv'; recv(2), return value; UNIX Network Programming 5.12",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    let server = exam.start()?;
    server.connect_accepted()?.close();
    server.if_well(Outcome::pass("the next client is answered, and the server sleeps"))
}
