//! What follows from what silent clients make of a server's tasks.

use std::collections::BTreeMap;

use super::crowd::MANY;
use super::kind::{Design, Kind, Sight, Turn, cpus};
use super::made::{Grown, Made};
use super::manners::Manners;
use super::scene::Scene;
use super::{mechanism, pool};
use crate::examine::Trouble;
use crate::examine::costly::least;
use crate::examine::server::Server;
use crate::subject::watch;

/// Finds out which design a server is that `start` makes, a fresh one each time; `heavy_stalls` answers, with fresh ones too,
/// whether a costly request stalls the others (`None`: that can't be found out).
///
/// # Errors
///
/// [`Trouble::Broken`] if the server does not answer one good request, and those of the calls.
pub fn identify(
    start: impl Fn() -> Result<Server, Trouble>,
    manners: Manners,
    mut heavy_stalls: impl FnMut() -> Result<Option<bool>, Trouble>,
) -> Result<Design, Trouble> {
    let mut server = start()?;
    let mut made = Made::by_clients(&server, manners, true)?;
    let goes_on = made.goes_on && server.is_ours();
    if goes_on {
        // Whoever goes round and round keeps the others from the CPUs.
        drop(server);
        server = start()?;
        made = Made::by_clients(&server, manners, false)?;
    }
    let Made { when, before, mut crowd, after, .. } = made;
    let mut design = Design {
        kind: Kind::Concurrent,
        workers: 1,
        is_larger: false,
        turn: Turn::Each,
        limit: None,
        listeners: server.sharing()?.len(),
        is_edge_triggered: false,
        is_single_use: manners.is_single_use,
        by_inetd: None,
        shape: manners.shape,
        sight: before.sight,
        evidence: vec![before.line(when)],
    };
    if !server.is_tcp {
        design.listeners = 1;
        let is_batch = before.blocked_in(&["recvmmsg"]) > 0;
        design.kind = if is_batch { Kind::DatagramBatches } else { Kind::Datagrams };
        return Ok(design);
    }
    let Some(after) = after else {
        design.kind = Kind::Unknown;
        design.evidence.push(String::from("it ends the connection of a client that says nothing"));
        return Ok(design);
    };
    let grown = Grown::between(&before, &after);
    design.sight = after.sight;
    design.evidence.push(after.line(&crowd.words()));
    if grown.is_outnumbered_by(&crowd) {
        pool::tell(&mut design, &crowd, &before, &after, &server)?;
    } else if grown.processes >= crowd.newcomers() {
        forked(&mut design, &after, crowd.newcomers(), &server)?;
    } else if grown.threads >= crowd.newcomers() {
        design.kind = Kind::Threaded;
        if crowd.len() > MANY {
            let how = if goes_on { "goes round and round" } else { "stays" };
            design.evidence.push(format!("a thread {how} when its client has left"));
        }
    } else if crowd.serving == crowd.len() {
        // Each has a worker that was there already, and more may be there.
        pool::tell(&mut design, &crowd, &before, &after, &server)?;
        design.is_larger = true;
    } else if after.sight == Sight::Calls {
        mechanism::tell(&mut design, &after, &server);
    } else {
        unseen(&mut design, &before, &server, &mut heavy_stalls)?;
    }
    crowd.leave();
    let others = before.threads + 1 > design.workers.max(1) && before.threads > 0;
    if design.kind.is_loop()
        && others
        && design.sight == Sight::Calls
        && heavy_stalls()? == Some(false)
    {
        design.workers = before.threads;
        design.kind = Kind::Hybrid;
        design.evidence.push(String::from("a cheap request is answered beside a costly one"));
    }
    if design.kind == Kind::Epoll && cpus() == 1 {
        let line =
            "there is one CPU: one loop is as many as a server with a loop for each would have";
        design.evidence.push(String::from(line));
    }
    Ok(design)
}

/// A process for each client.
fn forked(
    design: &mut Design,
    after: &Scene,
    clients: usize,
    server: &Server,
) -> Result<(), Trouble> {
    // A program that is started anew finds another address for everything; where that is hidden, its name may tell.
    let program = |pid| watch::image(pid).or_else(|| watch::arguments(pid));
    let others = || {
        let first = after.processes.first().and_then(|&pid| program(pid));
        after.processes.iter().filter(|&&pid| program(pid) != first).count()
    };
    if (1..clients).contains(&others()) {
        // Somebody may be on their way.
        server.until_or_stuck(|| Ok(others() >= clients))?;
    }
    let others = others();
    let is_exec = others >= clients;
    design.kind = if is_exec { Kind::ForkExec } else { Kind::Forked };
    if is_exec {
        design.evidence.push(format!("{others} of the processes have been started by exec"));
    }
    Ok(())
}

/// Many clients at once, in nobody knows which call.
fn unseen(
    design: &mut Design,
    before: &Scene,
    server: &Server,
    heavy_stalls: &mut impl FnMut() -> Result<Option<bool>, Trouble>,
) -> Result<(), Trouble> {
    let stalls = heavy_stalls()?;
    design.evidence.extend(stalls.map(|stalls| {
        let how = if stalls { "waits for" } else { "is answered beside" };
        format!("a cheap request {how} a costly one")
    }));
    let workers = before.processes.len().saturating_sub(1);
    (design.kind, design.workers) = match (stalls, design.sight) {
        (Some(true), _) => (Kind::Events, workers.max(1)),
        (_, Sight::Numbers) if workers > 0 => (Kind::Events, workers),
        (Some(false), Sight::Numbers) if before.threads > 0 => (Kind::Hybrid, before.threads),
        (None, Sight::Numbers) if before.threads == 0 => (Kind::Events, 1),
        (None, Sight::Numbers) if wakes_a_thread(server)? => {
            design.evidence.push(String::from(
                "a request that may be costly wakes a thread beside the first one",
            ));
            (Kind::Hybrid, before.threads)
        }
        _ => (Kind::Concurrent, 1),
    };
    Ok(())
}

/// Whether a request takes more than the first thread of the process: it is seen awake, or has slept once more after it.
fn wakes_a_thread(server: &Server) -> Result<bool, Trouble> {
    let others = || server.tasks().into_iter().filter(|task| task.tid != task.pid);
    let naps = || -> BTreeMap<u32, u64> {
        others().filter_map(|task| Some((task.tid, watch::naps_of(&task)?))).collect()
    };
    server.until_at_rest()?;
    let before = naps();
    let client = server.connect()?;
    client.send(&least(&server.protocol))?;
    let mut is_awake = false;
    server.until(|| {
        is_awake = others().any(|task| !task.sleeps());
        Ok(is_awake || client.is_told()?)
    })?;
    let has_slept = |(tid, naps)| before.get(&tid).is_some_and(|before| naps > *before);
    Ok(is_awake || naps().into_iter().any(has_slept))
}
