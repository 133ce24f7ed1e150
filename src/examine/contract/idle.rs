//! A6: what it does while nobody asks for anything.

use std::time::Duration;

use crate::examine::design::Kind;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::subject::watch::naps;

pub(in crate::examine) const CHECK: Check = Check {
    id: "A6",
    name: "idle",
    does: "leaves the server alone for a second",
    sees: "its CPU time, and how often its tasks have gone to sleep",
    matters: "a server that looks whether there is something to do, instead of sleeping until there is, takes the CPU from those \
              that have work, and the battery's charge",
    remedy: "wait in a call that the kernel ends when something happens: accept, select, poll, epoll_wait",
    source: "slide 'Blocking or not'; UNIX Network Programming 6.2",
    over: Over::Both,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

/// Above this a server looks for itself; the run time of a language has threads that wake up now and then.
const OFTEN: u64 = 60;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let kind = exam.design()?.kind;
    let server = exam.start()?.restless(false);
    if let Some(spins) = server.spins()? {
        return Ok(spins);
    }
    let before = naps(&server.processes());
    let load = server.load(Duration::from_secs(1))?;
    let wakes = naps(&server.processes()).saturating_sub(before);
    let line = format!("{:.1} ms of CPU time, woken up {wakes} times in a second", load * 1e3);
    let polls = wakes >= OFTEN;
    Ok(match (polls, kind) {
        (true, Kind::Nonblocking) => {
            Outcome::new(Verdict::ByDesign, "it wakes up to look, many times a second")
                .with("who asks all clients in turn, without a call that waits for any of them, has to come back")
        }
        (true, _) => Outcome::new(Verdict::Weak, "it wakes up to look, many times a second"),
        (false, _) => Outcome::pass("it sleeps"),
    }
    .with(line))
}
