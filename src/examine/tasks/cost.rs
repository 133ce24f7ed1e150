//! C1: what a client costs while it is connected.

use crate::examine::client::{Client, End};
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::report::Verdict;
use crate::subject::watch::descriptors;

pub(in crate::examine) const CHECK: Check = Check {
    id: "C1",
    name: "cost of a client",
    does: "holds 1, 8 and 40 silent clients, or as many as are accepted",
    sees: "how many processes, threads and descriptors there are more than before",
    matters: "a process or a thread for each client bounds how many there can be; a descriptor costs almost nothing",
    remedy: "none is needed",
    source: "slides 'Forked server', 'Threaded server', 'select server'; UNIX Network Programming 30.1",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Made,
    run,
};

/// So many at a time: one, a few, and more than any usual pool has workers.
const CLIENTS: [usize; 3] = [1, 8, 40];

/// What a client takes while it is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// A process that is made for it.
    Process,
    /// A thread that is made for it.
    Thread,
    /// A process or a thread that is there already.
    Worker,
    /// No more than a descriptor.
    Descriptor,
}

impl Cost {
    /// In words, as C1 finds it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Process => "a process each",
            Self::Thread => "a thread each",
            Self::Worker => "a worker each, which is there already",
            Self::Descriptor => "a descriptor each",
        }
    }
}

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.is_single_use()? {
        return Ok(Outcome::not_applicable("it serves once"));
    }
    if let Some(outcome) = exam.speaks_first()? {
        return Ok(outcome);
    }
    let design = exam.design()?;
    let most = if design.is_pool_or_iterative() { design.workers } else { usize::MAX };
    let mut steps: Vec<usize> = CLIENTS.iter().map(|&step| step.min(most)).collect();
    steps.dedup();
    let server = exam.start()?;
    server.until_at_rest()?;
    let before = Count::of(&server);
    let (mut clients, mut counts) = (Vec::new(), Vec::new());
    if design.listeners > 1 && design.is_pool_or_iterative() {
        // Which worker gets whom is left to chance.
        clients = design.fill(&server)?;
        server.until_at_rest()?;
        counts.push((most, Count::of(&server)));
        steps.clear();
    }
    for step in steps {
        while clients.len() < step && hold(&server, &mut clients)? {}
        server.until_at_rest()?;
        counts.push((clients.len(), Count::of(&server)));
        if clients.len() < step {
            break;
        }
    }
    counts.dedup_by_key(|(held, _)| *held);
    let Some(&(held, after)) = counts.last().filter(|(held, _)| *held > 0) else {
        return Err(Trouble::Broken(String::from("no silent client was accepted")));
    };
    // A pool that is filled as clients come makes each worker once.
    let what = if design.is_pool_or_iterative() {
        Cost::Worker
    } else if after.processes >= before.processes + held {
        Cost::Process
    } else if after.threads >= before.threads + held {
        Cost::Thread
    } else {
        Cost::Descriptor
    };
    let several = match what {
        Cost::Process => Some(((after.processes - before.processes) / held, "processes")),
        Cost::Thread => Some(((after.threads - before.threads) / held, "threads")),
        Cost::Worker | Cost::Descriptor => None,
    };
    let words = match several {
        Some((each @ 2.., things)) => format!("{each} {things} each"),
        _ => what.words().to_owned(),
    };
    let mut outcome = Outcome::new(Verdict::Info, words).with(before.words(0));
    for (held, count) in counts {
        outcome = outcome.with(count.words(held));
    }
    Ok(outcome)
}

/// Connects one more silent client; false if it is not accepted, or is not kept.
fn hold(server: &Server, clients: &mut Vec<Client>) -> Result<bool, Trouble> {
    let (mut client, _) = server.connect_if_taken()?;
    let is_held = server.is_accepted(&client)? && client.take()?.end == End::Open;
    clients.extend(is_held.then_some(client));
    Ok(is_held)
}

/// What a server has, all its processes together.
#[derive(Clone, Copy)]
struct Count {
    processes: usize,
    threads: usize,
    descriptors: usize,
}

impl Count {
    fn of(server: &Server) -> Self {
        let processes = server.processes();
        Self {
            processes: processes.len(),
            threads: server.tasks().len().saturating_sub(processes.len()),
            descriptors: processes.iter().map(|&pid| descriptors(pid).len()).sum(),
        }
    }

    fn words(&self, clients: usize) -> String {
        let Self { processes, threads, descriptors } = self;
        let clients = match clients {
            1 => String::from("1 client"),
            _ => format!("{clients} clients"),
        };
        format!(
            "with {clients}: processes {processes}, further threads {threads}, descriptors {descriptors} in all"
        )
    }
}
