//! C5: how many workers there are.

use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::report::plural::counted;

pub(in crate::examine) const CHECK: Check = Check {
    id: "C5",
    name: "size of the pool",
    does: "holds silent clients, one after the other, until one is not served, or there are 512",
    sees: "how many are",
    matters: "so many clients that say nothing, or ask for much, make all others wait",
    remedy: "none is needed: more workers move the limit, and do not end it",
    source: "UNIX Network Programming 30.6 to 30.9",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    let design = exam.design()?;
    if !design.kind.is_pool() {
        return Ok(Outcome::not_applicable("there is no pool with a client for each worker"));
    }
    let at_least = if design.is_larger { "at least " } else { "" };
    let workers = counted(design.workers, "worker", "workers");
    let what = format!("{at_least}{workers}: so many clients are served at once");
    Ok(Outcome::new(Verdict::Info, what).with_all(design.evidence.clone()))
}
