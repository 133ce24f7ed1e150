//! E: what is left behind when clients have gone.

pub(super) mod children;
pub(super) mod close_wait;
pub(super) mod descriptors;
pub(super) mod listener;
pub(super) mod memory;
pub(super) mod threads;
pub(super) mod zombies;

use std::rc::Rc;
use std::time::Duration;

use super::log::Log;
use super::server::{Probe, Server};
use super::{Exam, Outcome, Trouble};
use crate::linux::tcp_info::TCP_CLOSE_WAIT;
use crate::report::plural::counted;
use crate::subject::{Ends, watch};

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
    /// Those of starting and waiting.
    pub(super) fn start(exam: &Exam) -> Result<Self, Trouble> {
        let has_empty = exam.bears_empty()?;
        Self::of(exam.start()?, has_empty)
    }

    /// A server that has just been started, once it is at rest.
    ///
    /// # Errors
    ///
    /// Those of waiting.
    pub(super) fn of(server: Server, has_empty: bool) -> Result<Self, Trouble> {
        server.until_at_rest()?;
        let first = server.processes();
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
        self.rests()
    }

    /// Whether the system hides the descriptors of those processes that were there first.
    pub(super) fn hides(&self) -> bool {
        self.first.iter().any(|&pid| watch::hides_descriptors(pid))
    }

    /// The descriptors of those processes that were there first.
    ///
    /// # Errors
    ///
    /// [`Trouble::Blocked`] if the system hides them.
    pub(super) fn descriptors(&self) -> Result<u64, Trouble> {
        if self.hides() {
            return Err(hidden(DESCRIPTORS));
        }
        Ok(self.first.iter().map(|&pid| watch::descriptors(pid).len() as u64).sum())
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
    ///
    /// # Errors
    ///
    /// [`Trouble::Blocked`] if the system hides the areas.
    pub(super) fn memory(&self) -> Result<Vec<u64>, Trouble> {
        if self.hides() {
            return Err(hidden(AREAS));
        }
        let sum = |of: &dyn Fn(u32) -> Option<u64>| {
            self.first.iter().filter_map(|&pid| of(pid)).sum::<u64>()
        };
        Ok(vec![
            sum(&watch::areas),
            sum(&|pid| watch::size(pid, "VmSize")) >> 20,
            sum(&|pid| watch::size(pid, "VmRSS")) >> 20,
        ])
    }

    /// Waits for a moment until every task sleeps; one that spins never does.
    ///
    /// # Errors
    ///
    /// Those of waiting.
    pub(super) fn rests(&self) -> Result<(), Trouble> {
        self.server.until_at_rest_for(5, REST)?;
        Ok(())
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

/// What the system may hide of a server, and where it would be.
const DESCRIPTORS: &str = "descriptors: /proc/PID/fd";
const AREAS: &str = "areas of memory: /proc/PID/maps";

fn hidden(what: &str) -> Trouble {
    Trouble::Blocked(format!("the system hides the server's {what}"))
}

/// Counts what could be left behind.
pub(super) type Look = fn(&Ground) -> Result<Vec<u64>, Trouble>;

/// Each of some counts, and so much more.
pub(super) fn plus(counts: &[u64], more: u64) -> Vec<u64> {
    counts.iter().map(|count| count + more).collect()
}

/// What grew while clients came and went: the same clients for all that can be left behind.
pub(super) struct Growth {
    /// After how many clients there was how much of each, in the order of [`Count`].
    counts: Vec<(usize, [u64; Count::ALL])>,
    /// What the server was doing if it did not come to rest when something had grown: then no more clients came.
    spinning: Option<Vec<String>>,
    has_empty: bool,
    /// Whether the system hides some of it: then that is counted as none.
    is_hidden: bool,
    /// What the clients did and saw.
    transcript: Log,
    /// The ends of those that were started by inetd for it.
    pub(super) ends: Vec<Rc<Ends>>,
}

/// Of what there may be more and more.
#[derive(Debug, Clone, Copy)]
pub(super) enum Count {
    Zombies,
    Descriptors,
    Threads,
    Areas,
    Mapped,
    Used,
    CloseWaits,
    Processes,
}

impl Count {
    const ALL: usize = 8;

    const fn name(self) -> &'static str {
        match self {
            Self::Zombies => "zombies",
            Self::Descriptors => "descriptors",
            Self::Threads => "threads",
            Self::Areas => "areas of memory",
            Self::Mapped => "MiB mapped",
            Self::Used => "MiB in use",
            Self::CloseWaits => "connections in CLOSE_WAIT",
            Self::Processes => "processes",
        }
    }

    /// The name of one of them.
    const fn one(self) -> &'static str {
        match self {
            Self::Zombies => "zombie",
            Self::Descriptors => "descriptor",
            Self::Threads => "thread",
            Self::Areas => "area of memory",
            Self::Mapped | Self::Used => self.name(),
            Self::CloseWaits => "connection in CLOSE_WAIT",
            Self::Processes => "process",
        }
    }

    const fn hideable(self) -> Option<&'static str> {
        match self {
            Self::Descriptors => Some(DESCRIPTORS),
            Self::Areas | Self::Mapped | Self::Used => Some(AREAS),
            _ => None,
        }
    }
}

const EVERYTHING: Look = |ground| {
    let is_hidden = ground.hides();
    let descriptors = if is_hidden { 0 } else { ground.descriptors()? };
    let mut counts = vec![ground.zombies(), descriptors, ground.threads()];
    counts.extend(if is_hidden { vec![0; 3] } else { ground.memory()? });
    counts.extend([ground.close_waits()?, ground.processes()]);
    Ok(counts)
};

impl Growth {
    /// Lets clients come and go, and more of them where something grows with their number.
    ///
    /// # Errors
    ///
    /// Those of the clients; [`Trouble::Broken`] if they are not served.
    pub(super) fn watch(exam: &Exam) -> Result<Self, Trouble> {
        let ground = Ground::start(exam)?;
        let mut growth = Self {
            counts: Vec::new(),
            spinning: None,
            has_empty: ground.has_empty,
            is_hidden: ground.hides(),
            transcript: exam.log(),
            ends: Vec::new(),
        };
        ground.serve(FEW)?;
        growth.note(FEW, &EVERYTHING(&ground)?);
        ground.serve(FEW)?;
        let mut has_grown = growth.settle(&ground, 2 * FEW, FEW)?;
        // What is left and spins is no pool that is filled when it is needed; so many more would take all CPUs.
        if has_grown && !ground.server.is_at_rest() {
            growth.spinning = Some(ground.server.scene());
            return Ok(growth);
        }
        for round in 1..=2 {
            if has_grown {
                ground.serve(MANY)?;
                has_grown = growth.settle(&ground, 2 * FEW + round * MANY, MANY)?;
            }
        }
        Ok(growth)
    }

    pub(super) fn with_ends(mut self, ends: Vec<Rc<Ends>>) -> Self {
        self.ends = ends;
        self
    }

    fn note(&mut self, clients: usize, found: &[u64]) {
        let mut counts = [0; Count::ALL];
        counts.iter_mut().zip(found).for_each(|(count, found)| *count = *found);
        self.counts.push((clients, counts));
    }

    /// Notes what there is after `more` clients; whether there is more of something than clients that may have been about to
    /// go when they were counted: half of what a leak at every second one comes to.
    fn settle(&mut self, ground: &Ground, clients: usize, more: usize) -> Result<bool, Trouble> {
        let before = self.counts.last().map_or([0; Count::ALL], |(_, counts)| *counts);
        let most = plus(&before, more as u64 / 4);
        let found = ground.settled(EVERYTHING, &most)?;
        self.is_hidden |= ground.hides();
        self.note(clients, &found);
        Ok(found.iter().zip(&most).any(|(now, most)| now > most))
    }

    /// What comes to a limit, as a pool does that is filled when it is needed, is no leak.
    fn judge(&self, counts: &[Count]) -> Outcome {
        let names: Vec<&str> = counts.iter().map(|count| count.name()).collect();
        let line = |(clients, found): &(usize, [u64; Count::ALL])| {
            let found = counts
                .iter()
                .map(|&count| counted(found[count as usize], count.one(), count.name()));
            format!("after {clients} clients: {}", found.collect::<Vec<_>>().join(", "))
        };
        let mut evidence = Vec::new();
        let mut leak = None;
        for (at, now) in self.counts.iter().enumerate() {
            evidence.push(line(now));
            let Some(before) = at.checked_sub(1).and_then(|at| self.counts.get(at)) else {
                continue;
            };
            let more = now.0 - before.0;
            let grown = counts.iter().filter_map(|&count| {
                let (now, before) = (now.1[count as usize], before.1[count as usize]);
                (now > before + more as u64 / 4)
                    .then(|| format!("{} more {}", now - before, count.name()))
            });
            let grown: Vec<String> = grown.collect();
            leak = (!grown.is_empty()).then(|| {
                let what = grown.join(", ");
                Outcome::fail(format!("{what} after {more} more clients, all of whom have left"))
            });
            if leak.is_none() {
                break;
            }
        }
        if !self.has_empty {
            evidence.push(String::from(
                "all of them ask: one that leaves without a word does harm, see D8",
            ));
        }
        match leak {
            Some(leak) => {
                leak.with_all(evidence).with_all(self.spinning.clone().unwrap_or_default())
            }
            None if evidence.len() == 2 + usize::from(!self.has_empty) => {
                Outcome::pass(format!("no growth of {}", names.join(", "))).with_all(evidence)
            }
            None => {
                Outcome::pass(format!("{} come to a limit", names.join(", "))).with_all(evidence)
            }
        }
    }
}

/// Whether one of these grows with the number of the clients.
///
/// # Errors
///
/// Those of the clients; [`Trouble::Broken`] if they are not served; [`Trouble::Blocked`] if the system hides these.
fn judge(exam: &Exam, counts: &[Count]) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    let growth = exam.growth()?;
    if growth.is_hidden
        && let Some(what) = counts.iter().find_map(|count| count.hideable())
    {
        return Err(hidden(what));
    }
    exam.log().take_over(&growth.transcript);
    Ok(growth.judge(counts))
}
