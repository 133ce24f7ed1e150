//! G4: after very many clients, nothing of them is left.

use std::time::Instant;

use super::{Belongings, SLACK, excluded, gather, limits, room, until_released};
use crate::examine::client::Client;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::report::plural::counted;

pub(in crate::examine) const CHECK: Check = Check {
    id: "G4",
    name: "release after very many clients",
    does: "lets 1000 clients connect that say nothing, and has all of them leave at once",
    sees: "connections, processes, threads and descriptors of the server, before, with them, and after; how long it takes until all is \
           as before",
    matters: "what stays of a client when it has gone adds up, until nobody else has room",
    remedy: "close each connected socket in each process that has it; let each child and each thread end with its client, and \
             reap it",
    source: "slide 'Forked server'; close(2); UNIX Network Programming 5.9",
    over: Over::Tcp,
    is_quick: false,
    on_running: OnRunning::Never,
    run,
};

const CLIENTS: usize = 1000;
/// Fewer say little.
const LEAST: usize = 100;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if let Some(why) = excluded(exam)? {
        return Ok(why);
    }
    if let Some(outcome) = exam.speaks_first()? {
        return Ok(outcome);
    }
    let count = CLIENTS.min(room()?);
    if count < LEAST {
        return Err(Trouble::Blocked(format!(
            "a process may have no more than {count} clients here (ulimit -Hn)"
        )));
    }
    let server = exam.start_within(limits(count))?;
    // What is made with the first client stays, in some languages.
    server.probe()?;
    server.settles()?;
    let before = Belongings::of(&server);
    let mut clients: Vec<Client> = Vec::new();
    gather(&server, &mut clients, count)?;
    if let Some(status) = server.ended() {
        return Ok(server
            .died(status)
            .with(format!("with {}", counted(clients.len(), "client", "clients"))));
    }
    let with = Belongings::of(&server);
    let held = server.connections()?.iter().filter(|row| row.idiag_inode != 0).count();
    if held == 0 {
        return Err(Trouble::Broken(String::from("none of the clients was accepted")));
    }
    clients.into_iter().for_each(Client::close);
    let begun = Instant::now();
    let is_released = until_released(&server, before)?;
    let time = begun.elapsed().as_secs_f64() * 1e3;
    if let Some(status) = server.ended() {
        return Ok(server.died(status).with(format!("when {held} clients left")));
    }
    let after = Belongings::of(&server);
    let connections = server.connections()?.iter().filter(|row| row.idiag_inode != 0).count();
    let lines = [
        format!("before: {}", before.words()),
        format!("with {held} clients: {}", with.words()),
        format!("after: {}; {}", after.words(), counted(connections, "connection", "connections")),
    ];
    Ok(if is_released {
        Outcome::pass(format!(
            "{time:.0} ms after {held} clients have left nothing of them is there"
        ))
    } else if connections > 0 || after.descriptors > before.descriptors + SLACK {
        let kept = after.descriptors.saturating_sub(before.descriptors);
        Outcome::fail(format!(
            "{held} clients have left, and {} and {} are still there",
            counted(kept, "descriptor", "descriptors"),
            counted(connections, "connection", "connections")
        ))
    } else if after.processes > before.processes + SLACK {
        let kept = after.processes - before.processes;
        Outcome::fail(format!("{held} clients have left, and {kept} processes are still there"))
    } else {
        let kept = after.threads.saturating_sub(before.threads);
        Outcome::new(
            Verdict::Weak,
            format!("{held} clients have left, and {kept} threads are still there"),
        )
    }
    .with_all(lines))
}
