//! H5: nothing is left of it.

use super::{goes_on, settled, silent_clients, stop_with};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::plural::counted;
use crate::subject::watch;

pub(in crate::examine) const CHECK: Check = Check {
    id: "H5",
    name: "nothing left after the stop",
    does: "holds three silent clients, sends SIGTERM to the process that was started, and waits for its end",
    sees: "the processes that are left of it, and whether one of them still listens",
    matters: "a child that stays keeps its client, its memory and maybe the port; one that listens goes on serving, and nobody \
              knows of it",
    remedy: "remember the children and send them SIGTERM at the stop, or have them ask for it: prctl(PR_SET_PDEATHSIG, ...)",
    source: "slide 'Forked server'; prctl(2); kill(2)",
    over: Over::Both,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let server = settled(exam)?;
    let mut clients = if server.is_tcp { silent_clients(&server, 3)? } else { Vec::new() };
    let before = server.processes();
    let Some(status) = stop_with(&server, &mut clients)? else { return Ok(goes_on(&server)) };
    let line = format!(
        "{} beside {}; the first ended ({status})",
        counted(before.len(), "process", "processes"),
        counted(clients.len(), "silent client", "silent clients")
    );
    let left = || -> Vec<u32> {
        let is_there = |pid: &u32| !matches!(watch::state(*pid), None | Some('Z' | 'X'));
        // For a client that still waits inetd starts another one.
        let is_its = |pid: &u32| !server.is_started_again() || before.contains(pid);
        server.processes().into_iter().filter(|pid| is_there(pid) && is_its(pid)).collect()
    };
    server.until_or_stuck(|| Ok(left().is_empty()))?;
    let left = left();
    if left.is_empty() {
        return Ok(Outcome::pass("no process of it is left, and nobody listens").with(line));
    }
    let sockets = watch::sockets(&left);
    let listens = server.listeners()?.iter().any(|row| sockets.contains(&row.idiag_inode));
    let what = match (left.len(), listens) {
        (1, true) => String::from("a process of it is left, and listens"),
        (count, true) => format!("{count} processes of it are left, and listen"),
        (1, false) => String::from("a process of it is left"),
        (count, false) => format!("{count} processes of it are left"),
    };
    Ok(Outcome::fail(what).with(line).with_all(server.scene()))
}
