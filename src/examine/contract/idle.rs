//! A6: what it does while nobody asks for anything.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::examine::design::Kind;
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::subject::watch::{naps_of, starved};

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
const OFTEN: f64 = 60.0;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let kind = exam.design()?.kind;
    let server = exam.start()?.restless(false);
    if let Some(spins) = server.spins()? {
        return Ok(spins);
    }
    let before: BTreeMap<u32, (u64, Duration)> = woken(&server).collect();
    let begun = Instant::now();
    let load = server.load(Duration::from_secs(1))?;
    let time = begun.elapsed();
    let (mut wakes, mut rate, mut most) = (0, 0.0, Duration::ZERO);
    for (tid, (naps, waited)) in woken(&server) {
        let (naps_before, waited_before) = before.get(&tid).copied().unwrap_or_default();
        let (naps, waited) =
            (naps.saturating_sub(naps_before), waited.saturating_sub(waited_before));
        wakes += naps;
        // While it waits for a CPU that others have it can't sleep again.
        rate += naps as f64 / time.saturating_sub(waited).max(time / 10).as_secs_f64();
        most = most.max(waited);
    }
    let mut line = format!("{:.1} ms of CPU time, woken up {wakes} times in a second", load * 1e3);
    if most > time / 10 {
        line += &format!(", for {:.1} s of which it waited for a CPU", most.as_secs_f64());
    }
    let polls = rate >= OFTEN;
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

/// How often each of its tasks has gone to sleep, and for how long it has waited for a CPU.
fn woken(server: &Server) -> impl Iterator<Item = (u32, (u64, Duration))> {
    let tasks = server.tasks().into_iter();
    tasks.filter_map(|task| Some((task.tid, (naps_of(&task)?, starved(task)))))
}
