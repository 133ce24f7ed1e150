//! K7: an answer that is long enough to be cut.

use super::exam::ClientExam;
use super::shown;
use crate::examine::{Check, OfClient, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check<OfClient> = Check {
    id: "K7",
    name: "whole answer",
    does: "answers in one piece and closes, with fib(50), of eleven digits, unless --answer says something else",
    sees: "whether the client prints all of it",
    matters: "recv(fd, buf, 10, 0) returns ten bytes of eleven and no error: what is printed looks like a number, and is wrong",
    remedy: "read until the end of the answer, whatever fits into the buffer at a time",
    source: "slide 'TCP Fibonacci Service - Iterative', the client; recv(2); UNIX Network Programming 3.9",
    over: Over::Both,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &ClientExam) -> Result<Outcome, Trouble> {
    let reply = exam.reply();
    let run = if exam.is_tcp() {
        exam.serve(|client, connection| {
            connection.send(client, &reply.long)?;
            connection.close()
        })?
    } else {
        exam.hear(|_client, door, datagram| door.answer(datagram, &reply.long))?
    };
    Ok(shown(&run, &reply, &reply.long, "in one piece"))
}
