//! D11: a connection that is reset before it is accepted.

use super::{Deed, reset, survives};
use crate::examine::client::Client;
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "D11",
    name: "reset before accept",
    does: "stops the server (SIGSTOP), connects, resets the connection, and lets the server go on; once without a request and \
           once with one",
    sees: "that the connection lay in the queue, whether the process lives and sleeps, and the next client's answer",
    matters: "on Linux accept() succeeds all the same, and everything after it fails: getpeername() with ENOTCONN, recv() and \
              send() with ECONNRESET; elsewhere accept() fails with ECONNABORTED",
    remedy: "after accept() treat every error as that client's alone; ECONNABORTED of accept() is none of the server's either",
    source: "slide 'accept'; accept(2), ERRORS; UNIX Network Programming 5.11",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    // To be stopped and to go on is no client's doing.
    if let Some(harm) = exam.harm_of_stops()? {
        return Err(Trouble::Broken(format!(
            "stopped and continued (SIGSTOP, SIGCONT), without any client: {}",
            harm.what
        )));
    }
    let deeds: [Deed<'_>; 2] = [
        (String::from("a reset before accept()"), Box::new(|server| queue(server, |_| Ok(())))),
        (
            String::from("a request and a reset before accept()"),
            Box::new(|server| {
                queue(server, |client| client.send(&server.protocol.request).map(|_| ()))
            }),
        ),
    ];
    survives(exam, &deeds)
}

/// Puts a client into the server's queue, lets it do something, and resets it there.
fn queue(server: &Server, act: impl Fn(&Client) -> Result<(), Trouble>) -> Result<(), Trouble> {
    server.until_at_rest()?;
    server.while_stopped(|| {
        let client = server.connect()?;
        act(&client)?;
        if !server.until(|| Ok(server.row(&client)?.is_some_and(|row| row.idiag_inode == 0)))? {
            let what = "a client of the stopped server was not in its queue";
            return Err(Trouble::Broken(String::from(what)));
        }
        reset(server, client)
    })?;
    let is_taken = || {
        let queued = server.listeners()?.iter().any(|row| row.idiag_rqueue > 0);
        Ok(!queued || server.ended().is_some())
    };
    if server.until(is_taken)? {
        return Ok(());
    }
    Err(Trouble::Broken(String::from("the client that was reset in the queue was never accepted")))
}
