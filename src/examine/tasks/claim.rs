//! C10: whether it is what it says.

use crate::examine::design::Kind;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "C10",
    name: "design",
    does: "finds out which design the server is, from what silent clients make of its tasks and from where these wait",
    sees: "processes, threads, the calls they are blocked in, and what their descriptors are",
    matters: "what a server can and can't do follows from its design; and who is to hand in a forked server is not to hand in a \
              threaded one",
    remedy: "build the design that is claimed, or claim the one that is built",
    source: "slide 'Server designs'; UNIX Network Programming, chapter 30",
    over: Over::Both,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let design = exam.design()?;
    let outcome = match &exam.plan.claims {
        None => Outcome::new(Verdict::Info, design.to_string()),
        Some(_) if design.kind == Kind::Unknown => {
            let what = "its clients can't be held, and its calls don't say which design it is";
            return Err(Trouble::Blocked(String::from(what)));
        }
        Some(claim) if design.names().contains(&claim.as_str()) => {
            Outcome::pass(format!("it claims to be {claim}, and is: {design}"))
        }
        Some(claim) => Outcome::fail(format!("it claims to be {claim}, and is: {design}")),
    };
    Ok(outcome.with(format!("found {}", design.method())).with_all(design.evidence.clone()))
}
