//! E5: connections that only the client has closed.

use super::{Count, judge};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "E5",
    name: "CLOSE_WAIT",
    does: "lets 20 clients come and go, then 20 more, and where something has grown twice 160 more: every second asks, the others leave \
           without a word",
    sees: "the connections in the state CLOSE_WAIT in the kernel's table of sockets",
    matters: "the client has closed and the server has not: no time limit of the kernel ends that state, and each such connection keeps a \
              descriptor",
    remedy: "close the connected socket when recv() returns 0",
    source: "slide 'close'; RFC 9293, 3.6; UNIX Network Programming 2.6",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    judge(exam, &[Count::CloseWaits])
}
