//! C9: whether it reads only from whom it is told that there is something to read.

use crate::examine::design::Kind;
use crate::examine::faults::habits::{RECEIVE, warmed};
use crate::examine::server::{Probe, Server};
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::subject::gate::{Call, Open};

pub(in crate::examine) const CHECK: Check = Check {
    id: "C9",
    name: "readiness",
    does: "holds three silent clients, and lets three others ask one byte at a time, with every recv() and read() going \
           through a gate",
    sees: "whether it ever calls recv() or read() on the connection of a client that has said nothing: such calls are \
           counted as they are made; what they return, EAGAIN, can't be seen at a gate, and would be nothing else",
    matters: "select, poll and epoll_wait say who is ready; who asks all the others too calls the kernel for nothing, as often as \
              there are clients; a server that polls all its non-blocking sockets in turn has no other way, and is BY \
              DESIGN",
    remedy: "look at each descriptor's result (FD_ISSET, revents) before recv()",
    source: "slide 'I/O multiplexing'; select(2), poll(2), epoll(7); UNIX Network Programming 6.8",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

const CLIENTS: usize = 3;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    let kind = exam.design()?.kind;
    if kind == Kind::IoUring {
        return Ok(Outcome::not_applicable("a ring tells what is done, not what could be done"));
    }
    if !kind.is_loop() && kind != Kind::Hybrid {
        return Ok(Outcome::not_applicable("who serves a client waits for it alone, in recv()"));
    }
    let (server, tap) = exam.start_gated(RECEIVE)?;
    warmed(&server)?;
    let mut silent = Vec::new();
    let mut theirs: Vec<u32> = Vec::new();
    for _ in 0..CLIENTS {
        let client = server.connect_accepted()?;
        let Some(row) = server.row(&client)? else {
            let what = "the connection of a client that says nothing is gone";
            return Err(Trouble::Broken(String::from(what)));
        };
        theirs.push(row.idiag_inode);
        silent.push(client);
    }
    server.settles()?;
    tap.start_counting();
    for _ in 0..CLIENTS {
        if let Some(outcome) = asks_bytewise(&server)? {
            return Ok(outcome);
        }
    }
    server.settles()?;
    tap.stop_counting();
    let calls = tap.log(0).calls;
    if calls.iter().any(|call| call.on == Open::Hidden) {
        let what = "the server's descriptors may not be looked at";
        return Err(Trouble::Blocked(String::from(what)));
    }
    let is_in_vain =
        |call: &&Call| matches!(call.on, Open::Socket { inode, .. } if theirs.contains(&inode));
    let in_vain = calls.iter().filter(is_in_vain);
    let lines = in_vain.clone().take(4);
    let lines = lines.map(|call| format!("in vain: {}({})", call.sysno, call.args[0] as i32));
    let (in_vain, lines) = (in_vain.count(), lines.collect::<Vec<_>>());
    if calls.is_empty() {
        return Err(Trouble::Broken(String::from("no recv() was seen at the gate")));
    }
    let bytes = CLIENTS * server.protocol.request.len();
    let line = format!(
        "{} calls while {bytes} bytes came one by one, {in_vain} of them on clients that said nothing",
        calls.len()
    );
    drop(silent);
    Ok(match (in_vain, kind) {
        (0, _) => Outcome::pass("it reads only from clients that have said something"),
        (_, Kind::Nonblocking) => {
            Outcome::new(Verdict::ByDesign, "it asks all clients in turn, in vain")
        }
        _ => Outcome::fail(format!("{in_vain} times it reads from clients that said nothing")),
    }
    .with(line)
    .with_all(lines))
}

/// A client that sends its request one byte at a time, the next when the last is read. An outcome if that is answered before
/// its end.
fn asks_bytewise(server: &Server) -> Result<Option<Outcome>, Trouble> {
    let mut client = server.connect_accepted()?;
    for byte in &server.protocol.request {
        client.send(std::slice::from_ref(byte))?;
        server.until(|| Ok(server.has_read(&client)? || client.is_told()?))?;
    }
    let probe = server.outcome(&mut client)?;
    if matches!(&probe, Probe::Wrong(answer) if !answer.bytes.is_empty()) {
        let what = "it does not wait for the whole request: see D4";
        return Ok(Some(Outcome::not_applicable(what)));
    }
    if probe != Probe::Right {
        let what = format!("a request that comes byte by byte is {}", probe.words());
        return Err(Trouble::Broken(what));
    }
    client.close();
    server.settles()?;
    Ok(None)
}
