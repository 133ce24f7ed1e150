//! F9: many signals.

use crate::examine::server::{Probe, Server};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::posix::signal::SIGCHLD;
use crate::report::Verdict;

use super::limits::served_once;

pub(in crate::examine) const CHECK: Check = Check {
    id: "F9",
    name: "signal storm",
    does: "stops the server and lets it go on (SIGSTOP, SIGCONT) twenty times, and tells it fifty times that a child has changed \
           (SIGCHLD); first alone, then beside a client that has not asked yet",
    sees: "whether the process lives and sleeps, and whether that client and the next one are answered",
    matters: "who stops a server, a shell's Ctrl-Z or a debugger, interrupts epoll_wait() even if no signal is handled; a handler of \
              SIGCHLD interrupts more",
    remedy: "call again what has failed with EINTR; install handlers with SA_RESTART",
    source: "slide 'Signals'; signal(7), 'Interruption of system calls'; UNIX Network Programming 5.9",
    over: Over::Tcp,
    is_quick: false,
    on_running: OnRunning::Never,
    run,
};

const STOPS: usize = 20;
const CHILDREN: usize = 50;

/// Many signals of a kind.
type Storm = fn(&Server) -> Result<(), Trouble>;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    let storms: [(&str, Storm); 2] = [("SIGSTOP and SIGCONT", stops), ("SIGCHLD", children)];
    let mut well: Option<Server> = None;
    let mut harmed: Vec<(String, Outcome)> = Vec::new();
    for (name, storm) in storms {
        let server = match well.take() {
            Some(server) => server,
            None => served_once(exam)?,
        };
        match withstands(&server, storm)? {
            None => well = Some(server),
            Some(harm) => harmed.push((name.to_owned(), harm)),
        }
    }
    let outcome = super::verdict(harmed, storms.len(), storms.len());
    Ok(match well {
        Some(server) if outcome.verdict == Verdict::Pass => match server.rest()? {
            Ok(line) => outcome.with(format!("in the end: {line}")),
            Err(spins) => spins,
        },
        _ => outcome,
    })
}

/// What harm a storm does.
fn withstands(server: &Server, storm: Storm) -> Result<Option<Outcome>, Trouble> {
    storm(server)?;
    if let Some(ailment) = server.ailment()? {
        return Ok(Some(ailment.with("nobody was connected")));
    }
    let mut client = server.connect_accepted()?;
    server.settles()?;
    storm(server)?;
    client.send(&server.protocol.request)?;
    let probe = server.outcome(&mut client)?;
    drop(client);
    if let Some(ailment) = server.ailment()? {
        return Ok(Some(ailment.with("a client was connected, and had not asked yet")));
    }
    if probe != Probe::Right {
        let what = format!("a client that had not asked yet is {}", probe.words());
        return Ok(Some(Outcome::new(Verdict::Weak, what)));
    }
    server.settles()?;
    Ok(None)
}

fn stops(server: &Server) -> Result<(), Trouble> {
    for _ in 0..STOPS {
        if server.ended().is_some() {
            return Ok(());
        }
        server.while_stopped(|| Ok(()))?;
        // The next one is to interrupt a call that waits.
        server.settles()?;
    }
    server.log.say(format!("{STOPS} times SIGSTOP and SIGCONT"));
    Ok(())
}

fn children(server: &Server) -> Result<(), Trouble> {
    for _ in 0..CHILDREN {
        if server.ended().is_some() {
            return Ok(());
        }
        server.signal(SIGCHLD)?;
        server.until_at_rest_for(1, server.patience)?;
    }
    server.log.say(format!("{CHILDREN} times SIGCHLD"));
    Ok(())
}
