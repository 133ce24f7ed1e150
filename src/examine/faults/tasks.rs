//! F8: a limit of processes and threads.

use std::collections::BTreeSet;

use super::limits::{Lowered, served_once};
use super::{convalesces, worker};
use crate::examine::client::{Client, Manner};
use crate::examine::design::Kind;
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::posix::sys_resource::RLIMIT_NPROC;
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "F8",
    name: "no process or thread left",
    does: "lowers the limit of tasks (prlimit, RLIMIT_NPROC) of the running server to none, lets a client come, and restores it; of a pool a \
           worker is killed meanwhile, which can't be replaced",
    sees: "whether the process lives and sleeps, whether that client is told, and whether the next one is answered after that; \
           whether the pool is full again then",
    matters: "each client takes a process or a thread, and the limit is shared with all else that the user runs",
    remedy: "if fork() or pthread_create() fails, close the connected socket, report it, and go on; a worker that can't be made \
             now is made a while later",
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
    match exam.design()?.kind {
        Kind::Forked | Kind::ForkExec | Kind::Threaded => client(exam),
        Kind::Preforked => worker::lost(exam),
        _ => Ok(Outcome::not_applicable("it makes no process or thread for a client")),
    }
}

/// What is said where the limit binds nobody.
pub(super) const UNBOUND: &str = "RLIMIT_NPROC binds nobody here: the superuser has no such limit outside of a user namespace; examined as an ordinary user it has";

/// A client that can have no task.
fn client(exam: &Exam) -> Result<Outcome, Trouble> {
    let server = served_once(exam)?;
    let Some((mut held, made)) = occupied(&server)? else {
        return Ok(Outcome::not_applicable(SPARE));
    };
    let lowered = Lowered::to(&server, RLIMIT_NPROC, "tasks", |_| Some(0))?;
    let (refused, got) = one_more(&server, &mut held)?;
    if let Some(status) = server.ended() {
        return Ok(server.died(status).with(made).with("no task could be made"));
    }
    if got {
        return Err(Trouble::Blocked(String::from(UNBOUND)));
    }
    let spins = server.spins()?;
    lowered.restore(&server)?;
    drop(held);
    if let Some(spins) = spins {
        return Ok(spins.with(made).with("while no task could be made"));
    }
    Ok(recovered(&server, refused)?.with(made))
}

/// What is said where there are always enough tasks.
pub(super) const SPARE: &str =
    "it makes no process or thread for a client: those that are there serve all that come";

/// So many tasks may be left from clients before, for the next ones.
const MOST: usize = 64;

/// Silent clients, until a task is made for one: no other is left then that waits for a client. And a line that
/// says so; `None` if none is made.
///
/// # Errors
///
/// [`Trouble::Broken`] if one is not taken in, so that nothing is known; [`Trouble::Died`] if the server has ended.
pub(super) fn occupied(server: &Server) -> Result<Option<(Vec<Client>, String)>, Trouble> {
    let mut held = Vec::new();
    while held.len() < MOST {
        let (client, got) = one_more(server, &mut held)?;
        if let Some(status) = server.ended() {
            return Err(Trouble::Died(server.died(status)));
        }
        let Some(client) = client else { break };
        if !got && !server.is_accepted(&client)? && !client.is_told()? {
            return Err(Trouble::Broken(format!("{} was never accepted", client.name())));
        }
        let line = format!("a task was made for {}, with the limit as it was", client.name());
        held.push(client);
        if got {
            return Ok(Some((held, line)));
        }
    }
    Ok(None)
}

/// A silent client, and whether it gets a task of its own. Those that are held leave where they are in its way.
///
/// # Errors
///
/// Those of looking.
pub(super) fn one_more(
    server: &Server,
    held: &mut Vec<Client>,
) -> Result<(Option<Client>, bool), Trouble> {
    // By their numbers: one may be reaped when the next is made.
    let before: BTreeSet<u32> = server.tasks().iter().map(|task| task.tid).collect();
    let is_made = || server.tasks().iter().any(|task| !before.contains(&task.tid));
    let Some(client) = server.connect_as(Manner::default())? else { return Ok((None, false)) };
    let is_taken = || -> Result<bool, Trouble> {
        Ok(server.is_accepted(&client)? || client.is_told()? || server.ended().is_some())
    };
    if !server.until_or_stuck(is_taken)? && !held.is_empty() {
        held.drain(..).for_each(Client::close);
        server.until_or_stuck(is_taken)?;
    }
    server.until_or_at_rest(server.patience, 20, || {
        Ok(is_made() || client.is_told()? || server.ended().is_some())
    })?;
    Ok((Some(client), is_made()))
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
    if let Some(client) = refused {
        server.dismiss(client)?;
    }
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
