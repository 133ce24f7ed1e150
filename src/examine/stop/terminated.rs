//! H2: SIGTERM.

use super::asked::asked;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::posix::signal::SIGTERM;

pub(in crate::examine) const CHECK: Check = Check {
    id: "H2",
    name: "SIGTERM",
    does: "sends SIGTERM to the server, as kill, systemd and Docker do, while there is no client",
    sees: "whether it ends, with which status, and what it does about the signal: SigIgn, SigCgt, SigBlk",
    matters: "who does not end at SIGTERM is killed some seconds later, in the middle of whatever it does",
    remedy: "a handler for SIGTERM, by sigaction(), that makes accept() end; then close what is open and return 0",
    source: "signal(7); kill(1); systemd.kill(5); UNIX Network Programming 5.8",
    over: Over::Both,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    asked(exam, SIGTERM, "SIGTERM")
}
