//! F8 of a pool of processes: a worker has ended, and no other can be made.

use std::time::{Duration, Instant};

use super::convalesces;
use super::limits::{Lowered, served_once};
use super::living;
use super::tasks::UNBOUND;
use crate::examine::server::{Probe, Server};
use crate::examine::{Exam, Outcome, Trouble};
use crate::posix::sys_resource::RLIMIT_NPROC;

/// The shortest time in which a worker would have been replaced.
const SHORTEST: Duration = Duration::from_secs(1);

/// Has a worker end while no process can be made, and looks whether it is replaced later.
///
/// # Errors
///
/// [`Trouble::Blocked`] if the limit binds nobody; those of looking.
pub(super) fn lost(exam: &Exam) -> Result<Outcome, Trouble> {
    let server = served_once(exam)?;
    let full = living(&server).len();
    let is_full = || living(&server).len() >= full;
    let begun = Instant::now();
    let Some(first) = lose(&server)? else {
        return Ok(Outcome::not_applicable("it has no worker processes"));
    };
    if !server.until(|| Ok(is_full()))? {
        return Ok(Outcome::not_applicable("it replaces no worker: H8"));
    }
    let took = begun.elapsed();
    let line = format!("process {first} was killed and replaced, with the limit as it was");
    server.settles()?;

    let lowered = Lowered::to(&server, RLIMIT_NPROC, "tasks", |_| Some(0))?;
    let Some(second) = lose(&server)? else {
        return Err(Trouble::Broken(String::from("it has no worker process any more")));
    };
    let lines = [line, format!("process {second} was killed while no process could be made")];
    if server.until_within(SHORTEST.max(took * 4), || Ok(is_full()))? {
        return Err(Trouble::Blocked(String::from(UNBOUND)));
    }
    if let Some(status) = server.ended() {
        return Ok(server.died(status).with_all(lines));
    }
    let (spins, meanwhile) = (server.spins()?, server.probe()?);
    lowered.restore(&server)?;
    if let Some(spins) = spins {
        return Ok(spins.with_all(lines));
    }
    if full > 2 && meanwhile != Probe::Right {
        let what = format!("while a worker is missing a good client is {}", meanwhile.words());
        return Ok(Outcome::fail(what).with_all(lines));
    }
    let is_replaced = server.until(|| Ok(is_full()))?;
    convalesces(&server)?;
    if let Some(ailment) = server.ailment()? {
        return Ok(ailment.with_all(lines));
    }
    Ok(if is_replaced {
        Outcome::pass(
            "the others serve meanwhile, and the worker is replaced when there are processes again",
        )
    } else {
        Outcome::fail("there are processes again, and nobody takes the place of the worker")
    }
    .with_all(lines))
}

/// Kills a worker; which it was.
fn lose(server: &Server) -> Result<Option<u32>, Trouble> {
    // The last: no other is below it.
    let Some(victim) = living(server).pop().filter(|&pid| pid != server.pid()) else {
        return Ok(None);
    };
    server.kill(victim)?;
    if !server.until(|| Ok(!living(server).contains(&victim)))? {
        return Err(Trouble::Broken(format!("process {victim} does not die")));
    }
    Ok(Some(victim))
}
