//! D4: a request in pieces.

use super::until_read;
use crate::examine::client::End;
use crate::examine::server::Probe;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "D4",
    name: "byte by byte",
    does: "sends a good request one byte at a time, the next when the server has read the last",
    sees: "the answer",
    matters: "TCP has no messages: what one send() took may come with several recv(), and what several took with one",
    remedy: "call recv() until the end of the request is there, and keep what has come so far",
    source: "slide 'TCP: a stream of bytes'; recv(2); UNIX Network Programming 3.9",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let server = exam.start()?;
    let request = server.protocol.request.clone();
    if request.len() < 2 {
        return Ok(Outcome::not_applicable("a request of one byte has no pieces"));
    }
    let mut client = server.connect_accepted()?;
    for (at, byte) in request.iter().enumerate() {
        client.send(std::slice::from_ref(byte))?;
        if at + 1 < request.len() {
            until_read(&server, &client)?;
            if client.is_told()? {
                let answer = client.take()?;
                // An echo answers each piece.
                if answer.end == End::Open && !server.protocol.is_fibonacci {
                    continue;
                }
                let what = format!(
                    "it does not wait for the whole request: after {} of {} bytes it says {}",
                    at + 1,
                    request.len(),
                    answer.words()
                );
                return Ok(Outcome::fail(what));
            }
        }
    }
    let found = server.outcome(&mut client)?;
    Ok(if found == Probe::Right {
        let what = format!("{} bytes in {} pieces: the right answer", request.len(), request.len());
        Outcome::pass(what).with(format!("it is answered with {}", client.take()?.words()))
    } else {
        let what = format!("a request that comes byte by byte is {}", found.words());
        Outcome::fail(what).with_all(server.scene())
    })
}
