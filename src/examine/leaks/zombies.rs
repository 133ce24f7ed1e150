//! E1: children that nobody waits for.

use super::{Count, judge};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "E1",
    name: "zombies",
    does: "lets 20 clients come and go, then 20 more, and where something has grown twice 160 more: every second asks, the others leave \
           without a word",
    sees: "the number of ended children that nobody has waited for",
    matters: "each has an entry in the kernel's table of processes until its parent asks for its status; when the table, or the user's \
              share of it, is full, fork() fails",
    remedy: "signal(SIGCHLD, SIG_IGN), or a handler that calls waitpid(-1, NULL, WNOHANG) until it returns none",
    source: "slide 'Forked server'; wait(2), NOTES; UNIX Network Programming 5.9, 5.10",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    judge(exam, &[Count::Zombies])
}
