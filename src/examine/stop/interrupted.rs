//! H1: SIGINT.

use super::asked::asked;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::posix::signal::SIGINT;

pub(in crate::examine) const CHECK: Check = Check {
    id: "H1",
    name: "SIGINT",
    does: "sends SIGINT to the server and all of its process group, as Ctrl-C does, while there is no client",
    sees: "whether it ends, with which status, and what it does about the signal: SigIgn, SigCgt, SigBlk",
    matters: "whoever starts a server in a terminal ends it that way; the status says whether it has failed",
    remedy: "a handler for SIGINT, by sigaction(), that makes accept() end; then close what is open and return 0",
    source: "slide 'Ctrl-C'; signal(7); UNIX Network Programming 5.8",
    over: Over::Both,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    asked(exam, SIGINT, "SIGINT")
}
