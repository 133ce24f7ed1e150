//! F8: a limit of processes and threads.

use std::collections::BTreeSet;

use super::convalesces;
use super::limits::{Lowered, served_once};
use crate::examine::client::{Client, Manner};
use crate::examine::design::Kind;
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::posix::sys_resource::RLIMIT_NPROC;
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "F8",
    name: "no process or thread left",
    does: "lowers the limit of tasks (prlimit, RLIMIT_NPROC) of the running server to none, lets a client come, and restores it",
    sees: "whether the process lives and sleeps, whether that client is told, and whether the next one is answered after that",
    matters: "each client takes a process or a thread, and the limit is shared with all else that the user runs",
    remedy: "if fork() or pthread_create() fails, close the connected socket, report it, and go on",
    source: "slides 'Forked server', 'Threaded server'; getrlimit(2), RLIMIT_NPROC; fork(2), pthread_create(3), ERRORS",
    over: Over::Tcp,
    is_quick: false,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    if !matches!(exam.design()?.kind, Kind::Forked | Kind::ForkExec | Kind::Threaded) {
        return Ok(Outcome::not_applicable("it makes no process or thread for a client"));
    }
    let server = served_once(exam)?;
    let lowered = Lowered::to(&server, RLIMIT_NPROC, |_| Some(0))?;
    let (refused, got) = one_more(&server)?;
    if let Some(status) = server.ended() {
        return Ok(server.died(status).with("no task could be made"));
    }
    if got {
        let what = "RLIMIT_NPROC binds nobody here: the superuser has no such limit outside of a user namespace; examined as an ordinary user it has";
        return Err(Trouble::Blocked(String::from(what)));
    }
    let spins = server.spins()?;
    lowered.restore(&server)?;
    if let Some(spins) = spins {
        return Ok(spins.with("while no task could be made"));
    }
    recovered(&server, refused)
}

/// A silent client, and whether it gets a task of its own.
///
/// # Errors
///
/// [`Trouble::Broken`] if it is not taken in, so that nothing is known.
pub(super) fn one_more(server: &Server) -> Result<(Option<Client>, bool), Trouble> {
    // By their numbers: one may be reaped when the next is made.
    let before: BTreeSet<u32> = server.tasks().iter().map(|task| task.tid).collect();
    let is_made = || server.tasks().iter().any(|task| !before.contains(&task.tid));
    let Some(client) = server.connect_as(Manner::default())? else { return Ok((None, false)) };
    server.until_or_stuck(|| {
        Ok(server.is_accepted(&client)? || client.is_told()? || server.ended().is_some())
    })?;
    server.until_or_at_rest(server.patience, 20, || {
        Ok(is_made() || client.is_told()? || server.ended().is_some())
    })?;
    let got = is_made();
    if !got && !client.is_told()? && !server.is_accepted(&client)? && server.ended().is_none() {
        return Err(Trouble::Broken(format!("{} was never accepted", client.name())));
    }
    Ok((Some(client), got))
}

/// How a server is when it can have tasks again, and the client that could not have one.
///
/// # Errors
///
/// Those of looking.
pub(super) fn recovered(server: &Server, refused: Option<Client>) -> Result<Outcome, Trouble> {
    let is_told = match &refused {
        Some(client) => server.until_or_stuck(|| client.is_told())?,
        None => true,
    };
    convalesces(server)?;
    let health = match server.health()? {
        Ok(line) => line,
        Err(ailment) => {
            return Ok(ailment.with("one client could have no task; there are tasks again"));
        }
    };
    if !is_told {
        let what = "the client that can have no task is left waiting: its connection stays open";
        return Ok(Outcome::new(Verdict::Weak, what).with(health));
    }
    let what = "the client that can have no task is turned away, and the next one served";
    Ok(Outcome::pass(what).with(health))
}
