//! D3: a client that asks and asks, and does not read.

use std::time::{Duration, Instant};

use crate::examine::client::{Client, Manner};
use crate::examine::protocol::Shape;
use crate::examine::server::{Probe, Server};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::subject::watch;

pub(in crate::examine) const CHECK: Check = Check {
    id: "D3",
    name: "slow reader",
    does: "sends requests over one connection, with a small receive buffer, and reads no answer, until the server takes no more; \
           then asks with another client",
    sees: "where the server waits, how much memory it uses, and the other client's answer",
    matters: "when the buffers are full, a blocking send() waits for the slowest reader, and with it everybody whom the same loop \
              serves; who keeps the answers instead gives a client as much memory as it likes",
    remedy: "make connected sockets non-blocking, wait for writable ones too, and don't read from who does not read",
    source: "slide 'I/O Multiplexing'; send(2), EAGAIN; UNIX Network Programming 16.2",
    over: Over::Tcp,
    is_quick: false,
    on_running: OnRunning::Made,
    run,
};

/// More than the kernel keeps for one connection.
const MOST: usize = 16 << 20;
/// TCP asks after a fifth of a second whether there is room again, then after two fifths.
const STILL: Duration = Duration::from_millis(500);
/// On a busy machine a time says little.
const LOOKS: u32 = 60;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.shape()? == Shape::OneShot {
        let why = "a connection carries one request, and its answer has always room";
        return Ok(Outcome::not_applicable(why));
    }
    let design = exam.design()?;
    let server = exam.start()?;
    let manner = Manner { receive_buffer: Some(2304), segment: Some(536), ..Manner::default() };
    let Some(client) = server.connect_as(manner)? else {
        return Err(Trouble::Broken(String::from("a client could not connect")));
    };
    if !server.until_accepted(&client)? {
        return Err(Trouble::Broken(format!("{} was never accepted", client.name())));
    }
    let before = in_use(&server);
    let (sent, is_full) = flood(&server, &client)?;
    let grown = in_use(&server).saturating_sub(before);
    let held = server.held_by(&client)?;
    let is_cut = server.row(&client)?.is_none();
    let keeps = grown >= 1 << 20 && grown >= sent as u64 / 4;
    if !is_full && !keeps && !is_cut {
        let what =
            format!("the buffers could not be filled: {sent} bytes of requests were too few");
        return Err(Trouble::Broken(what));
    }
    let mut probe = server.connect()?;
    probe.send(&server.protocol.request)?;
    let found = server.outcome(&mut probe)?;
    client.close();
    let line = format!("{} kB of requests sent, {} kB more in use", sent >> 10, grown >> 10);
    if found == Probe::Right {
        let outcome = if keeps && !is_full {
            let what = "the others are served, but the answers are kept in memory without a limit";
            Outcome::new(Verdict::Weak, what)
        } else if is_cut {
            Outcome::pass("it is cut, and the others are served")
        } else {
            Outcome::pass("the others are served beside it")
        };
        return server.if_well(outcome.with_all(held).with(line));
    }
    let reason = design.one_at_a_time().filter(|_| design.workers <= 1);
    let verdict = if reason.is_some() { Verdict::ByDesign } else { Verdict::Fail };
    let what = format!("beside one who does not read a good client is {}", found.words());
    let outcome = Outcome::new(verdict, what).with_all(reason).with_all(held).with(line);
    if verdict == Verdict::Fail {
        return Ok(outcome);
    }
    Ok(server.ailment()?.unwrap_or(outcome))
}

/// Sends requests until the server takes no more, or it has been enough: how many bytes, and which of the two.
fn flood(server: &Server, client: &Client) -> Result<(usize, bool), Trouble> {
    let begun = Instant::now();
    let requests = server.protocol.request.repeat(4096);
    let (mut sent, mut at) = (0, 0);
    while sent < MOST && begun.elapsed() < server.patience {
        let more = client.send(&requests[at..])?;
        (sent, at) = (sent + more, (at + more) % requests.len());
        if more > 0 {
            continue;
        }
        // Idle beside requests that lie there: it does not want them. TCP pauses too, while it asks whether there
        // is room again, so that has to last, and nothing may move.
        let mut still: Option<((u32, u32), Instant, u32)> = None;
        server.until(|| {
            let queues =
                server.row(client)?.map_or((1, 0), |row| (row.idiag_rqueue, row.idiag_wqueue));
            let is_idle = queues.0 > 0 && server.is_at_rest();
            still = match still {
                Some((before, since, looks)) if is_idle && before == queues => {
                    Some((before, since, looks + 1))
                }
                _ if is_idle => Some((queues, Instant::now(), 1)),
                _ => None,
            };
            Ok(is_full(still) || client.is_connected()?)
        })?;
        if is_full(still) {
            return Ok((sent, true));
        }
    }
    Ok((sent, false))
}

/// Whether nothing has moved for long enough, looked at often enough.
fn is_full(still: Option<((u32, u32), Instant, u32)>) -> bool {
    still.is_some_and(|(_, since, looks)| since.elapsed() >= STILL && looks >= LOOKS)
}

/// The memory in use by all of its processes.
fn in_use(server: &Server) -> u64 {
    server.processes().iter().filter_map(|&pid| watch::size(pid, "VmRSS")).sum()
}
