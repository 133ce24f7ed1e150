//! K5: a server that says nothing.

use super::complaint;
use super::exam::ClientExam;
use crate::examine::{Check, OfClient, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check<OfClient> = Check {
    id: "K5",
    name: "silence",
    does: "takes the request, and says nothing for as long as --wait allows",
    sees: "whether the client gives up with a failure and says so; else in which call it is blocked",
    matters: "a server that hangs, or a datagram that is lost, is told to nobody: without a limit of its own a client waits for ever",
    remedy: "SO_RCVTIMEO, or poll() with a time before each recv(), or alarm(); over UDP ask again a few times first",
    source: "slide 'Not to block (for too long): timeouts'; socket(7), SO_RCVTIMEO; UNIX Network Programming 14.2, 8.7",
    over: Over::Both,
    is_quick: false,
    run,
};

fn run(exam: &ClientExam) -> Result<Outcome, Trouble> {
    let run = if exam.is_tcp() {
        exam.serve(|_client, _connection| Ok(()))?
    } else {
        exam.hear(|_client, _door, _datagram| Ok(()))?
    };
    let line = format!(
        "it has asked {}",
        if run.asked == 1 { "once".into() } else { format!("{} times", run.asked) }
    );
    Ok(complaint(&run, "when the server says nothing").with(line))
}
