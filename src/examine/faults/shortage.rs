//! F1: accept() that fails because something is short.

use super::{ACCEPT, Blow, Errno, Right, excluded, survives};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::posix::error::{EMFILE, ENFILE, ENOBUFS, ENOMEM};
use crate::subject::gate::Only;

pub(in crate::examine) const CHECK: Check = Check {
    id: "F1",
    name: "accept: a shortage",
    does: "makes accept() fail once with EMFILE, ENFILE, ENOBUFS and ENOMEM, each with clients that want to be served",
    sees: "whether the process lives and sleeps, and whether the next client is answered",
    matters: "descriptors and memory run out on a busy day, and come back: a server that ends then turns a shortage of seconds into \
              an outage",
    remedy: "let accept() fail: report it, wait a moment or until a client has gone, and go on",
    source: "slide 'Error handling'; accept(2), ERRORS; UNIX Network Programming 16.6",
    over: Over::Tcp,
    is_quick: false,
    on_running: OnRunning::Never,
    run,
};

const SHORTAGES: &[Errno] =
    &[("EMFILE", EMFILE), ("ENFILE", ENFILE), ("ENOBUFS", ENOBUFS), ("ENOMEM", ENOMEM)];

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    failing(exam, SHORTAGES)
}

/// Whether the server survives an accept() that fails with each of these.
pub(super) fn failing(exam: &Exam, errors: &[Errno]) -> Result<Outcome, Trouble> {
    if let Some(outcome) = excluded(exam)? {
        return Ok(outcome);
    }
    let calls = exam.habits()?.among(ACCEPT);
    if calls.is_empty() {
        return Ok(Outcome::not_applicable("it never calls accept() for a client"));
    }
    let blow = |&errno: &Errno| Blow::new(&calls, Only::default(), errno, Right::Nothing);
    survives(exam, &errors.iter().map(blow).collect::<Vec<_>>())
}
