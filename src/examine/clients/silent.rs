//! D1: a client that says nothing.

use crate::examine::design::Kind;
use crate::examine::server::Probe;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;

pub(in crate::examine) const CHECK: Check = Check {
    id: "D1",
    name: "silent client",
    does: "holds a client that says nothing, asks with another one, and then lets the silent one ask, too; where there is a \
           pool, with as many silent clients as it has workers",
    sees: "whether the other is answered before the silent one leaves, and in which call the server waits for whom",
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
    let design = exam.design()?;
    let server = exam.start()?;
    let count = if design.kind.is_pool() { design.workers } else { 1 };
    let silent = design.fill(&server)?;
    let mut probe = server.connect()?;
    probe.send(&server.protocol.request)?;
    let found = server.outcome(&mut probe)?;
    let evidence = match silent.first() {
        Some(first) => server.held_by(first)?,
        None => None,
    };
    let outcome = match found {
        Probe::Right => {
            return Ok(match server.ended() {
                Some(status) => server.died(status),
                None => Outcome::pass("the others are served beside it"),
            });
        }
        Probe::Stuck(what) => what,
        other => {
            return Ok(Outcome::fail(format!(
                "beside a silent client a good one is {}",
                other.words()
            )));
        }
    };
    // It asks at last: what becomes of those that leave without a word is another check's.
    for mut client in silent {
        client.send(&server.protocol.request)?;
        server.outcome(&mut client)?;
        client.close();
    }
    let after = server.outcome(&mut probe)?;
    if after != Probe::Right {
        let what = format!(
            "a good client is stuck ({outcome}), and still is when the silent one has asked and left"
        );
        return Ok(Outcome::fail(what).with_all(server.scene()));
    }
    let must = design.kind == Kind::Iterative || design.kind.is_pool();
    let verdict = if must { Verdict::ByDesign } else { Verdict::Fail };
    let what = if count == 1 {
        String::from("a silent client made the others wait until it had asked, too")
    } else {
        format!("{count} silent clients made the others wait until they had asked, too")
    };
    Ok(Outcome::new(verdict, what).with_all(evidence).with(outcome))
}
