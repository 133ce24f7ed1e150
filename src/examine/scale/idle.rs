//! G1: very many clients that say nothing.

use super::{Belongings, Census, excluded, gather, limits, room, until_released};
use crate::examine::client::Client;
use crate::examine::design::Kind;
use crate::examine::server::Probe;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::report::plural::counted;

pub(in crate::examine) const CHECK: Check = Check {
    id: "G1",
    name: "2000 idle clients",
    does: "lets 100, 1000 and 2000 clients connect that say nothing, no faster than they are accepted, and asks with one more each \
           time; then all of them leave",
    sees: "the answers; processes, threads, descriptors and memory; whether all is well when they have left",
    matters: "clients that do nothing are most of those that a server has; what each of them costs decides how many there can be",
    remedy: "one process with epoll for many clients; a limit, and a word to those beyond it, where each costs a process or a thread",
    source: "slide 'C10K'; UNIX Network Programming 30.12; epoll(7)",
    over: Over::Tcp,
    is_quick: false,
    on_running: OnRunning::Never,
    run,
};

const STEPS: [usize; 3] = [100, 1000, 2000];

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if let Some(why) = excluded(exam)? {
        return Ok(why);
    }
    let kind = exam.design()?.kind;
    let room = room()?;
    let steps: Vec<usize> = STEPS.into_iter().filter(|&step| step < room).collect();
    let Some(&most) = steps.last() else {
        return Err(Trouble::Blocked(format!(
            "a process may have no more than {room} clients here (ulimit -Hn)"
        )));
    };
    let server = exam.start_within(limits(most))?;
    server.settles()?;
    let before = Belongings::of(&server);
    let mut lines = vec![format!("without clients: {}", before.words())];
    let mut clients: Vec<Client> = Vec::new();
    let mut limit = None;
    for step in steps {
        gather(&server, &mut clients, step)?;
        if let Some(status) = server.ended() {
            return Ok(server
                .died(status)
                .with(format!("with {}", counted(clients.len(), "client", "clients")))
                .with_all(lines));
        }
        let census = Census::of(&server, &clients)?;
        lines.push(format!("{}: {}", census.words(), Belongings::of(&server).words()));
        if census.held < step {
            limit = Some(census);
            break;
        }
        let probe = server.probe()?;
        if probe != Probe::Right {
            let what = format!("beside {step} silent clients a good one is {}", probe.words());
            return Ok(Outcome::fail(what).with_all(lines));
        }
    }
    let count = clients.len();
    clients.into_iter().for_each(Client::close);
    until_released(&server, before)?;
    if let Some(ill) = server.ailment()? {
        return Ok(ill.with(format!("{count} clients have left")).with_all(lines));
    }
    Ok(match limit {
        None => Outcome::pass(format!("beside {most} silent clients a good one is answered")),
        Some(census) if kind == Kind::Select && census.held > 1000 => Outcome::new(
            Verdict::ByDesign,
            format!("{}: select() knows descriptors below 1024", census.words()),
        ),
        Some(census) => Outcome::new(Verdict::Info, census.words()),
    }
    .with_all(lines))
}
