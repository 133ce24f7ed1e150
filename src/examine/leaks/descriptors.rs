//! E2: descriptors that stay open.

use super::{Count, judge};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "E2",
    name: "descriptors",
    does: "lets 20 clients come and go, then 20 more, and where something has grown twice 160 more: every second asks, the others leave \
           without a word",
    sees: "the number of descriptors of the processes that were there before the first client",
    matters: "a process may have so many descriptors and no more, often 1024: then accept() fails with EMFILE and nobody is served",
    remedy: "close the connected socket on every way out, also where the client is lost; in the parent after fork()",
    source: "slide 'close'; close(2); getrlimit(2), RLIMIT_NOFILE; UNIX Network Programming 4.8",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    judge(exam, &[Count::Descriptors])
}
