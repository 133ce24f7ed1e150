//! A5: what it does about signals.

use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::posix::signal::{SIGCHLD, SIGINT, SIGPIPE, SIGTERM};
use crate::report::Verdict;
use crate::subject::watch::has_signal;

pub(in crate::examine) const CHECK: Check = Check {
    id: "A5",
    name: "signals",
    does: "reads which signals the server ignores and which it has handlers for",
    sees: "SigIgn, SigCgt and SigBlk in /proc/PID/status; where SIGPIPE is left alone, the flags of every send()",
    matters: "SIGPIPE, which comes when somebody has closed the connection that is written to, ends a process that has not \
              said otherwise",
    remedy: "signal(SIGPIPE, SIG_IGN), or MSG_NOSIGNAL with every send()",
    source: "slide 'send'; signal(7); UNIX Network Programming 5.13",
    over: Over::Both,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let server = exam.start()?;
    let (pid, is_tcp) = (server.pid(), server.is_tcp);
    let hidden = || Trouble::Blocked(format!("/proc/{pid}/status has no masks of signals"));
    let mut evidence = Vec::new();
    let mut is_deadly = false;
    for (name, signal) in
        [("SIGPIPE", SIGPIPE), ("SIGCHLD", SIGCHLD), ("SIGINT", SIGINT), ("SIGTERM", SIGTERM)]
    {
        let is_ignored = has_signal(pid, "SigIgn", signal).ok_or_else(hidden)?;
        let is_caught = has_signal(pid, "SigCgt", signal).ok_or_else(hidden)?;
        is_deadly |= signal == SIGPIPE && !is_ignored && !is_caught;
        let is_held = has_signal(pid, "SigBlk", signal).ok_or_else(hidden)?;
        let what = match (is_ignored, is_caught, is_held) {
            (true, ..) => "is ignored",
            (_, true, _) => "has a handler",
            (.., true) => "is held back, to be asked for",
            _ => "has its default action",
        };
        evidence.push(format!("{name} {what}"));
    }
    drop(server);
    let outcome = if is_deadly && is_tcp && !is_quiet(exam)? {
        let what = "SIGPIPE has its default action: unless every send() says MSG_NOSIGNAL, a client can end the server";
        Outcome::new(Verdict::Weak, what)
    } else if is_deadly && is_tcp {
        Outcome::pass("SIGPIPE has its default action, and every send() says MSG_NOSIGNAL")
    } else {
        Outcome::pass(evidence.join(", "))
    };
    Ok(outcome.with_all(evidence))
}

/// Whether every send() to a client was seen to say `MSG_NOSIGNAL`.
fn is_quiet(exam: &Exam) -> Result<bool, Trouble> {
    match exam.habits() {
        Ok(habits) => Ok(habits.sends_without_signal() == Some(true)),
        Err(trouble) if trouble.is_interrupt() => Err(trouble),
        // Not seen.
        Err(_) => Ok(false),
    }
}
