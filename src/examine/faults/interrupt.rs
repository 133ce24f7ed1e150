//! F3: calls that a signal interrupts.

use super::{ACCEPT, Blow, Errno, RECEIVE, Right, SEND, WAIT, excluded, survives};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::posix::error::EINTR;
use crate::subject::gate::Only;

pub(in crate::examine) const CHECK: Check = Check {
    id: "F3",
    name: "EINTR",
    does: "makes each call that the server waits in fail once with EINTR, as a signal would: accept(), recv(), send(), select(), \
           poll(), epoll_wait()",
    sees: "whether the process lives and sleeps, whether the client that it was serving is answered, and the next one",
    matters: "a signal handler, a debugger, or SIGSTOP and SIGCONT interrupt a call that waits; nothing has failed then",
    remedy: "call it again if errno is EINTR; SA_RESTART helps with some calls, never with select(), poll() and epoll_wait()",
    source: "slide 'Signals'; signal(7), 'Interruption of system calls'; UNIX Network Programming 5.9",
    over: Over::Tcp,
    is_quick: false,
    on_running: OnRunning::Never,
    run,
};

const INTERRUPTED: Errno = ("EINTR", EINTR);

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if let Some(outcome) = excluded(exam)? {
        return Ok(outcome);
    }
    let habits = exam.habits()?;
    let mut blows = Vec::new();
    for call in habits.among(&[ACCEPT, WAIT].concat()) {
        blows.push(Blow::new(&[call], Only::default(), INTERRUPTED, Right::Nothing));
    }
    for call in habits.among(&[RECEIVE, SEND].concat()) {
        blows.push(Blow::of_client(call, INTERRUPTED, Right::Answer));
    }
    if blows.is_empty() {
        return Ok(Outcome::not_applicable("it makes none of these calls for a client"));
    }
    survives(exam, &blows)
}
