//! G3: descriptors beyond FD_SETSIZE.

use std::collections::HashSet;

use super::{Census, excluded, gather, limits, room};
use crate::examine::client::Client;
use crate::examine::design::Kind;
use crate::examine::server::Probe;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::report::plural::counted;

pub(in crate::examine) const CHECK: Check = Check {
    id: "G3",
    name: "beyond FD_SETSIZE",
    does: "lets 1100 clients connect that say nothing, where one process has them all, and asks with the last and with the first of them",
    sees: "whether the process lives, and the answers; or who is sent away",
    matters: "a set of select() has room for descriptors below 1024: FD_SET() of another one writes where something else is, and \
              whoever has it is never heard",
    remedy: "poll() or epoll; or close at once what is FD_SETSIZE or more",
    source: "slide 'select'; select(2), BUGS; UNIX Network Programming 6.3",
    over: Over::Tcp,
    is_quick: false,
    on_running: OnRunning::Never,
    run,
};

const CLIENTS: usize = 1100;
/// Of 1024 descriptors, some have another use.
const LEAST: usize = 1000;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if let Some(why) = excluded(exam)? {
        return Ok(why);
    }
    let kind = exam.design()?.kind;
    if matches!(kind, Kind::Forked | Kind::ForkExec) {
        return Ok(Outcome::not_applicable(
            "no process of it has so many descriptors: each has one client",
        ));
    }
    let room = room()?;
    if room < CLIENTS {
        return Err(Trouble::Blocked(format!(
            "a process may have no more than {room} clients here (ulimit -Hn)"
        )));
    }
    let server = exam.start_within(limits(CLIENTS + 100))?;
    server.settles()?;
    let mut clients: Vec<Client> = Vec::new();
    gather(&server, &mut clients, CLIENTS)?;
    if let Some(status) = server.ended() {
        return Ok(server
            .died(status)
            .with(format!("with {}", counted(clients.len(), "client", "clients"))));
    }
    let census = Census::of(&server, &clients)?;
    let line = census.words();
    if census.held < LEAST {
        return Ok(Outcome::not_applicable(format!("{line}: fewer than FD_SETSIZE")));
    }
    let is_limited = census.held < CLIENTS;
    let rows = server.connections()?;
    // All clients have one address.
    let accepted: HashSet<u16> = rows
        .iter()
        .filter(|row| row.idiag_inode != 0)
        .map(|row| u16::from_be(row.idiag_dport))
        .collect();
    let mut held = Vec::new();
    for client in clients {
        if !client.is_told()? && accepted.contains(&client.addr.port()) {
            held.push(client);
        }
    }
    let (mut last, mut first) = match (held.pop(), held.len()) {
        (Some(last), 1..) => (last, held.swap_remove(0)),
        _ => return Err(Trouble::Broken(String::from("its clients have left"))),
    };
    for (client, which) in [(&mut last, "last"), (&mut first, "first")] {
        client.send(&server.protocol.request)?;
        let outcome = server.outcome(client)?;
        if let Some(status) = server.ended() {
            return Ok(server
                .died(status)
                .with(format!("when the {which} of them asked"))
                .with(line));
        }
        if outcome != Probe::Right {
            let what = format!("of {} clients the {which} one is {}", census.held, outcome.words());
            return Ok(Outcome::fail(what).with(line).with_all(server.scene()));
        }
    }
    drop((last, first, held));
    if let Some(ill) = server.ailment()? {
        return Ok(ill.with(line));
    }
    Ok(match (is_limited, kind) {
        (false, _) => {
            Outcome::pass(format!("the first and the last of {CLIENTS} clients are answered"))
        }
        (true, Kind::Select) => Outcome::new(
            Verdict::ByDesign,
            format!("{line}: no descriptor from 1024 on comes into a set"),
        ),
        (true, _) => Outcome::new(Verdict::Info, line.clone()),
    }
    .with(line))
}
