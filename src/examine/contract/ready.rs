//! A1: it listens, and answers.

use crate::examine::server::Probe;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "A1",
    name: "ready",
    does: "starts the server, waits until the kernel lists a socket of its own on its port, and asks once",
    sees: "the row in the kernel's table of sockets, and the answer",
    matters: "whoever starts a server has to know when it can be asked; to connect until that works is a guess, and \
              uses a server up that serves once",
    remedy: "socket, bind, listen; then answer requests on the port that was given",
    source: "slide 'Debugging sockets'; listen(2); sock_diag(7)",
    over: Over::Both,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let server = exam.start()?;
    let what = if server.is_tcp { "listens on" } else { "is bound to" };
    let row = format!("process {} {what} {}", server.pid(), server.addr);
    Ok(match server.probe()? {
        Probe::Right => Outcome::pass(format!("{what} {}, and answers", server.addr)).with(row),
        Probe::Wrong(answer) if !server.protocol.is_fibonacci => {
            let what = format!("a good request is answered with {}", answer.words());
            Outcome::fail(what).with(row).with("what --expect says does not match that")
        }
        other => Outcome::fail(format!("a good request is {}", other.words()))
            .with(row)
            .with_all(server.scene()),
    })
}
