//! D15: a costly request.

use crate::examine::costly::waiting;
use crate::examine::design::Kind;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "D15",
    name: "costly request",
    does: "sends a request that takes about a second, and then a cheap one with another client; where there is a pool, as many \
           costly ones as it has workers",
    sees: "the order of the answers: the cheap one is first unless it has to wait",
    matters: "one client that asks for much keeps everybody else from being served",
    remedy: "compute in processes or threads that the loop, or the accepting one, does not wait for",
    source: "slide 'select server'; UNIX Network Programming 30.1",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    let Some(heavy) = exam.heavy()? else {
        return Ok(Outcome::not_applicable("no costly request is known: --heavy tells one"));
    };
    let design = exam.design()?;
    let server = exam.start()?;
    // Each of several loops with one listening socket takes a client when it is idle; with a socket each, the kernel
    // decides beforehand.
    let is_shared = design.kind.is_pool() || (design.kind.is_loop() && design.listeners == 1);
    let costly = if is_shared { design.workers } else { 1 };
    // As many that each of several loops would get some.
    let cheap = if design.kind.is_loop() && design.workers > 1 { 16 } else { 1 };
    let waited = waiting(&server, heavy, costly, cheap)?;
    let (name, alone) = (&heavy.name, heavy.alone.as_secs_f64());
    let line = format!(
        "{costly} times {name}, which takes {alone:.2} s alone; then {cheap} cheap requests"
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
        format!("{waited} of {cheap} others wait until {name} is computed: those of the same loop")
    };
    Ok(Outcome::new(verdict, what).with_all(reason).with(line))
}
