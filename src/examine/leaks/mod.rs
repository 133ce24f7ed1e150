//! E: what is left behind when clients have gone.

pub(super) mod children;
pub(super) mod close_wait;
pub(super) mod descriptors;
pub(super) mod listener;
pub(super) mod memory;
pub(super) mod threads;
pub(super) mod zombies;

use std::time::Duration;

use super::server::{Probe, Server};
use super::{Exam, Outcome, Trouble};
use crate::linux::tcp_info::TCP_CLOSE_WAIT;
use crate::subject::watch;

/// So many clients, twice; then so many more, twice, where something has grown: a heap or a pool that is filled by the
/// first ones is full by then.
const FEW: usize = 20;
const MANY: usize = 160;
/// For how long something may be tidied up late, as who looks for ended children now and then does.
const TIDYING: Duration = Duration::from_secs(2);
/// For how long the server may take to come to rest when its clients have left.
const REST: Duration = Duration::from_secs(1);

/// A server that has had clients.
pub(super) struct Ground {
    pub(super) server: Server,
    /// The processes that there were before the first one.
    first: Vec<u32>,
    has_empty: bool,
}

impl Ground {
    /// Starts a server and waits until it is at rest.
    ///
    /// # Errors
    ///
    /// [`Trouble::Blocked`] if the system hides what it has.
    pub(super) fn start(exam: &Exam) -> Result<Self, Trouble> {
        let has_empty = exam.bears_empty()?;
        let server = exam.start()?;
        server.until_at_rest()?;
        let first = server.processes();
        if !first.is_empty() && watch::descriptors(server.pid()).is_empty() {
            return Err(Trouble::Blocked(String::from(
                "the system hides the server's descriptors: /proc/PID/fd",
            )));
        }
        Ok(Self { server, first, has_empty })
    }

    /// Clients, one after the other: every second asks, the others leave without a word, unless that is more
    /// than the server can bear.
    fn serve(&self, count: usize) -> Result<(), Trouble> {
        for number in 0..count {
            if self.has_empty && number % 2 == 1 {
                self.server.connect_accepted()?.close();
                continue;
            }
            let probe = self.server.probe()?;
            if probe != Probe::Right {
                let what =
                    format!("client {} of {count} in a row is {}", number + 1, probe.words());
                return Err(Trouble::Broken(what));
            }
        }
        // One that spins never is.
        self.server.until_at_rest_for(5, REST)?;
        Ok(())
    }

    /// The descriptors of those processes that were there first.
    pub(super) fn descriptors(&self) -> u64 {
        self.first.iter().map(|&pid| watch::descriptors(pid).len() as u64).sum()
    }

    /// The threads besides each process's first.
    pub(super) fn threads(&self) -> u64 {
        let processes = self.server.processes();
        watch::tasks(&processes).len().saturating_sub(processes.len()) as u64
    }

    /// The children that have ended and are not waited for.
    pub(super) fn zombies(&self) -> u64 {
        watch::zombies(&self.server.processes()).len() as u64
    }

    /// The processes that have not ended.
    pub(super) fn processes(&self) -> u64 {
        self.server.processes().len() as u64
            - self.zombies().min(self.server.processes().len() as u64)
    }

    /// The connections that their clients have closed, and the server has not.
    pub(super) fn close_waits(&self) -> Result<u64, Trouble> {
        let rows = self.server.connections()?;
        let left =
            rows.iter().filter(|row| row.idiag_state == TCP_CLOSE_WAIT && row.idiag_inode != 0);
        Ok(left.count() as u64)
    }

    /// Of those processes that were there first: the areas of memory, and how large they are, in MiB.
    pub(super) fn memory(&self) -> Vec<u64> {
        let sum = |of: &dyn Fn(u32) -> Option<u64>| {
            self.first.iter().filter_map(|&pid| of(pid)).sum::<u64>()
        };
        vec![
            sum(&watch::areas),
            sum(&|pid| watch::size(pid, "VmSize")) >> 20,
            sum(&|pid| watch::size(pid, "VmRSS")) >> 20,
        ]
    }

    /// What there is, once it is no more than that, or the time for tidying up is over.
    pub(super) fn settled(&self, look: Look, most: &[u64]) -> Result<Vec<u64>, Trouble> {
        let mut found = Vec::new();
        self.server.until_within(TIDYING, || {
            found = look(self)?;
            Ok(found.iter().zip(most).all(|(now, most)| now <= most))
        })?;
        Ok(found)
    }
}

/// Counts what could be left behind.
pub(super) type Look = fn(&Ground) -> Result<Vec<u64>, Trouble>;

/// Each of some counts, and so much more.
pub(super) fn plus(counts: &[u64], more: u64) -> Vec<u64> {
    counts.iter().map(|count| count + more).collect()
}

/// Lets clients come and go, and looks whether something grows with their number; what comes to a limit, as
/// a pool does that is filled when it is needed, does not.
///
/// # Errors
///
/// Those of the clients; [`Trouble::Broken`] if they are not served.
fn judge(exam: &Exam, names: &[&str], look: Look) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    let ground = Ground::start(exam)?;
    ground.serve(FEW)?;
    let first = look(&ground)?;
    ground.serve(FEW)?;
    // Half of what a leak at every second client comes to: some may have been about to go when they were counted.
    let most = plus(&first, FEW as u64 / 4);
    let second = ground.settled(look, &most)?;
    let line = |clients: usize, counts: &[u64]| {
        let counts: Vec<String> =
            counts.iter().zip(names).map(|(count, name)| format!("{count} {name}")).collect();
        format!("after {clients} clients: {}", counts.join(", "))
    };
    let mut evidence = vec![line(FEW, &first), line(2 * FEW, &second)];
    if !ground.has_empty {
        evidence.push(String::from(
            "all of them ask: one that leaves without a word does harm, see D8",
        ));
    }
    if second.iter().zip(&most).all(|(now, most)| now <= most) {
        let what = format!("no growth of {}", names.join(", "));
        return Ok(Outcome::pass(what).with_all(evidence));
    }
    let grown = |before: &[u64], now: &[u64], most: &[u64], clients: usize| {
        let grown = names.iter().zip(now.iter().zip(before).zip(most));
        let grown: Vec<String> = grown
            .filter(|(_, ((now, _), most))| now > most)
            .map(|(name, ((now, before), _))| format!("{} more {name}", now - before))
            .collect();
        let leak =
            format!("{} after {clients} more clients, all of whom have left", grown.join(", "));
        (!grown.is_empty()).then(|| Outcome::fail(leak))
    };
    // What is left and spins is no pool that is filled when it is needed; so many more would take all CPUs.
    if !ground.server.is_at_rest()
        && let Some(leak) = grown(&first, &second, &most, FEW)
    {
        return Ok(leak.with_all(evidence).with_all(ground.server.scene()));
    }
    let mut before = second;
    let mut leak = None;
    for round in 1..=2 {
        ground.serve(MANY)?;
        let most = plus(&before, MANY as u64 / 4);
        let now = ground.settled(look, &most)?;
        evidence.push(line(2 * FEW + round * MANY, &now));
        leak = grown(&before, &now, &most, MANY);
        if leak.is_none() {
            break;
        }
        before = now;
    }
    let outcome =
        leak.unwrap_or_else(|| Outcome::pass(format!("{} come to a limit", names.join(", "))));
    Ok(outcome.with_all(evidence))
}
