//! J2: the second request.

use crate::examine::server::Probe;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "J2",
    name: "second request over UDP",
    does: "asks with one client, waits for the answer, and asks with another one",
    sees: "the second answer, or what the kernel says in its place",
    matters: "a server that has to be started again after each answer is away for whoever comes in between",
    remedy: "a loop around recvfrom() and sendto()",
    source: "slide 'UDP Time Service - Iterative'; UNIX Network Programming 8.3",
    over: Over::Udp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let is_single_use = exam.is_single_use()?;
    let is_claimed = match &exam.plan.claims {
        Some(claim) => is_single_use && exam.design()?.names().contains(&claim.as_str()),
        None => false,
    };
    let server = exam.start()?;
    let first = server.probe()?;
    if first != Probe::Right {
        return Err(Trouble::Broken(format!("the first request is {}", first.words())));
    }
    if is_single_use {
        server.until(|| Ok(server.ended().is_some()))?;
    }
    let second = server.probe()?;
    if second == Probe::Right {
        return Ok(match server.rest()? {
            Ok(line) => Outcome::pass("the second one is answered too").with(line),
            Err(spins) => spins,
        });
    }
    if second == Probe::Refused {
        server.until_ended(server.patience)?;
    }
    let verdict = if is_claimed { Verdict::ByDesign } else { Verdict::Fail };
    Ok(match server.ended() {
        Some(status) => Outcome::new(verdict, format!("it serves once, and ends then ({status})"))
            .with(format!("the second request: {}", second.words())),
        None => Outcome::fail(format!("the second request is {}", second.words()))
            .with_all(server.scene()),
    })
}
