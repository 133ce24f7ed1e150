//! C7: a program for each client.

use crate::examine::design::Kind;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "C7",
    name: "exec for each client",
    does: "holds clients and looks at the processes that serve them",
    sees: "whether these have been started by exec(): /proc/PID/auxv differs then",
    matters: "a superserver such as inetd starts a program for each client: simple for the program, dear for the machine",
    remedy: "none is needed",
    source: "slide 'Forked server'; inetd(8); UNIX Network Programming 13.5",
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
    let what = match design.kind {
        Kind::ForkExec => "each client has a process that is started by exec()",
        Kind::Forked => "each client has a process that fork() has made, without exec()",
        _ => return Ok(Outcome::not_applicable("there is no process for each client")),
    };
    Ok(Outcome::new(Verdict::Info, what).with_all(design.evidence.clone()))
}
