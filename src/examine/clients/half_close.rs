//! D13: a client that has nothing more to say, and listens.

use super::reply;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "D13",
    name: "half-close",
    does: "sends a request and the end of file in one segment: send(), shutdown(SHUT_WR)",
    sees: "whether the answer comes, and whether the server is well after that",
    matters: "the end of file says that no more requests come, not that nobody listens: `printf '10\\n' | nc -N` does that",
    remedy: "answer what has been asked before recv() returned 0, then close",
    source: "slide 'shutdown'; shutdown(2); RFC 9293, 3.6; UNIX Network Programming 6.6",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if let Some(outcome) = exam.speaks_first()? {
        return Ok(outcome);
    }
    let is_single_use = exam.is_single_use()?;
    let server = exam.start()?;
    let mut client = server.connect_accepted()?;
    client.send_last(&server.protocol.request)?;
    let answer = reply(&server, &mut client, server.patience)?;
    if !server.protocol.is_right(&answer.bytes) {
        let what =
            format!("with the end of file behind the request, the answer is {}", answer.words());
        return Ok(Outcome::fail(what).with_all(server.scene()));
    }
    client.close();
    let outcome = Outcome::pass("a client that has half-closed gets its answer")
        .with(format!("it gets {}", answer.words()));
    if is_single_use { Ok(outcome) } else { server.if_well(outcome) }
}
