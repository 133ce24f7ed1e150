//! C8: how many costly requests are computed at once.

use std::collections::BTreeMap;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use crate::examine::client::Client;
use crate::examine::costly::{Heaviness, quarter};
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::subject::watch::{self, Task};

pub(in crate::examine) const CHECK: Check = Check {
    id: "C8",
    name: "parallel computing",
    does: "sends one costly request, then two at the same time, then four, or as many as have room in the queue",
    sees: "whether two tasks are seen running at once; how long all answers take, beside one alone, and how much CPU time",
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
    if two.together + two.single == 0 {
        return Err(Trouble::Broken(format!("no task was seen running in {} looks", two.looks)));
    }
    // Two threads that hand a lock over are both awake for a moment.
    let what =
        if two.together > two.single { "two at once" } else { "one after the other, on one CPU" };
    let lines = [alone, two, four].map(|run| run.words(&heavy, alone.time));
    Ok(Outcome::new(Verdict::Info, what).with_all(lines))
}

/// Some costly requests at the same time.
#[derive(Clone, Copy)]
struct Run {
    requests: usize,
    /// From the first request to the last answer.
    time: Duration,
    /// Of all tasks together, those that have ended meanwhile included.
    cpu: Duration,
    /// How often it was looked, and how many times two tasks or more were seen running, or one.
    looks: usize,
    together: usize,
    single: usize,
}

impl Run {
    fn words(&self, heavy: &Heaviness, alone: Duration) -> String {
        let Self { requests, time, cpu, looks, together, single } = self;
        let ratio = time.as_secs_f64() / alone.as_secs_f64().max(1e-6);
        let what = match requests {
            1 => format!("one {}", heavy.name),
            _ => format!("{requests} of {} at once", heavy.name),
        };
        format!(
            "{what}: {:.2} s, {ratio:.1} times one alone, {:.2} s of CPU time; two tasks or more ran in \
             {together} of {looks} looks, one in {single}",
            time.as_secs_f64(),
            cpu.as_secs_f64(),
        )
    }
}

/// Sends so many costly requests, and looks at the tasks until all are answered.
fn measured(server: &Server, heavy: &Heaviness, requests: usize) -> Result<Run, Trouble> {
    let mut clients: Vec<Client> = Vec::new();
    while clients.len() < requests {
        clients.push(server.connect()?);
        server.settles()?;
    }
    let spent = |task: &Task| (task.tid, watch::cpu_of(*task));
    let before: BTreeMap<u32, Duration> = server.tasks().iter().map(spent).collect();
    let begun = Instant::now();
    for client in &clients {
        client.send(&heavy.request)?;
    }
    let mut last = BTreeMap::new();
    let mut run = Run {
        requests,
        time: Duration::ZERO,
        cpu: Duration::ZERO,
        looks: 0,
        together: 0,
        single: 0,
    };
    let is_over = server.until_within(server.patience + heavy.alone * 20, || {
        let tasks = server.tasks();
        let running = tasks.iter().filter(|task| task.runs()).count();
        run.looks += 1;
        run.together += usize::from(running >= 2);
        run.single += usize::from(running == 1);
        last.extend(tasks.iter().map(spent));
        let told = clients.iter().map(Client::is_told).collect::<Result<Vec<_>, _>>()?;
        Ok(told.iter().all(|is_told| *is_told))
    })?;
    if !is_over {
        return Err(Trouble::Broken(format!(
            "{requests} costly requests at once are never answered"
        )));
    }
    run.time = begun.elapsed();
    let more = |(tid, spent): (&u32, &Duration)| {
        spent.saturating_sub(before.get(tid).copied().unwrap_or_default())
    };
    run.cpu = last.iter().map(more).sum();
    Ok(run)
}
