//! K6: an end of file too early.

use super::complaint;
use super::exam::ClientExam;
use crate::examine::{Check, OfClient, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check<OfClient> = Check {
    id: "K6",
    name: "early end of file",
    does: "takes the request and closes the connection, in a second run after half of an answer",
    sees: "whether the client ends, and tells no answer from an answer",
    matters: "recv() returns 0 at once and again and again then: a loop that waits for more spins, and atoi(\"\") is a number",
    remedy: "0 from recv() is the end; if nothing has come before it there is no answer: say so, exit(1)",
    source: "slide 'recv'; recv(2), return value; UNIX Network Programming 5.12",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &ClientExam) -> Result<Outcome, Trouble> {
    let nothing = exam.serve(|_client, connection| connection.close())?;
    let outcome = complaint(&nothing, "at an end of file without an answer");
    if outcome.verdict == Verdict::Fail {
        return Ok(outcome);
    }
    let reply = exam.reply();
    let half = &reply.short[..reply.short.len() / 2];
    exam.log().say("once more, with half of an answer");
    let cut = exam.serve(|client, connection| {
        connection.send(client, half)?;
        connection.until_read(client)?;
        connection.close()
    })?;
    let second = complaint(&cut, "at an end of file after half of an answer");
    // Where the end of file is the answer's end, as in the lecture's service, half of one is one.
    if cut.status.is_some_and(|status| status.success()) {
        return Ok(outcome
            .with("half of an answer is taken for one: nothing in it says that more should come"));
    }
    Ok(if second.verdict.weight() > outcome.verdict.weight() { second } else { outcome })
}
