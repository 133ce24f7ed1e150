//! D17: an out-of-band byte.

use super::reply;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "D17",
    name: "out-of-band byte",
    does: "sends a byte out of band (MSG_OOB), then a request, and asks with another client",
    sees: "whether the process lives and sleeps, and the answers",
    matters: "urgent data is an exceptional condition for select(), POLLPRI for poll(), SIGURG for who asked for it: a server \
              that takes it for an error, or is told of it for ever, falls to one byte",
    remedy: "don't watch for exceptional conditions, or take the byte with recv(MSG_OOB) and go on",
    source: "slide 'select'; select(2), exceptfds; tcp(7), urgent data; UNIX Network Programming 24.2",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    if let Some(outcome) = exam.speaks_first()? {
        return Ok(outcome);
    }
    let server = exam.start()?;
    let mut client = server.connect_accepted()?;
    client.send_urgent(b'!')?;
    client.send(&server.protocol.request)?;
    let answer = reply(&server, &mut client, server.patience)?;
    client.close();
    let own = format!("who sent it gets {}", answer.words());
    server.if_well(Outcome::pass("the next client is answered, and the server sleeps").with(own))
}
