//! G: very many clients at once.

use super::client::{Client, Manner};
use super::design::{Design, Kind};
use super::server::Server;
use super::{Exam, Outcome, Trouble};
use crate::posix::sys_resource::{RLIMIT_NOFILE, getrlimit};
use crate::report::plural::counted;
use crate::subject::{Limits, watch};
use std::time::Duration;

pub(super) mod beyond;
pub(super) mod burst;
pub(super) mod idle;
pub(super) mod release;

/// Descriptors that either side has open besides those of clients: a runtime has its libraries and its epoll.
const OTHERS: u64 = 256;

/// How many clients there can be: each costs the examiner a descriptor, and the server one.
fn room() -> Result<usize, Trouble> {
    let limit = getrlimit(RLIMIT_NOFILE)?;
    Ok(limit.rlim_cur.saturating_sub(OTHERS).try_into().unwrap_or(usize::MAX))
}

/// Limits under which the server can have so many.
fn limits(clients: usize) -> Limits {
    // A thread reserves 8 MiB for its stack, most of which it never uses.
    Limits { descriptors: Some(clients as u64 + OTHERS), memory: 64 << 30, ..Limits::USUAL }
}

/// Why it can't have many clients at once, if it can't.
fn excluded(exam: &Exam) -> Result<Option<Outcome>, Trouble> {
    if exam.is_single_use()? {
        return Ok(Some(Outcome::not_applicable("it serves once")));
    }
    let Design { kind, workers, .. } = exam.design()?;
    let why = match kind {
        Kind::Iterative => String::from("it has one client at a time"),
        kind if kind.is_pool() => {
            format!("it has {} at a time", counted(*workers, "client", "clients"))
        }
        _ => return Ok(None),
    };
    Ok(Some(Outcome::not_applicable(why)))
}

/// Lets more and more clients connect that say nothing, until there are so many, or the server takes no more, or
/// has ended.
fn gather(server: &Server, clients: &mut Vec<Client>, count: usize) -> Result<(), Trouble> {
    // No faster than it accepts: a queue that is full would make the next one try again in a second.
    let backlog = server.listeners()?.iter().map(|row| row.idiag_wqueue).min().unwrap_or(1);
    let queue = backlog.min(64);
    while clients.len() < count && server.ended().is_none() {
        let Some(client) = server.connect_as(Manner::default())? else { break };
        clients.push(client);
        let longest = if clients.len() == count { 0 } else { queue };
        if !until_accepted(server, longest)? {
            break;
        }
    }
    if clients.len() < count && server.listeners()?.is_empty() {
        // It is ending, and nobody has been told yet.
        server.until_ended(Duration::from_secs(1))?;
    }
    Ok(())
}

/// How many clients wait to be accepted.
fn queued(server: &Server) -> Result<u32, Trouble> {
    Ok(server.listeners()?.iter().map(|row| row.idiag_rqueue).sum())
}

/// Waits until no more than so many clients wait to be accepted; false if that does not come about.
fn until_accepted(server: &Server, longest: u32) -> Result<bool, Trouble> {
    let is_short = || Ok(queued(server)? <= longest);
    // To look at all of its tasks takes long when there are very many.
    Ok(server.until_within(Duration::from_secs(1), is_short)? || server.until_or_stuck(is_short)?)
}

/// What has become of clients that say nothing.
struct Census {
    /// The server has them.
    held: usize,
    /// They have been told something: an end, as a rule.
    told: usize,
    /// They wait to be accepted.
    waiting: usize,
}

impl Census {
    fn of(server: &Server, clients: &[Client]) -> Result<Self, Trouble> {
        let mut told = 0;
        for client in clients {
            told += usize::from(client.is_told()?);
        }
        let waiting = (queued(server)? as usize).min(clients.len() - told);
        Ok(Self { held: clients.len() - told - waiting, told, waiting })
    }

    fn words(&self) -> String {
        let Self { held, told, waiting } = self;
        let held = counted(*held, "client", "clients");
        match (told, waiting) {
            (0, 0) => format!("it has {held}"),
            (0, _) => format!("it has {held} at once, and lets further ones wait"),
            (_, 0) => format!("it has {held} at once, and sends further ones away"),
            _ => {
                format!("it has {held} at once, sends {told} away, and lets {waiting} wait")
            }
        }
    }
}

/// What a server has, all its processes together.
#[derive(Debug, Clone, Copy)]
struct Belongings {
    processes: usize,
    threads: usize,
    descriptors: usize,
    /// Memory that is nobody else's, in bytes.
    memory: u64,
}

impl Belongings {
    fn of(server: &Server) -> Self {
        let mut processes = server.processes();
        processes.retain(|&pid| !matches!(watch::state(pid), None | Some('Z' | 'X')));
        Self {
            processes: processes.len(),
            threads: watch::tasks(&processes).len(),
            descriptors: processes.iter().map(|&pid| watch::descriptor_count(pid)).sum(),
            memory: processes.iter().filter_map(|&pid| watch::size(pid, "RssAnon")).sum(),
        }
    }

    fn words(&self) -> String {
        let Self { processes, threads, descriptors, memory } = self;
        format!(
            "{}, {} in all, {}, {:.1} MB of memory",
            counted(*processes, "process", "processes"),
            counted(*threads, "thread", "threads"),
            counted(*descriptors, "descriptor", "descriptors"),
            *memory as f64 / 1e6
        )
    }
}

/// How much more of something there may be afterwards than before, out of hundreds: a cache, a thread kept ready.
const SLACK: usize = 10;

/// Waits until it has no client any more, and nothing else of what it had for them; false if some of that stays.
fn until_released(server: &Server, before: Belongings) -> Result<bool, Trouble> {
    server.until(|| {
        if server.connections()?.iter().any(|row| row.idiag_inode != 0) {
            return Ok(false);
        }
        let now = Belongings::of(server);
        Ok(now.processes <= before.processes + SLACK
            && now.threads <= before.threads + SLACK
            && now.descriptors <= before.descriptors + SLACK)
    })
}
