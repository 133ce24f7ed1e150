//! D18: clients that come and go, many and fast.

use crate::examine::leaks::{Ground, Look, plus};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check = Check {
    id: "D18",
    name: "churn",
    does: "lets 500 clients connect and close without a word, as many at once as the queue has room for, and asks with another",
    sees: "whether the process lives and sleeps, the other's answer, and what is left: descriptors, threads, processes, zombies, \
           connections in CLOSE_WAIT",
    matters: "scanners, health checks and impatient browsers do that all day; what little each of them leaves behind adds up",
    remedy: "close the connected socket when recv() returns 0, end its thread, wait for its child",
    source: "slide 'accept'; close(2), wait(2); UNIX Network Programming 5.8 to 5.10",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

const CLIENTS: usize = 500;
const NAMES: [&str; 5] =
    ["descriptors", "threads", "processes", "zombies", "connections in CLOSE_WAIT"];
const LOOK: Look = |ground| {
    Ok(vec![
        ground.descriptors().unwrap_or(0),
        ground.threads(),
        ground.processes(),
        ground.zombies(),
        ground.close_waits()?,
    ])
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    if !exam.bears_empty()? {
        let what = "one client that leaves without a word does harm already: see D8";
        return Ok(Outcome::fail(what));
    }
    let ground = Ground::start(exam)?;
    let server = &ground.server;
    server.connect_accepted()?.close();
    if let Some(ailment) = server.ailment()? {
        let what = format!("after one client that leaves without a word {}", ailment.what);
        return Ok(Outcome::fail(what).with_all(ailment.evidence));
    }
    // What the first clients make it set up is not left behind by them.
    server.probe()?;
    server.until_at_rest()?;
    let mut before = LOOK(&ground)?;
    let mut evidence = Vec::new();
    // What comes to a limit, as a pool does that is filled when it is needed, has come to it in the first round.
    for round in 1..=2 {
        let has_room = come_and_go(exam, &ground)?;
        let health = match server.health()? {
            Ok(line) => line,
            Err(ailment) => return Ok(ailment),
        };
        if !has_room {
            let what = "clients were left in the queue, though a later one was served";
            return Err(Trouble::Broken(String::from(what)));
        }
        let most = plus(&before, CLIENTS as u64 / 4);
        let after = ground.settled(LOOK, &most)?;
        let grown: Vec<String> = NAMES
            .iter()
            .zip(before.iter().zip(&after))
            .filter(|(_, (before, after))| **after > **before + CLIENTS as u64 / 4)
            .map(|(name, (before, after))| format!("{before} {name} before, {after} after"))
            .collect();
        if grown.is_empty() {
            let what = format!("{CLIENTS} clients came and went, and nothing of them is left");
            let counts = NAMES.iter().zip(before.iter().zip(&after));
            let counts: Vec<String> = counts
                .filter(|(name, _)| !ground.hides() || **name != NAMES[0])
                .map(|(name, (before, after))| format!("{before} {name} before, {after} after"))
                .collect();
            let hidden =
                ground.hides().then(|| String::from("its descriptors are hidden, and not counted"));
            let outcome = Outcome::pass(what).with_all(evidence).with(counts.join("; "));
            return Ok(outcome.with_all(hidden).with(health));
        }
        evidence.extend(grown);
        if round == 2 {
            let what =
                format!("each of {CLIENTS} clients that come and go leaves something behind");
            return Ok(Outcome::fail(what).with_all(evidence));
        }
        before = after;
    }
    Err(Trouble::Broken(String::from("there was no round")))
}

/// One round of clients; false if those in the queue are not accepted.
fn come_and_go(exam: &Exam, ground: &Ground) -> Result<bool, Trouble> {
    let server = &ground.server;
    let backlog = server.listeners()?.iter().map(|row| row.idiag_wqueue).min().unwrap_or(1);
    let at_once = backlog.clamp(1, 16) as usize;
    let mut left = CLIENTS;
    while left > 0 {
        let clients = (0..at_once.min(left)).map(|_| server.connect());
        let clients = clients.collect::<Result<Vec<_>, _>>();
        let Ok(clients) = clients else { return Ok(false) };
        left -= clients.len();
        for client in clients {
            client.close();
        }
        exam.until_started(server)?;
        let are_taken = || {
            let is_queued = server.listeners()?.iter().any(|row| row.idiag_rqueue > 0);
            Ok(!is_queued || server.ended().is_some())
        };
        if !server.until(are_taken)? || server.ended().is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}
