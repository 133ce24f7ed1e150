//! E3: threads that stay.

use super::{Count, judge};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "E3",
    name: "threads",
    does: "lets 20 clients come and go, then 20 more, and where something has grown twice 160 more: every second asks, the others leave \
           without a word",
    sees: "the number of threads",
    matters: "a thread that waits for a client who has gone waits for ever; each costs a stack and a place in the kernel's table",
    remedy: "end the thread when recv() returns 0 or fails",
    source: "slide 'Threaded server'; pthreads(7); UNIX Network Programming 26.4",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    judge(exam, &[Count::Threads])
}
