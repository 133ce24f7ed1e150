//! C8: how many costly requests are computed at once.

use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use crate::examine::client::Client;
use crate::examine::costly::{Heaviness, quarter};
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::subject::account::{Account, Demand};

pub(in crate::examine) const CHECK: Check = Check {
    id: "C8",
    name: "parallel computing",
    does: "sends one costly request, then two at the same time, then four, or as many as have room in the queue",
    sees: "how much CPU time all tasks have, or wait for, until the first answer: two that compute at once want twice as much \
           as one alone, however busy the machine is; how long all answers take, beside one alone",
    matters: "a server of one process with one thread, or with a lock round its interpreter, uses one CPU however many there are",
    remedy: "none is needed; processes, or threads without a common lock, use them all",
    source: "slide 'Threaded server'; UNIX Network Programming 26.1",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

/// So many at the same time.
const MOST: usize = 4;

/// Whoever has a CPU, or waits for one, for less than this part of the time does not compute, but waits.
const LITTLE: f64 = 0.25;
/// Two want twice as many CPUs as one; two of whom one waits for the other, as many as one.
const MANY: f64 = 1.5;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    if available_parallelism().map_or(1, usize::from) < 2 {
        return Err(Trouble::Blocked(String::from("the machine has one CPU")));
    }
    let Some(heavy) = exam.heavy()? else {
        return exam.without_heavy();
    };
    exam.design()?;
    let heavy = quarter(heavy);
    let server = exam.start()?;
    // One is taken in, the others have room behind it whatever the server does meanwhile.
    let backlog = server.listeners()?.iter().map(|row| row.idiag_wqueue as usize).min();
    let most = MOST.min(backlog.unwrap_or(0) + 2);
    let alone = measured(&server, &heavy, 1)?;
    let (two, four) = (measured(&server, &heavy, 2)?, measured(&server, &heavy, most)?);
    let lines = [alone, two, four].map(|run| run.words(&heavy, alone.time));
    Ok(Outcome::new(Verdict::Info, judged(alone, two)).with_all(lines))
}

/// What becomes of two at the same time.
fn judged(alone: Run, two: Run) -> String {
    if (alone.cpu + alone.waited).div_duration_f64(alone.time) < LITTLE {
        return format!(
            "it waits, and computes next to nothing: two at once take {:.2} s, {:.1} times as long as one alone",
            two.time.as_secs_f64(),
            two.beside(alone.time),
        );
    }
    String::from(if two.cpus < MANY * alone.cpus {
        "one after the other, on one CPU"
    } else {
        "two at once"
    })
}

/// Some costly requests at the same time.
#[derive(Clone, Copy)]
struct Run {
    requests: usize,
    /// From the first request to the last answer.
    time: Duration,
    /// For how long its tasks had a CPU, all together, those that have ended meanwhile included,
    cpu: Duration,
    /// and for how long they waited for one.
    waited: Duration,
    /// How many CPUs they would have kept busy until the first answer, had there been enough of them.
    cpus: f64,
}

impl Run {
    /// Its time, beside that of one alone.
    fn beside(&self, alone: Duration) -> f64 {
        self.time.div_duration_f64(alone)
    }

    fn words(&self, heavy: &Heaviness, alone: Duration) -> String {
        let what = match self.requests {
            1 => format!("one {}", heavy.name),
            requests => format!("{requests} of {} at once", heavy.name),
        };
        format!(
            "{what}: {:.2} s, {:.1} times one alone, with {:.2} s of CPU time and {:.2} s of waiting for a CPU; work for {:.1} \
             CPUs until the first answer",
            self.time.as_secs_f64(),
            self.beside(alone),
            self.cpu.as_secs_f64(),
            self.waited.as_secs_f64(),
            self.cpus,
        )
    }
}

/// Sends so many costly requests, and keeps account until all are answered.
fn measured(server: &Server, heavy: &Heaviness, requests: usize) -> Result<Run, Trouble> {
    let mut clients: Vec<Client> = Vec::new();
    while clients.len() < requests {
        clients.push(server.connect()?);
        server.settles()?;
    }
    let mut account = Account::of(&server.processes());
    let begun = Instant::now();
    for client in &clients {
        client.send(&heavy.request)?;
    }
    let mut cpus = None;
    let is_over = server.until_within(server.patience + heavy.alone * 20, || {
        let told = clients.iter().map(Client::is_told).collect::<Result<Vec<_>, _>>()?;
        account.look(&server.processes());
        if cpus.is_none() && told.contains(&true) {
            cpus = Some(account.demand().computing.div_duration_f64(begun.elapsed()));
        }
        Ok(told.iter().all(|is_told| *is_told))
    })?;
    if !is_over {
        return Err(Trouble::Broken(format!(
            "{requests} costly requests at once are never answered"
        )));
    }
    let (time, Demand { cpu, waited, .. }) = (begun.elapsed(), account.demand());
    Ok(Run { requests, time, cpu, waited, cpus: cpus.unwrap_or_default() })
}
