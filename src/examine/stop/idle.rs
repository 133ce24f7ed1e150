//! H3: what a client sees of the stop that has asked for nothing yet.

use super::{goes_on, settled};
use crate::examine::client::End;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::posix::signal::SIGTERM;
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "H3",
    name: "idle client at the stop",
    does: "holds a client that has said nothing yet, and sends SIGTERM to the server",
    sees: "what the client is told: an end of file, a reset, or nothing",
    matters: "a client that is told nothing waits for a server that is not there any more; after an end of file it can ask \
              elsewhere",
    remedy: "at the stop, close the connected sockets too, in every process that has them: tell the children (kill(), or \
             PR_SET_PDEATHSIG)",
    source: "close(2); prctl(2); UNIX Network Programming 5.12",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let server = settled(exam)?;
    let mut client = server.connect_accepted()?;
    // Who has been accepted is yet to be given to the one who waits for his word.
    server.settles()?;
    if client.is_told()? {
        return Ok(Outcome::not_applicable(
            "the server speaks first, or does not wait for a request",
        ));
    }
    server.signal(SIGTERM)?;
    // The process that was started may end before those that have the client.
    server.until(|| Ok(client.is_told()? || server.ended().is_some()))?;
    server.until_or_stuck(|| client.is_told())?;
    if !client.is_told()? {
        return Ok(if server.ended().is_none() {
            goes_on(&server)
        } else if server.processes().is_empty() {
            Outcome::fail("the server has ended, and nobody has told the client")
        } else {
            Outcome::fail("the server has ended, and a process of it still has the client, which is told nothing")
                .with_all(server.scene())
        });
    }
    let answer = client.all()?;
    let ended = match server.ended() {
        Some(status) => format!("the server has ended ({status})"),
        None => String::from("the server has not ended yet"),
    };
    Ok(match answer.end {
        End::Eof => Outcome::pass(format!("the client sees {}", answer.words())),
        End::Reset => Outcome::new(
            Verdict::Weak,
            format!("the client sees {}: as after a crash", answer.words()),
        ),
        End::Open => {
            Outcome::fail(format!("the client gets {}", answer.words())).with_all(server.scene())
        }
    }
    .with(ended))
}
