//! H7: a stop that comes while a client says nothing.

use std::time::Instant;

use super::silent_clients;
use crate::examine::client::Client;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::posix::signal::{SIGINT, SIGTERM};

pub(in crate::examine) const CHECK: Check = Check {
    id: "H7",
    name: "stop beside a silent client",
    does: "holds a silent client, where there is a pool as many as it has workers, and sends SIGTERM, and to another one SIGINT",
    sees: "whether the server ends while the client is still there, and else in which call it waits for whom",
    matters: "one client that does nothing keeps the server from being stopped, until somebody kills it",
    remedy: "let the handler shut the connected socket down, or wait for the stop and the client at once (select, poll, a \
             pipe, signalfd)",
    source: "signal(7), restarted calls; shutdown(2); UNIX Network Programming 5.9",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if let Some(outcome) = exam.speaks_first()? {
        return Ok(outcome);
    }
    let design = exam.design()?;
    let count = if design.kind.is_pool() { design.workers } else { 1 };
    let who = if count == 1 {
        String::from("a silent client")
    } else {
        format!("{count} silent clients")
    };
    let mut lines = Vec::new();
    for (signum, name) in [(SIGTERM, "SIGTERM"), (SIGINT, "SIGINT")] {
        let server = exam.start()?;
        let silent = silent_clients(&server, count)?;
        let Some(first) = silent.first() else {
            return Err(Trouble::Broken(String::from("a silent client could not connect")));
        };
        if !server.is_accepted(first)? {
            return Err(Trouble::Broken(format!("{} was never accepted", first.name())));
        }
        let begun = Instant::now();
        if signum == SIGINT {
            server.signal_group(signum)?;
        } else {
            server.signal(signum)?;
        }
        if let Some(status) = server.until_ended(server.patience)? {
            let time = begun.elapsed().as_millis();
            lines.push(format!("{name}: {status}, after {time} ms"));
            continue;
        }
        let held = server.held_by(first)?;
        let scene = server.scene();
        silent.into_iter().for_each(Client::close);
        let evidence = held.map_or(scene, |line| vec![line]);
        let outcome = match server.until_ended(server.patience)? {
            Some(status) => Outcome::fail(format!("{name} does not end it beside {who}"))
                .with_all(evidence)
                .with(format!("it ended when nobody was connected any more ({status})")),
            None => Outcome::fail(format!(
                "it goes on after {name} beside {who}, and still does when nobody is connected"
            ))
            .with_all(evidence),
        };
        return Ok(outcome);
    }
    Ok(Outcome::pass(format!("it stops beside {who}")).with_all(lines))
}
