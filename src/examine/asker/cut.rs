//! K4: an answer that a reset cuts.

use super::complaint;
use super::exam::ClientExam;
use crate::examine::{Check, OfClient, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check<OfClient> = Check {
    id: "K4",
    name: "answer, then reset",
    does: "sends half of the answer, waits until the client has read it, and resets the connection (SO_LINGER, 0 s)",
    sees: "whether the client ends with a failure and says so, or takes the half for the whole",
    matters: "a server that dies, or a host that restarts, ends a connection so: recv() has -1 and ECONNRESET then, not the end of file",
    remedy: "tell -1 from 0: after ECONNRESET the answer is not whole; perror(\"recv\"), exit(1)",
    source: "slide 'Return to sender'; recv(2); UNIX Network Programming 5.12 to 5.15",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &ClientExam) -> Result<Outcome, Trouble> {
    let reply = exam.reply();
    let half = &reply.short[..reply.short.len() / 2];
    let mut was_open = false;
    let run = exam.serve(|client, connection| {
        connection.send(client, half)?;
        connection.until_read(client)?;
        was_open |= connection.is_open()?;
        connection.reset()
    })?;
    let outcome = complaint(&run, "when a reset cuts the answer");
    if outcome.verdict == Verdict::Pass && !was_open {
        let what = "the client had closed the connection before it could be reset";
        return Err(Trouble::Broken(String::from(what)));
    }
    Ok(outcome)
}
