//! A3: how many clients may wait to be accepted.

use std::fs;

use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::report::plural::counted;

pub(in crate::examine) const CHECK: Check = Check {
    id: "A3",
    name: "backlog",
    does: "reads the backlog from the kernel's table; where one socket listens, with a backlog of at most 256 and in a network of its \
           own, stops the server and connects until no more clients are taken",
    sees: "the row's backlog and queue, and the network's count of overflows",
    matters: "a client that comes when the queue is full is not answered at all: it sends its SYN again after a second, \
              then two, and calls the server slow",
    remedy: "give listen() a backlog as large as the burst that is to be borne, such as SOMAXCONN",
    source: "slide 'listen'; listen(2); UNIX Network Programming 4.5",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

/// A queue that takes longer to fill than the figure is worth.
const LARGE: u32 = 256;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    let server = exam.start()?;
    let rows = server.listeners()?;
    let [row] = &rows[..] else {
        return Ok(Outcome::new(
            Verdict::Info,
            format!("{} sockets listen, each with a backlog", rows.len()),
        )
        .with_all(rows.iter().map(|row| format!("backlog {}", row.idiag_wqueue)))
        .with("not filled: which of several queues a client comes into is the kernel's choice"));
    };
    let backlog = row.idiag_wqueue;
    let outcome = Outcome::new(Verdict::Info, format!("the backlog is {backlog}"));
    if !exam.plan.is_alone() {
        let line =
            "not filled: without a network of its own other servers' overflows are counted too";
        return Ok(outcome.with(line));
    }
    if backlog > LARGE {
        return Ok(outcome.with(format!("not filled: it has room for more than {LARGE} clients")));
    }
    let before = overflows()?;
    let (queued, clients) = server.while_stopped(|| {
        let mut clients = Vec::new();
        while overflows()? == before && clients.len() < backlog as usize + 8 {
            let Some(client) = server.begin_connect()? else { break };
            server.until(|| Ok(client.is_connected()? || overflows()? > before))?;
            clients.push(client);
        }
        let queued = server.listeners()?.first().map_or(0, |row| row.idiag_rqueue);
        Ok((queued, clients))
    })?;
    drop(clients);
    if overflows()? == before {
        return Err(Trouble::Broken(format!("the queue of {backlog} never overflowed")));
    }
    let what = format!(
        "the backlog is {backlog}: {}, and the next one is not answered",
        counted(queued, "client waits", "clients wait")
    );
    Ok(Outcome { what, ..outcome }
        .with(format!("ListenOverflows {before} before, {} after", overflows()?)))
}

/// How many clients this network has turned away because a queue was full.
fn overflows() -> Result<u64, Trouble> {
    let blocked = || Trouble::Blocked(String::from("/proc/net/netstat has no ListenOverflows"));
    let text = fs::read_to_string("/proc/thread-self/net/netstat").map_err(|_| blocked())?;
    let mut lines =
        text.lines().filter(|line| line.starts_with("TcpExt:")).map(str::split_whitespace);
    let (Some(mut names), Some(mut values)) = (lines.next(), lines.next()) else {
        return Err(blocked());
    };
    let at = names.position(|name| name == "ListenOverflows").ok_or_else(blocked)?;
    values.nth(at).and_then(|value| value.parse().ok()).ok_or_else(blocked)
}
