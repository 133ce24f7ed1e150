//! Return to sender: what comes back from a port, and from whom.
//!
//! All that is used is open to everybody: a `connect()` or a datagram, and the socket's error queue. Many
//! ports are asked at once, and answered for in their order.

mod answer;
mod asked;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::net::{self, Deadline};
use crate::posix::Result;
use crate::posix::error::{EMFILE, ENFILE};
use crate::posix::poll::pollfd;

pub use answer::{Answer, Verdict, status};
use asked::{Asked, Started};

/// Whom to ask, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The host's addresses.
    pub addresses: Vec<SocketAddr>,
    /// The ports, each of which is asked of each address.
    pub ports: Vec<u16>,
    /// By datagrams, not by connections.
    pub udp: bool,
    /// How long an answer is waited for.
    pub wait: Duration,
    /// How many datagrams are sent to a port that is silent, in that time.
    pub tries: u32,
    /// How many ports are asked at the same time, at most.
    pub at_once: usize,
}

/// How many ports are asked before the next look at what has come back, so that no answer lies about.
const BETWEEN_LOOKS: usize = 16;

/// Asks every port of every address, and tells each answer, in their order; as long as `tell` says true.
///
/// # Errors
///
/// Where this host has no more sockets, or no more memory for them: nothing is known then.
pub fn knock(plan: &Plan, tell: &mut dyn FnMut(Answer) -> bool) -> Result<()> {
    let total = plan.addresses.len() * plan.ports.len();
    let mut asked: Vec<Asked> = Vec::new();
    let mut answers: BTreeMap<usize, Answer> = BTreeMap::new();
    let (mut next, mut told, mut at_once) = (0, 0, plan.at_once.max(1));
    while told < total {
        let mut launched = 0;
        while next < total && asked.len() < at_once && launched < BETWEEN_LOOKS {
            match Asked::start(plan, next) {
                Ok(Started::Asked(one)) => asked.push(one),
                Ok(Started::Answer(answer)) => drop(answers.insert(next, answer)),
                Err(error) if matches!(error.errno(), EMFILE | ENFILE) && !asked.is_empty() => {
                    at_once = asked.len();
                    break;
                }
                Err(error) => return Err(error),
            }
            (next, launched) = (next + 1, launched + 1);
        }
        while let Some(answer) = answers.remove(&told) {
            told += 1;
            if !tell(answer) {
                return Ok(());
            }
        }
        let mut fds: Vec<pollfd> = asked.iter().map(Asked::waits_for).collect();
        let wakes = asked.iter().filter_map(Asked::wakes).min();
        if fds.is_empty() {
            continue;
        }
        let more = launched == BETWEEN_LOOKS;
        let deadline = if more { Some(Instant::now()) } else { wakes };
        net::wait(&mut fds, deadline.map_or(Deadline::NEVER, until))?;
        let mut silent = Vec::with_capacity(asked.len());
        for (mut one, fd) in asked.drain(..).zip(&fds) {
            match one.look(plan, fd.revents())? {
                Some(found) => drop(answers.insert(one.number, one.answer(plan, found))),
                None => silent.push(one),
            }
        }
        asked = silent;
    }
    Ok(())
}

fn until(moment: Instant) -> Deadline {
    Deadline::after(moment.saturating_duration_since(Instant::now()))
}
