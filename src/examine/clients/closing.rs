//! D9: a client that leaves in the middle of its request.

use super::{beginning, until_read};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "D9",
    name: "close in mid-request",
    does: "sends the beginning of a request, closes the connection when that is read, and asks with another client",
    sees: "whether the process lives, whether it sleeps, and the other client's answer",
    matters: "half a request never becomes a whole one: who waits for its end with recv() gets 0 again and again, and spins; \
              and an answer that is sent all the same meets a client that is gone",
    remedy: "treat 0 from recv() as the client's end also where a request has begun, and close the connected socket",
    source: "slide 'recv'; recv(2), return value; UNIX Network Programming 5.12",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    let server = exam.start()?;
    let Some(half) = beginning(&server.protocol) else {
        return Ok(Outcome::not_applicable("a request of one byte has no middle"));
    };
    let client = server.connect_accepted()?;
    client.send(half)?;
    until_read(&server, &client)?;
    client.close();
    server.if_well(Outcome::pass("the next client is answered, and the server sleeps"))
}
