//! C10: whether it is what it says.

use std::time::{Duration, Instant};

use crate::examine::client::End;
use crate::examine::design::{Design, Kind, Sight};
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

/// For so long a silent client is watched that may have a limit which can't be seen.
const LONG: Duration = Duration::from_millis(10_500);

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let design = exam.design()?;
    let outcome = match &exam.plan.claims {
        None => Outcome::new(Verdict::Info, design.to_string()),
        Some(_) if design.kind == Kind::Unknown => {
            let what = "its clients can't be held, and its calls don't say which design it is";
            return Err(Trouble::Blocked(String::from(what)));
        }
        Some(claim) => judged(exam, design, claim)?,
    };
    Ok(outcome.with(format!("found {}", design.method())).with_all(design.evidence.clone()))
}

fn judged(exam: &Exam, design: &Design, claim: &str) -> Result<Outcome, Trouble> {
    let is_hidden = design.sight != Sight::Calls;
    let may_have_limit = claim == "timeout" || (is_hidden && claim == "iterative");
    if design.kind == Kind::Iterative && design.limit.is_none() && may_have_limit {
        return patience(exam, design, claim);
    }
    let names = design.names();
    let is_one = names.contains(&claim);
    let others: Vec<&str> = names.into_iter().filter(|name| *name != claim).collect();
    Ok(if !is_one {
        Outcome::fail(format!("it claims to be {claim}, and is: {design}"))
    } else if is_hidden && !others.is_empty() {
        let what = format!("it claims to be {claim}, and may be: {design}");
        let line = format!("what would tell it from {} is hidden", others.join(", "));
        Outcome::new(Verdict::Blocked, what).with(line)
    } else {
        Outcome::pass(format!("it claims to be {claim}, and is: {design}"))
    })
}

/// Whether one that has one client after the other cuts a silent one: by its own clock, where no call shows a limit.
fn patience(exam: &Exam, design: &Design, claim: &str) -> Result<Outcome, Trouble> {
    let server = exam.start()?;
    let mut client = server.connect_accepted()?;
    let begun = Instant::now();
    let mut cut = None;
    while cut.is_none() && begun.elapsed() < LONG {
        let heard = client.hear(LONG.saturating_sub(begun.elapsed()))?;
        cut = heard.filter(|answer| answer.end != End::Open).map(|_| begun.elapsed());
    }
    let (found, line) = match cut {
        Some(after) => {
            ("timeout", format!("a silent client is cut after {:.1} s", after.as_secs_f64()))
        }
        None => ("iterative", format!("a silent client is not cut in {:.1} s", LONG.as_secs_f64())),
    };
    // With a limit it still has one client after the other.
    let what = format!("it claims to be {claim}, and is: {design}");
    let is_it = claim == found || claim == "iterative";
    Ok(if is_it { Outcome::pass(what) } else { Outcome::fail(what) }.with(line))
}
