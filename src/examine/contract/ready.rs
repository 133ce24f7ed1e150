//! A1: it listens, and answers.

use crate::examine::inetd::Life;
use crate::examine::server::{Probe, Server, scene};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::subject::Inetd;

pub(in crate::examine) const CHECK: Check = Check {
    id: "A1",
    name: "ready",
    does: "starts the server, waits until the kernel lists a socket of its own on its port, and asks once; one that inetd starts \
           with its socket (--inetd=wait) is started by that",
    sees: "the row in the kernel's table of sockets, and the answer; of one that ends after it, its status",
    matters: "whoever starts a server has to know when it can be asked; to connect until that works is a guess, and \
              uses a server up that serves once",
    remedy: "socket, bind, listen; then answer requests on the port that was given",
    source: "slide 'Debugging sockets'; listen(2); sock_diag(7)",
    over: Over::Both,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let server = exam.start()?;
    let mut outcome = answers(exam, &server)?;
    outcome.remedy = outcome.remedy.or(remedy(exam.plan.by_inetd, server.is_tcp));
    Ok(outcome)
}

/// What helps one that has no socket of its own, or none that listens.
fn remedy(by_inetd: Option<Inetd>, is_tcp: bool) -> Option<&'static str> {
    match (by_inetd, is_tcp) {
        (Some(Inetd::Nowait), _) => Some(
            "read the request from standard input and write the answer to standard output, which are the connection",
        ),
        (Some(Inetd::Wait { .. }), true) => {
            Some("accept() from standard input, which is the listening socket, and answer")
        }
        (Some(Inetd::Wait { .. }), false) => {
            Some("recvfrom() on standard input, which is the socket, and answer by sendto()")
        }
        (None, true) => None,
        (None, false) => Some("socket, bind; then answer each datagram on the port that was given"),
    }
}

fn answers(exam: &Exam, server: &Server) -> Result<Outcome, Trouble> {
    let what = if server.is_tcp { "listens on" } else { "is bound to" };
    if server.is_started_again() {
        return started(exam, server, &format!("inetd {what} {}", server.addr));
    }
    let is_inetds = exam.plan.by_inetd.is_some();
    let row = if is_inetds {
        format!("inetd {what} {}", server.addr)
    } else {
        format!("process {} {what} {}", server.pid(), server.addr)
    };
    Ok(match server.probe()? {
        Probe::Right => Outcome::pass(format!("{what} {}, and answers", server.addr)).with(row),
        Probe::Wrong(answer) if !server.protocol.is_fibonacci => {
            let what = format!("a good request is answered with {}", answer.words());
            Outcome::fail(what).with(row).with("what --expect says does not match that")
        }
        other => {
            let what = format!("a good request is {}", other.words());
            let outcome = Outcome::fail(what).with(row);
            // Of inetd's own nobody asks.
            let mut tasks = server.tasks();
            tasks.retain(|task| !is_inetds || task.pid != server.pid());
            unless_foreign(outcome, server, &other).with_all(scene(tasks))
        }
    })
}

/// The socket is inetd's, which has it before anybody is started: that it is there says nothing of the server.
fn started(exam: &Exam, server: &Server, row: &str) -> Result<Outcome, Trouble> {
    let probe = server.probe()?;
    let pid = server.pid();
    let has_ended =
        exam.life() != Some(Life::Lasting) && server.until(|| Ok(!server.ends().is_empty()))?;
    let end = server.ends().last().copied().filter(|_| has_ended);
    let line = match end {
        Some(end) => {
            format!("it is started by the first request, and has ended after it ({})", end.status)
        }
        None => format!("it is started by the first request, as process {pid}, and stays"),
    };
    let outcome = match (&probe, end) {
        (Probe::Right, Some(end)) if !end.is_ordinary() => {
            let what =
                format!("{row}; it answers, and then says that it has failed ({})", end.status);
            Outcome::new(Verdict::Weak, what)
        }
        (Probe::Right, _) => Outcome::pass(format!("{row}, and it answers")),
        (probe, _) => Outcome::fail(format!("{row}; a good request is {}", probe.words())),
    };
    Ok(unless_foreign(outcome.with(line), server, &probe).with_all(server.scene()))
}

/// Who answers, and has been taken for the lecture's service because nobody said what it speaks, may be sound.
fn unless_foreign(outcome: Outcome, server: &Server, probe: &Probe) -> Outcome {
    match probe {
        Probe::Wrong(answer) if server.protocol.is_fibonacci && !answer.bytes.is_empty() => outcome
            .with(
                "it answers, but not as the lecture's Fibonacci service does: --send and --expect say what is spoken",
            )
            .mended_by("answer as that service does, or say what is spoken: --send and --expect"),
        _ => outcome,
    }
}
