//! E6: processes that stay.

use super::{Count, judge};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "E6",
    name: "children that never end",
    does: "lets 20 clients come and go, then 20 more, and where something has grown twice 160 more: every second asks, the others leave \
           without a word",
    sees: "the number of processes that have not ended",
    matters: "a child that spins or waits for ever after its client has left costs a process, and often a CPU, for each such client",
    remedy: "let the child _exit() when its client is served or lost; treat 0 from recv() as the client's end",
    source: "slide 'Forked server'; fork(2), _exit(2); UNIX Network Programming 4.8",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    judge(exam, &[Count::Processes])
}
