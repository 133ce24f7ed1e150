//! E4: stacks of threads that nobody joins, and other memory.

use super::{Count, judge};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "E4",
    name: "memory",
    does: "lets 20 clients come and go, then 20 more, and where something has grown twice 160 more: every second asks, the others leave \
           without a word",
    sees: "the mapped areas of memory, their size and how much of them is in use",
    matters: "an ended thread that is neither joined nor detached keeps its stack, 8 MiB of addresses: no list of threads shows it; \
              memory that is not freed grows until the kernel ends the process",
    remedy: "pthread_detach(), or pthread_join(); free what was allocated for a client when it leaves",
    source: "slide 'Threaded server'; pthread_detach(3), NOTES; proc_pid_maps(5)",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    judge(exam, &[Count::Areas, Count::Mapped, Count::Used])
}
