//! B2: after the answer, the end.

use crate::examine::client::End;
use crate::examine::protocol::Shape;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "B2",
    name: "end of file after the answer",
    does: "asks, and reads until the end",
    sees: "the bytes, and how the connection ends",
    matters: "a client that reads until the end of file waits for ever if one process still has the connected socket: \
              the parent that forgot to close its copy",
    remedy: "close the connected socket in every process that has it: in the parent after fork(), in the child at its end",
    source: "slide 'Forked server'; UNIX Network Programming 4.8; close(2)",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.shape()? == Shape::Persistent {
        return Ok(Outcome::not_applicable("a connection stays open for further requests"));
    }
    let server = exam.start()?;
    let mut client = server.connect()?;
    client.send(&server.protocol.request)?;
    let answer = client.all()?;
    Ok(match answer.end {
        End::Eof if server.protocol.is_right(&answer.bytes) => {
            Outcome::pass("the answer, then the end of file")
        }
        End::Open if server.protocol.is_right(&answer.bytes) => {
            let holders = server.processes().len();
            Outcome::fail(
                "the answer comes, but no end of file: somebody still has the connected socket",
            )
            .with(format!("{holders} processes; {}", answer.words()))
            .with_all(server.scene())
        }
        _ => Outcome::fail(format!("the answer is {}", answer.words())),
    })
}
