//! F6: recv() and send() that fail.

use super::{Blow, Errno, RECEIVE, Right, SEND, excluded, survives};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::posix::error::{EAGAIN, ECONNRESET, EPIPE, ETIMEDOUT};

pub(in crate::examine) const CHECK: Check = Check {
    id: "F6",
    name: "recv and send fail",
    does: "makes recv() fail once with ECONNRESET, ETIMEDOUT and EAGAIN, and send() with EPIPE, ECONNRESET, ETIMEDOUT and EAGAIN, \
           each while a client is served",
    sees: "whether the process lives and sleeps, whether the connection of that client is ended, and whether the next one is answered",
    matters: "connections break; whose does is lost, and nobody else",
    remedy: "let an error of recv() or send() end that connection alone: close it and go on",
    source: "slide 'Error handling'; recv(2), send(2), ERRORS; UNIX Network Programming 5.13 to 5.15",
    over: Over::Tcp,
    is_quick: false,
    on_running: OnRunning::Never,
    run,
};

const RECEIVING: &[Errno] =
    &[("ECONNRESET", ECONNRESET), ("ETIMEDOUT", ETIMEDOUT), ("EAGAIN", EAGAIN)];
const SENDING: &[Errno] =
    &[("EPIPE", EPIPE), ("ECONNRESET", ECONNRESET), ("ETIMEDOUT", ETIMEDOUT), ("EAGAIN", EAGAIN)];

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if let Some(outcome) = excluded(exam)? {
        return Ok(outcome);
    }
    let habits = exam.habits()?;
    let mut blows = Vec::new();
    for (names, errors) in [(RECEIVE, RECEIVING), (SEND, SENDING)] {
        for call in habits.among(names) {
            for &errno in errors {
                // Who believes that nothing is there waits for the next to come.
                let right = if errno.1 == EAGAIN { Right::Nothing } else { Right::Word };
                blows.push(Blow::of_client(call, errno, right));
            }
        }
    }
    if blows.is_empty() {
        return Ok(Outcome::not_applicable("it makes none of these calls for a client"));
    }
    survives(exam, &blows)
}
