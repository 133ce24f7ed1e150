//! D12: an answer to somebody who is gone.

use std::os::unix::process::ExitStatusExt;

use super::{computing, reset, until_computed, while_computing};
use crate::examine::costly::Heaviness;
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::linux::tcp_info::TCP_CLOSE_WAIT;
use crate::posix::signal::SIGPIPE;
use crate::report::Verdict;
use crate::subject::{Ending, Inetd, watch};

pub(in crate::examine) const CHECK: Check = Check {
    id: "D12",
    name: "SIGPIPE",
    does: "sends a costly request, half-closes, waits until the server computes, and resets the connection: the server's first \
           send() fails with EPIPE",
    sees: "whether the process, and each of its workers, lives after that, what it does with the signal, and the next client's \
           answer",
    matters: "with EPIPE comes the signal SIGPIPE, which ends the process unless it has said otherwise: any client can do that \
              at will",
    remedy: "signal(SIGPIPE, SIG_IGN) at the start, or send() with MSG_NOSIGNAL",
    source: "slide 'Signals'; send(2), MSG_NOSIGNAL; signal(7); UNIX Network Programming 5.13",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

/// Who is not killed by the signal, and yet does not stand what has happened.
const UNHEEDED: &str = "SIGPIPE does not end it; EPIPE from send() (in Python BrokenPipeError) is the end of that client alone: close its socket and go on";
const DEFAULT: &str = "leaves SIGPIPE at its default, which is to end";

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    if let Some(outcome) = exam.speaks_first()? {
        return Ok(outcome);
    }
    let heavy = computing(exam)?;
    let server = exam.start()?;
    // Of inetd's own nobody asks.
    let is_inetds = exam.plan.by_inetd == Some(Inetd::Nowait);
    let disposition = if is_inetds { None } else { disposition(server.pid()) };
    let before = server.processes();
    match &heavy {
        Some(heavy) => meanwhile(&server, heavy)?,
        None if !server.is_ours() => return exam.without_heavy(),
        None => while_stopped(&server)?,
    }
    let health = match server.health()? {
        Ok(line) => line,
        Err(ailment) => {
            let is_unheeded = disposition.as_deref().is_some_and(|line| {
                !line.ends_with(DEFAULT) || before == [server.pid()] && ends_otherwise(&server)
            });
            let ailment = if is_unheeded { ailment.mended_by(UNHEEDED) } else { ailment };
            return Ok(ailment.with_all(disposition));
        }
    };
    let lost: Vec<u32> =
        before.iter().copied().filter(|pid| !server.processes().contains(pid)).collect();
    let Some(worker) = lost.first() else {
        let what = "the server lives, and the next client is answered";
        return Ok(Outcome::pass(what).with_all(disposition).with(health));
    };
    let is_replaced = server.until(|| Ok(server.processes().len() >= before.len()))?;
    let (verdict, then) = if is_replaced {
        (Verdict::Weak, "another has taken its place")
    } else {
        (Verdict::Fail, "nobody has taken its place")
    };
    let what = format!("worker process {worker} has ended, and {then}");
    Ok(Outcome::new(verdict, what).with_all(disposition))
}

fn meanwhile(server: &Server, heavy: &Heaviness) -> Result<(), Trouble> {
    while_computing(server, heavy, |client| {
        client.finish()?;
        let has_heard = || {
            let row = server.row(&client)?;
            Ok(row.is_none_or(|row| row.idiag_state == TCP_CLOSE_WAIT) || client.is_told()?)
        };
        server.until(has_heard)?;
        let unanswered = || {
            if client.is_told()? {
                let what = format!("{} was answered before it could reset", client.name());
                return Err(Trouble::Broken(what));
            }
            reset(server, client)
        };
        // Between the look and the reset it could still answer.
        if server.is_ours() { server.while_stopped(unanswered) } else { unanswered() }
    })?;
    until_computed(server, heavy)
}

/// Where nothing takes long: the server is stopped between the request's arrival and its answer.
fn while_stopped(server: &Server) -> Result<(), Trouble> {
    let client = server.connect_accepted()?;
    server.until_at_rest()?;
    server.while_stopped(|| {
        client.send_last(&server.protocol.request)?;
        server.until(|| {
            Ok(server.row(&client)?.is_none_or(|row| row.idiag_state == TCP_CLOSE_WAIT))
        })?;
        reset(server, client)
    })?;
    server.until_at_rest()?;
    Ok(())
}

/// Whether it has ended, and not by the signal: where send() is told to raise none, its default is never done.
fn ends_otherwise(server: &Server) -> bool {
    let status = server.ended().and_then(Ending::status);
    status.is_some_and(|status| status.signal() != Some(SIGPIPE))
}

/// What a process does with the signal.
fn disposition(pid: u32) -> Option<String> {
    let ignores = watch::has_signal(pid, "SigIgn", SIGPIPE)?;
    let handles = watch::has_signal(pid, "SigCgt", SIGPIPE)?;
    let does = match (ignores, handles) {
        (true, _) => "ignores SIGPIPE",
        (_, true) => "handles SIGPIPE",
        _ => DEFAULT,
    };
    Some(format!("process {pid} {does}"))
}
