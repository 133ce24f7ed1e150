//! F4: a process that can't be made.

use super::{Blow, Errno, Right, excluded, survives};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::posix::error::{EAGAIN, ENOMEM};
use crate::subject::gate::Only;

pub(in crate::examine) const CHECK: Check = Check {
    id: "F4",
    name: "fork fails",
    does: "makes fork() fail once with EAGAIN and with ENOMEM, each with a client that wants to be served",
    sees: "whether the process lives and sleeps, whether that client is told, and whether the next one is answered",
    matters: "processes run out when many clients come: then those are to be refused who are too many, and not everybody from then on",
    remedy: "if fork() returns -1, close the connected socket, report it, and go on",
    source: "slide 'Forked server'; fork(2), ERRORS; UNIX Network Programming 4.7",
    over: Over::Tcp,
    is_quick: false,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let errors = [("EAGAIN", EAGAIN), ("ENOMEM", ENOMEM)];
    failing(exam, false, &errors, "it makes no process for a client")
}

/// Whether the server survives that no process, or no thread, can be made for a client.
pub(super) fn failing(
    exam: &Exam,
    thread: bool,
    errors: &[Errno],
    if_none: &str,
) -> Result<Outcome, Trouble> {
    if let Some(outcome) = excluded(exam)? {
        return Ok(outcome);
    }
    let calls = exam.habits()?.making(thread);
    if calls.is_empty() {
        return Ok(Outcome::not_applicable(if_none));
    }
    let only = Only { thread: Some(thread), ..Only::default() };
    let blow = |&errno: &Errno| Blow::new(&calls, only, errno, Right::Word);
    survives(exam, &errors.iter().map(blow).collect::<Vec<_>>())
}
