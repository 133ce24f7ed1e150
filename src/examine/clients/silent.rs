//! D1: a client that says nothing.

use std::time::Instant;

use crate::examine::client::{Client, End};
use crate::examine::server::{Probe, Server};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::subject::limit::limit;

pub(in crate::examine) const CHECK: Check = Check {
    id: "D1",
    name: "silent client",
    does: "holds a client that says nothing, asks with another one, and then lets the silent one ask, too; where there is a \
           pool, with as many silent clients as it has workers",
    sees: "whether the other is answered while the silent one is silent, or only when that has asked or is cut; in which call \
           the server waits for whom, and with which time limit",
    matters: "one client that does nothing keeps everybody else from being served",
    remedy: "serve clients beside each other (fork, threads, select, poll, epoll), or limit a request's time as a whole",
    source: "slide 'Blocking or not'; UNIX Network Programming 30.2",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    if let Some(outcome) = exam.speaks_first()? {
        return Ok(outcome);
    }
    let design = exam.design()?;
    let server = exam.start()?;
    let count = if design.kind.is_pool() { design.workers } else { 1 };
    let begun = Instant::now();
    let mut silent = design.fill(&server)?;
    let mut probe = server.connect()?;
    probe.send(&server.protocol.request)?;
    let mut found = server.outcome(&mut probe)?;
    let held = held(&server, &silent)?;
    let cut = cut(&mut silent, begun)?;
    if let (Probe::Stuck(_), Some(_)) = (&found, &cut) {
        found = server.outcome(&mut probe)?;
    }
    let stuck = match found {
        Probe::Right => return served(&server, cut, held),
        Probe::Stuck(what) => what,
        other => {
            let what = format!("beside a silent client a good one is {}", other.words());
            return Ok(Outcome::fail(what).with_all(cut).with_all(held));
        }
    };
    let limit = longest(&server);
    // It asks at last: what becomes of those that leave without a word is another check's.
    for mut client in silent {
        client.send(&server.protocol.request)?;
        server.outcome(&mut client)?;
        client.close();
    }
    let after = server.outcome(&mut probe)?;
    if after != Probe::Right {
        let what = format!(
            "a good client is stuck ({stuck}), and still is when the silent one has asked and left"
        );
        return Ok(Outcome::fail(what).with_all(server.scene()));
    }
    let reason = design.one_at_a_time();
    let verdict = if reason.is_some() { Verdict::ByDesign } else { Verdict::Fail };
    let what = if count == 1 {
        String::from("a silent client made the others wait until it had asked, too")
    } else {
        format!("{count} silent clients made the others wait until they had asked, too")
    };
    let outcome = Outcome::new(verdict, what).with_all(reason).with_all(held);
    Ok(outcome.with(stuck).with(limit))
}

/// Where the other client is answered: beside the silent ones, or after the server has cut one of them.
fn served(server: &Server, cut: Option<String>, held: Option<String>) -> Result<Outcome, Trouble> {
    if let Some(status) = server.ended() {
        return Ok(server.died(status));
    }
    Ok(match cut {
        Some(line) => {
            Outcome::pass("a silent client is cut, and the others are served then").with(line)
        }
        None => Outcome::pass("the others are served beside it").with_all(held),
    })
}

/// How the kernel shows the first silent client, which is there still.
fn held(server: &Server, silent: &[Client]) -> Result<Option<String>, Trouble> {
    let Some(first) = silent.first() else { return Ok(None) };
    if let Some(line) = server.held_by(first)? {
        return Ok(Some(line));
    }
    let row = server.row(first)?.filter(|row| row.idiag_inode != 0);
    Ok(row.map(|row| {
        let (port, inode) = (first.addr.port(), row.idiag_inode);
        format!("the silent client of port {port} is connected still (socket {inode})")
    }))
}

/// Whether the server has ended a silent client's connection, and within which time.
fn cut(silent: &mut [Client], begun: Instant) -> Result<Option<String>, Trouble> {
    for client in silent {
        let answer = client.take()?;
        if answer.end != End::Open {
            let (name, time) = (client.name(), begun.elapsed().as_millis());
            let words = answer.words();
            return Ok(Some(format!("{name}, silent, is cut within {time} ms: it gets {words}")));
        }
    }
    Ok(None)
}

/// For how long the server would wait for a silent client, as far as the kernel shows it.
fn longest(server: &Server) -> String {
    let limits =
        server.tasks().into_iter().filter_map(|task| Some((limit(&task)?.seen()?, task.tid)));
    match limits.min() {
        Some(((limit, by), tid)) => {
            format!("task {tid} waits for {:.1} s at most ({by})", limit.as_secs_f64())
        }
        None => String::from(
            "no time limit is seen: neither in the calls that wait, nor as SO_RCVTIMEO of a socket read from; one \
             that a signal or another task keeps can't be",
        ),
    }
}
