//! D2: a client that never comes to the end of its request.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::until_read;
use crate::examine::client::Client;
use crate::examine::server::{Probe, Server};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::subject::limit::{Limit, limit};
use crate::subject::watch::Task;

pub(in crate::examine) const CHECK: Check = Check {
    id: "D2",
    name: "trickle",
    does: "sends a request one byte at a time, every half second, and never its end, with eight clients, or as many as there are \
           workers; asks with another client meanwhile",
    sees: "whether the other is answered, and whether the slow ones are cut within ten seconds; or that the server waits with a \
           time limit which the bytes don't renew",
    matters: "a time limit for each recv() is renewed by each byte: a hundred such clients (slowloris) keep a hundred workers, or \
              descriptors, for as long as they like",
    remedy: "limit the time of a request as a whole: a deadline from accept() on, and what is left of it for each wait",
    source: "slide 'Blocking or not'; CWE-400; RFC 9110, 15.5.9, 408 Request Timeout; UNIX Network Programming 14.2",
    over: Over::Tcp,
    is_quick: false,
    on_running: OnRunning::Made,
    run,
};

/// How many slow clients there are, where each does not take a worker.
const MANY: usize = 8;
/// How long the request takes: some more than the deadline that is usual, ten seconds.
const WHOLE: Duration = Duration::from_millis(10_500);
/// How many bytes there are: fewer than the longest line that a server may take.
const BYTES: usize = 21;
/// So many looks at a time limit show that it runs down.
const LOOKS: usize = 4;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    if let Some(outcome) = exam.speaks_first()? {
        return Ok(outcome);
    }
    let design = exam.design()?;
    let must = design.is_pool_or_iterative();
    let server = exam.start()?;
    let request = &server.protocol.request;
    let bytes = if server.protocol.is_fibonacci {
        vec![b'0'; BYTES]
    } else {
        request.split_last().map_or_else(Vec::new, |(_, most)| most.to_vec())
    };
    if bytes.is_empty() {
        return Ok(Outcome::not_applicable("a request of one byte has no pieces"));
    }
    let mut slow = if must { design.fill(&server)? } else { many(&server)? };
    let count = if must { design.workers.max(1) } else { slow.len() };
    let who = if count == 1 { String::from("one client") } else { format!("{count} clients") };
    let begun = Instant::now();
    let mut limits = Limits::default();
    let mut probe = None;
    let mut beside = Probe::Right;
    let mut is_cut = false;
    for (number, byte) in bytes.iter().enumerate() {
        for client in slow.iter().take(count) {
            client.send(std::slice::from_ref(byte))?;
            // Whoever waits for the rest of the first one's request reads no more: the good client tells.
            server.until_or_stuck(|| Ok(server.has_read(client)? || client.is_told()?))?;
        }
        until_read(&server, &slow[0])?;
        if number == 0 && !slow[0].is_told()? {
            let other = probe.insert(server.connect()?);
            other.send(request)?;
            beside = server.outcome(other)?;
            if beside != Probe::Right && !must {
                let what =
                    format!("beside {who} with half a request a good client is {}", beside.words());
                return Ok(Outcome::fail(what).with_all(server.held_by(&slow[0])?));
            }
        }
        let at = begun.elapsed();
        if beside == Probe::Right && server.until_at_rest()? {
            limits.look(at, &server.tasks());
        }
        if limits.running_down().is_some() {
            break;
        }
        let due = WHOLE.mul_f64((number + 1) as f64 / bytes.len() as f64);
        is_cut = server.until_within(due.saturating_sub(begun.elapsed()), || slow[0].is_told())?;
        if is_cut {
            break;
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let answer = slow[0].take()?;
    let held = server.held_by(&slow[0])?;
    slow.into_iter().for_each(Client::close);
    let after = match &mut probe {
        Some(probe) if beside != Probe::Right => server.outcome(probe)?,
        _ => Probe::Right,
    };
    if after != Probe::Right {
        let what =
            format!("when {who} with half a request left, the one behind it is {}", after.words());
        return Ok(Outcome::fail(what).with_all(server.scene()));
    }
    if let Some(ailment) = server.ailment()? {
        return Ok(ailment);
    }
    let stalled =
        (beside != Probe::Right).then(|| format!("all others waited for {who} meanwhile"));
    let outcome = if is_cut && answer.bytes.first().is_some_and(u8::is_ascii_digit) {
        return Ok(Outcome::not_applicable("it does not wait for the whole request: see D4"));
    } else if is_cut {
        Outcome::pass(format!("cut after {seconds:.1} s: {}", answer.words()))
    } else if let Some((limit, name)) = limits.running_down() {
        let what = "there is a deadline for the whole request: each byte leaves less of it";
        let seconds = limit as f64 / 1e3;
        Outcome::pass(what)
            .with(format!("it waits with a time limit of {seconds:.1} s then ({name})"))
    } else {
        let what =
            format!("{who} with an unfinished request, still waited for after {seconds:.1} s");
        Outcome::new(Verdict::Weak, what).with_all(limits.unseen())
    };
    Ok(outcome.with_all(stalled).with_all(held))
}

/// Clients that the server has accepted: as many as it takes, up to [`MANY`].
fn many(server: &Server) -> Result<Vec<Client>, Trouble> {
    let mut all = vec![server.connect_accepted()?];
    while all.len() < MANY {
        let (client, is_taken) = server.connect_if_taken()?;
        if !is_taken {
            break;
        }
        all.push(client);
    }
    Ok(all)
}

/// The time limits with which tasks wait, as they were seen.
#[derive(Default)]
struct Limits {
    /// Of each task: when, and how many milliseconds.
    seen: BTreeMap<u32, Vec<(Duration, u64)>>,
    /// What says so, by the last look.
    names: BTreeMap<u32, &'static str>,
    /// What says how long a task waits, and can't be read.
    hidden: BTreeSet<&'static str>,
}

impl Limits {
    fn look(&mut self, at: Duration, tasks: &[Task]) {
        for task in tasks {
            match limit(task) {
                Some(Limit::After(time, name)) => {
                    self.seen.entry(task.tid).or_default().push((at, time.as_millis() as u64));
                    self.names.insert(task.tid, name);
                }
                Some(Limit::Unseen(name)) => {
                    self.hidden.insert(name);
                }
                Some(Limit::Never) | None => {}
            }
        }
    }

    /// The last limit of a task that waits shorter and shorter, and what says so.
    fn running_down(&self) -> Option<(u64, &'static str)> {
        let (tid, limits) = self.seen.iter().find(|(_, limits)| runs_down(limits))?;
        let (_, last) = limits.last()?;
        Some((*last, self.names.get(tid)?))
    }

    /// What could not be seen: a deadline may stand there.
    fn unseen(&self) -> impl Iterator<Item = String> {
        self.hidden.iter().map(|name| {
            format!("whether a deadline runs down could not be seen: the time limit of {name} can't be read here")
        })
    }
}

/// Whether a time limit becomes shorter as time passes, about as fast.
fn runs_down(limits: &[(Duration, u64)]) -> bool {
    let Some(last) = limits.last_chunk::<LOOKS>() else { return false };
    let [(begun, longest), .., (end, shortest)] = last;
    let passed = (*end - *begun).as_millis() as u64;
    let less = longest.saturating_sub(*shortest);
    last.is_sorted_by(|(_, before), (_, after)| before > after)
        && (passed / 2..=passed * 3 / 2 + 100).contains(&less)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_down() {
        let limits = |all: &[u64]| {
            let at = |number: usize| Duration::from_millis(500 * number as u64);
            all.iter().enumerate().map(|(number, &limit)| (at(number), limit)).collect::<Vec<_>>()
        };
        assert!(runs_down(&limits(&[60_000, 59_500, 59_010, 58_400])));
        assert!(!runs_down(&limits(&[60_000, 59_500, 59_010])));
        assert!(!runs_down(&limits(&[5000, 5000, 5000, 5000, 5000])));
        assert!(!runs_down(&limits(&[60_000, 59_500, 60_000, 59_500])));
        assert!(!runs_down(&limits(&[1000, 999, 998, 997])));
    }
}
