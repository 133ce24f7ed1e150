//! F5: a thread that can't be made.

use super::fork::failing;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::posix::error::EAGAIN;

pub(in crate::examine) const CHECK: Check = Check {
    id: "F5",
    name: "pthread_create fails",
    does: "makes pthread_create() fail once with EAGAIN, with a client that wants to be served",
    sees: "whether the process lives and sleeps, whether that client is told, and whether the next one is answered",
    matters: "threads run out when many clients come: then those are to be refused who are too many, and not everybody from then on",
    remedy: "look at what pthread_create() returns, close the connected socket, report it, and go on; in Rust Builder::spawn(), \
             since thread::spawn() panics",
    source: "slide 'Threaded server'; pthread_create(3), ERRORS; UNIX Network Programming 26.2",
    over: Over::Tcp,
    is_quick: false,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    failing(exam, true, &[("EAGAIN", EAGAIN)], "it makes no thread for a client")
}
