//! D15: a costly request.

use crate::examine::costly::waiting;
use crate::examine::design::Kind;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "D15",
    name: "costly request",
    does: "sends a request that takes about a second, and then a cheap one with another client; where there is a pool, as many \
           costly ones as it has workers, or one, and silent clients for the others if they are many",
    sees: "the order of the answers: the cheap one is first, with the costly one still to be computed, unless it has to wait",
    matters: "one client that asks for much keeps everybody else from being served",
    remedy: "compute in processes or threads that the loop, or the accepting one, does not wait for",
    source: "slide 'select server'; UNIX Network Programming 30.1",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

/// More than so many workers are not all made to compute.
const MANY: usize = 8;

/// Where chance decides who gets which client, nobody may have come to the busy one: one time of a hundred with four workers.
const TRIES: usize = 4;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    let Some(heavy) = exam.heavy()? else {
        return exam.without_heavy();
    };
    let design = exam.design()?;
    let server = exam.start()?;
    let is_shared_out = design.listeners > 1;
    // Each of several with one listening socket takes a client when it is idle; with a socket each, the kernel decides
    // beforehand.
    let has_workers = design.kind.is_pool() || design.kind.is_loop();
    let all = if has_workers && !is_shared_out { design.workers } else { 1 };
    // Of many that compute at once, the first would be through before the last has begun.
    let silent = if design.kind.is_pool() && all > MANY { all - 1 } else { 0 };
    let costly = all - silent;
    let _silent: Vec<_> =
        (0..silent).map(|_| server.connect_accepted()).collect::<Result<_, _>>()?;
    // As many that each of several would get some.
    let is_by_chance = is_shared_out || design.kind.is_loop();
    let cheap = if has_workers && is_by_chance && design.workers > 1 { 16 } else { 1 };
    let tries = if cheap > 1 { TRIES } else { 1 };
    let mut waited = None;
    for _ in 0..tries {
        waited = waiting(&server, heavy, costly, cheap)?;
        if waited != Some(0) {
            break;
        }
    }
    let Some(waited) = waited else {
        let what =
            "each time the costly request was answered too soon to see whether the cheap ones wait";
        return Err(Trouble::Broken(String::from(what)));
    };
    let (name, alone) = (&heavy.name, heavy.alone.as_secs_f64());
    let line = format!(
        "{silent} silent clients, {costly} times {name}, which takes {alone:.2} s alone; then {cheap} cheap requests"
    );
    if waited == 0 {
        return Ok(Outcome::pass(
            "cheap requests are answered before a costly one that came first",
        )
        .with(line));
    }
    let reason = design.computes_in_turn();
    let verdict = match design.kind {
        Kind::Unknown => Verdict::Info,
        _ if reason.is_some() => Verdict::ByDesign,
        _ => Verdict::Fail,
    };
    let what = if waited == cheap {
        format!("the others wait until {name} is computed")
    } else {
        format!(
            "{waited} of {cheap} others wait until {name} is computed: those of the same worker"
        )
    };
    Ok(Outcome::new(verdict, what).with_all(reason).with(line))
}
