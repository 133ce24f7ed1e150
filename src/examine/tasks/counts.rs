//! C2: how many processes and threads are made, exactly.

use crate::examine::faults::habits::{ACCEPT, MAKE};
use crate::examine::server::{Probe, Server};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::report::plural::counted;
use crate::subject::gate::Sysno;

pub(in crate::examine) const CHECK: Check = Check {
    id: "C2",
    name: "exact counts",
    does: "asks twenty times, one client after the other, with every accept(), fork() and clone() going through a gate",
    sees: "how many of them there are",
    matters: "what is too short to be seen is counted: a child that ends at once, a thread for one answer",
    remedy: "none is needed",
    source: "slides 'Forked server', 'Threaded server'; seccomp_unotify(2)",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

const CLIENTS: usize = 20;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    let (server, tap) = exam.start_gated(&[ACCEPT, MAKE].concat())?;
    // What is done only once is done with the first.
    let mut wrong = served(&server, 0)?;
    server.settles()?;
    tap.start_counting();
    for number in 1..=CLIENTS {
        wrong = served(&server, number)?.or(wrong);
    }
    server.settles()?;
    tap.stop_counting();
    let calls = tap.log(0).calls;
    let made = |thread| calls.iter().filter(|call| call.is_thread() == Some(thread)).count();
    let (processes, threads) = (made(false), made(true));
    let accepts = tap.total(&Sysno::all(ACCEPT));
    let mut outcome = Outcome::new(
        Verdict::Info,
        format!(
            "{CLIENTS} clients: {} and {} are made",
            counted(processes, "process", "processes"),
            counted(threads, "thread", "threads")
        ),
    );
    let names = |names: &[&str]| {
        let counted = Sysno::all(names).into_iter().map(|call| (call, tap.total(&[call])));
        let counted = counted.filter(|(_, count)| *count > 0);
        counted.map(|(call, count)| format!("{count} {call}")).collect::<Vec<_>>().join(", ")
    };
    let all = names(&[ACCEPT, MAKE].concat());
    if accepts == 0 {
        outcome = outcome
            .with("no accept: it takes clients in by something that is no system call, a ring");
    }
    if !all.is_empty() {
        outcome = outcome.with(format!("calls: {all}"));
    }
    if processes > CLIENTS {
        outcome = outcome.with("one that a signal interrupts is made again, and counted again");
    }
    Ok(outcome.with_all(wrong))
}

/// Has a client served, and returns a line if its answer is wrong: at the gate a signal can interrupt what it never does
/// elsewhere, and a shell that can't fork for once says something else.
fn served(server: &Server, number: usize) -> Result<Option<String>, Trouble> {
    match server.probe()? {
        Probe::Right => Ok(None),
        Probe::Wrong(answer) => {
            Ok(Some(format!("behind the gate client {number} is answered with {}", answer.words())))
        }
        probe => Err(Trouble::Broken(format!("good client {number} is {}", probe.words()))),
    }
}
